#pragma once
// Starting and ending plugin hosts.

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// A running host. The caller reaps it: see reap().
struct Spawned {
  pid_t pid = -1;
  Fd exit_notice;  ///< a pidfd: readable once the process has ended
  Fd socket;       ///< the agent's end of its socketpair; non-blocking
};

/// Forks and executes `program` with `arguments` (without argv[0]) as leader of a session and a
/// process group of its own, with the socketpair's other end as descriptor 3, no other descriptor
/// of the agent's but stdout and stderr, stdin at /dev/null, default signals, no new privileges,
/// and SIGKILL when the agent dies. Main thread only: the parent-death signal follows the thread
/// that forked.
[[nodiscard]] Result<Spawned> spawn_host(const std::string& program,
                                         const std::vector<std::string>& arguments);

/// SIGKILL to the whole process group of a host that is not reaped yet.
void kill_group(pid_t leader);

/// Waits for a process whose exit notice is readable. Words: "exited with status 3", "killed by
/// signal 11 (Segmentation fault)". `clean` is set when it exited with 0.
[[nodiscard]] std::string reap(pid_t pid, bool& clean);

/// Kills the group and waits a moment for the leader to end. One that is stuck in the kernel is
/// left to be reaped by whoever inherits it: false.
bool end_group(pid_t leader, const Fd& exit_notice);

}  // namespace tallyman::agent
