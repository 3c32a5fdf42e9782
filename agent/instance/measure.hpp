#pragma once
// What the processes of a plugin host take, out of /proc.

#include <sys/types.h>

#include <optional>

#include "agent/instance/limits.hpp"

namespace tallyman::agent {

/// The process `leader` and everything that descends from it; with `init`, the leader is the first
/// process of a PID namespace, which is the agent's own and not counted. Looks at no more than
/// kMostProcesses + 1 processes. Nothing when the leader is gone. What ends meanwhile is left out.
/// Main thread. `boot` is now: where the kernel does not tell children (CONFIG_PROC_CHILDREN), who
/// descends from whom is looked up at most once a second, for all hosts together.
[[nodiscard]] std::optional<Usage> measure(pid_t leader, bool init, Ns boot);

}  // namespace tallyman::agent
