#pragma once
// Mending a spool that no agent is using: opens it as an agent would, and reads all of it, so that
// every damaged batch is set aside and replaced (by what is whole of it, or a stand-in), and what a
// crash left open is sealed. Like an agent, it removes segments that are wholly acknowledged.

#include <string>
#include <vector>

#include "agent/spool/spool.hpp"
#include "base/files.hpp"

namespace tallyman::agent {

struct SpoolMended {
  std::vector<std::string> notes;    ///< what was done, in words; empty = nothing had to be
  std::vector<std::string> removed;  ///< segments that were wholly acknowledged
  std::uint64_t quarantined = 0;     ///< files added to quarantine
};

/// Refuses while an agent holds the spool. With `dry` nothing on disk is changed: the same is done
/// in memory.
[[nodiscard]] Result<SpoolMended> mend_spool(Files& files, const std::string& directory,
                                             const Clock& clock, bool dry);

}  // namespace tallyman::agent
