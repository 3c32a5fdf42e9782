#pragma once
// What a plugin needs, held against what its configuration grants. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "agent/host_protocol.hpp"
#include "agent/isolation/capability.hpp"

namespace tallyman::agent {

/// The table [grants] of plugins.d/NAME.toml, as written. Paths are as in a plugin's needs:
/// "/run/x" is read, "+/run/x" written or connected to as well, "@key" is what the option `key`
/// holds.
using Grants = Needs;

/// A path that a process is let through to.
struct PathAccess {
  std::string granted;  ///< absolute, without "." and ".."
  std::string rest;     ///< what is needed below it; empty = all of it
  bool write = false;
  [[nodiscard]] std::string path() const;
  friend bool operator==(const PathAccess&, const PathAccess&) = default;
};

/// What a process may have beyond what every plugin has.
struct Access {
  Capabilities capabilities = 0;
  std::vector<PathAccess> paths;  ///< ascending by path, each once
  bool network = false;
  friend bool operator==(const Access&, const Access&) = default;
};

/// What every plugin may read, and which needs no grant: the system's libraries and its own
/// process.
[[nodiscard]] const std::vector<std::string>& free_paths();
/// What may be read besides, once the network is granted: how names are looked up, certificates.
[[nodiscard]] const std::vector<std::string>& network_paths();

/// The options of a plugin with their values, configured or else by default.
using OptionValuesOf = std::vector<HostOption>;
[[nodiscard]] OptionValuesOf option_values(const std::vector<OptionDef>& declared,
                                           const std::vector<HostOption>& configured);

struct Judgement {
  std::string refusal;  ///< what is needed and not granted, in words; empty = nothing
  std::string todo;     ///< what to write under [grants] then: `network = true`
  std::string surplus;  ///< what is granted and not needed, in words; empty = nothing
  Access access;        ///< what is needed and granted
};

/// Holds the one against the other. `user` is what grants.user resolved to, or empty.
[[nodiscard]] Judgement judge(const Needs& needs, const Grants& grants,
                              const OptionValuesOf& options);

/// The capabilities that are granted, needed or not.
[[nodiscard]] Capabilities granted_capabilities(const Grants& grants);

/// One in words: "user ceph; CAP_NET_ADMIN; /proc/x, +/run/y; network"; "nothing".
[[nodiscard]] std::string needs_text(const Needs& needs);

/// "/a/b" of "/a//b/./"; empty when it is not absolute or has a "..".
[[nodiscard]] std::string plain_path(std::string_view path);

}  // namespace tallyman::agent
