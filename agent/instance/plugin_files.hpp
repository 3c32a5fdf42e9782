#pragma once
// Plugins as files, and what their declarations ask of a configuration.

#include <string>
#include <string_view>
#include <vector>

#include "agent/config.hpp"
#include "agent/host_protocol.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

constexpr std::size_t kMaxPluginFile = 64U << 20U;

/// "netif" of "netif" and of "/usr/lib/tallyman/plugins/netif.so".
[[nodiscard]] std::string plugin_name(const std::string& plugin);

/// Whose files may be plugins.
enum class Trust {
  any,    ///< a person or a package named it
  owner,  ///< nobody did: root or this user owns it and its folder, nobody else may write to either
};

/// The whole file, of one moment: an error when it is no regular file (a link to one will do with
/// Trust::any alone), is larger than 64 MiB, changed while it was read, or is not to be trusted.
/// Never waits for a peer, whatever kind of file it is. Any thread.
[[nodiscard]] Result<Bytes> read_plugin(const std::string& file, Trust trust);

/// Whether some process has the file open for writing.
enum class Writer { none, some, unknown };  ///< unknown: the kernel does not tell this user
[[nodiscard]] Writer writer_of(const std::string& file);

/// Every configured option must be declared, and every required one configured. The error names all
/// that are wrong, and what could be meant.
[[nodiscard]] Status check_options(const std::vector<OptionDef>& declared,
                                   const InstanceConfig& config);

/// Whether a plugin that declares this may run as it is configured: its options are known, and what
/// it needs is granted. A drop-in without a configuration (its `file` is empty) is granted nothing.
[[nodiscard]] Status check_admission(const Described& declared, const InstanceConfig& config);

}  // namespace tallyman::agent
