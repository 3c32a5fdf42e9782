#pragma once
// Landlock: which files a process reaches, which TCP ports, which processes and sockets outside.
// By raw system calls: Debian 12's headers know less than newer kernels. The kernel's ABI says how
// much of it there is; what is missing is left out, and told.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/isolation/grants.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// The kernel's ABI; 0 = there is no Landlock, or it is switched off.
[[nodiscard]] unsigned landlock_abi();

/// What a ruleset of an ABI restricts. Pure.
struct LandlockScope {
  std::uint64_t files = 0;    ///< LANDLOCK_ACCESS_FS_*
  std::uint64_t network = 0;  ///< LANDLOCK_ACCESS_NET_*
  std::uint64_t outside = 0;  ///< LANDLOCK_SCOPE_*: signals, abstract sockets
  friend bool operator==(const LandlockScope&, const LandlockScope&) = default;
};
[[nodiscard]] LandlockScope landlock_scope(unsigned abi, bool network);
/// The rights to a folder, or to what is no folder, within `handled`. Pure.
[[nodiscard]] std::uint64_t landlock_rights(std::uint64_t handled, bool folder, bool write);

/// What a process's ruleset is made of before it is known which process it is.
struct RulesetPlan {
  unsigned abi = 0;
  bool network = false;  ///< granted
  int plugin = -1;       ///< its open file
  int program = -1;      ///< the host's
};

/// A ruleset for a process that still has to enter it, to be let through to what it is granted, and
/// to add its own /proc entry. Close-on-exec. Needs no privilege. ABI at least 1.
[[nodiscard]] Result<Fd> make_ruleset(const RulesetPlan& plan);

/// A granted path, ready to be opened without a thought.
struct GrantedPath {
  std::string granted;  ///< as PathAccess has it, and
  std::string rest;
  std::string parent;  ///< of the rest: empty = the granted folder itself
  bool write = false;
  std::uint64_t handled = 0;  ///< by the ruleset
};
[[nodiscard]] std::vector<GrantedPath> granted_paths(const Access& access, unsigned abi);

/// What stands there: a socket, or nothing yet that could not become one.
enum class Found { nothing, file, socket };

/// Opens the path, and lets whoever enters the ruleset (−1: none) through to it. For the child,
/// between fork and exec, once it holds nothing of the agent's: the file system may never answer.
/// It must still be who the agent is. Async-signal-safe. What is of /proc stays open, also across
/// exec: /proc forgets otherwise which file it was.
[[nodiscard]] Found let_through(int ruleset, const GrantedPath& path);

}  // namespace tallyman::agent
