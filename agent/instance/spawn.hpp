#pragma once
// Starting and ending plugin hosts.

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/instance/limits.hpp"
#include "agent/isolation/confinement.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// A running host. The caller reaps it: see reap().
struct Spawned {
  pid_t pid = -1;
  bool pid_namespace = false;     ///< `pid` is the first process of one: with it all others end
  Fd exit_notice;                 ///< a pidfd: readable once the process has ended
  Fd socket;                      ///< the agent's end of its socketpair; non-blocking
  Fd output;                      ///< what it prints to stdout and stderr; non-blocking
  Fd report;                      ///< with a PID namespace: the ExitReport; non-blocking
  std::shared_ptr<Cgroup> group;  ///< the cgroup it is in, if any
};

/// Forks and executes `program` with `arguments` (without argv[0]), confined, as leader of a
/// session and a process group of its own, with the socketpair's other end as descriptor 3, stdout
/// and stderr going to a pipe, stdin at /dev/null, no other descriptor of the agent's, default
/// signals, no new privileges, the rlimits of `limits`, no core files, and SIGKILL when the agent
/// dies; in a PID namespace of its own where the kernel lets the agent make one. The plugin's open
/// file and the ruleset of `confinement` become its descriptors 5 and 6, and `--opened` and
/// `--ruleset` its first arguments. A child that cannot be confined says why on its output and
/// exits with 127. The environment is the agent's but for what the service manager put there for
/// the agent itself. Main thread only: the parent-death signal follows the thread that forked.
[[nodiscard]] Result<Spawned> spawn_host(const std::string& program,
                                         const std::vector<std::string>& arguments,
                                         const Limits& limits, Confinement confinement);

/// SIGKILL to the whole process group of a host that is not reaped yet.
void kill_group(pid_t leader);

/// How a host ended.
struct Ended {
  std::string words;       ///< "exited with status 3", "killed by signal 11 (Segmentation fault)"
  bool clean = false;      ///< it exited with 0
  std::uint64_t peak = 0;  ///< bytes resident at most; 0 = unknown
};

/// Waits for a host whose exit notice is readable.
[[nodiscard]] Ended reap(const Spawned& spawned);

}  // namespace tallyman::agent
