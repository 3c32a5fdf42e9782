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

/// What a process's ruleset is made of.
struct RulesetPlan {
  unsigned abi = 0;
  Access access;
  int plugin = -1;   ///< its open file
  int program = -1;  ///< the host's
};

struct Ruleset {
  Fd fd;                ///< close-on-exec
  std::string missing;  ///< paths granted that are not there now: they cannot be reached later
  /// To be kept open for as long as it is in force: /proc forgets which file is which otherwise.
  std::vector<Fd> pins;
};

/// A ruleset for a process that still has to enter it, and to add its own /proc entry. Needs no
/// privilege. ABI at least 1.
[[nodiscard]] Result<Ruleset> make_ruleset(const RulesetPlan& plan);

}  // namespace tallyman::agent
