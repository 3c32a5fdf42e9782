#pragma once
// The system calls that a plugin has no business with, as a program for the kernel (seccomp). Made
// by libseccomp in the agent, so that no plugin host links it: the child only installs it.

#include <linux/filter.h>

#include <vector>

#include "agent/isolation/grants.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

struct FilterPlan {
  Capabilities capabilities = 0;  ///< granted: what one of them is for is not refused
  bool network = false;           ///< sockets of IPv4, IPv6 and netlink
  bool unix_sockets = false;      ///< a socket's path is granted
  bool shared_memory = false;     ///< what it holds is counted, and ends with it: by a cgroup
  bool same_user = false;         ///< as the agent: the kernel would let it steer the agent
  friend auto operator<=>(const FilterPlan&, const FilterPlan&) = default;
};

/// Refuses, with EPERM: mounts, namespaces, tracing, other processes' memory, kernel modules,
/// keyrings, ports, reboots, swap, clocks, bpf, performance counters, io_uring, queues and memory
/// of System V and POSIX (they outlive who made them), and sockets that are not granted (a pair of
/// connected streams can always be made; one of datagrams could be sent anywhere). Without
/// `shared_memory` also anonymous memory that is shared: no rlimit counts it. As the `same_user`
/// also other processes' limits and scheduling, and a file's mode, owner, times and length by its
/// path: Landlock governs none of these. clone3 is answered with ENOSYS, for its arguments cannot
/// be looked at: the C library then uses clone. Calls of another architecture are refused
/// altogether.
[[nodiscard]] Result<std::vector<sock_filter>> system_call_filter(const FilterPlan& plan);

/// Whether this kernel takes such programs.
[[nodiscard]] bool has_seccomp();

}  // namespace tallyman::agent
