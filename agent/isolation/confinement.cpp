#include "agent/isolation/confinement.hpp"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace tallyman::agent {
namespace {

bool set_capabilities(Capabilities wanted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct now[2]{};
  if (syscall(SYS_capget, &header, now) != 0) return false;
  __user_cap_data_struct next[2]{};
  for (unsigned half = 0; half < 2; half++) {
    const auto bits = static_cast<std::uint32_t>(wanted >> (32 * half)) & now[half].permitted;
    next[half] = {bits, bits, bits};
  }
  return syscall(SYS_capset, &header, next) == 0;
}

void keep_across_exec(Capabilities wanted) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (unsigned i = 0; i < 64; i++) {
    if ((wanted & capability(i)) != 0) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
  }
}

}  // namespace

const char* enter_group(const Confinement& confinement) {
  if (!confinement.group) return nullptr;
  const bool joined = write(confinement.group->door(), "0", 1) == 1;
  return joined ? nullptr : "cannot join its cgroup";
}

bool enter_paths(const Confinement& confinement, int ruleset) {
  bool sockets = false;
  for (const GrantedPath& path : confinement.paths) {
    const Found found = let_through(ruleset, path);
    sockets = sockets || (found != Found::file && path.write);
    if (found != Found::nothing) continue;
    for (const char* part : {"granted but not there: ", path.granted.c_str(),
                             path.rest.empty() ? "" : "/", path.rest.c_str(), "\n"}) {
      if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
    }
  }
  return sockets;
}

// Raw system calls: the C library's would have every thread of the agent's take part, and in the
// child there is none.
const char* enter_user(const Confinement& confinement) {
  if (confinement.bounded) {
    for (unsigned i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
      if ((confinement.capabilities & capability(i)) != 0) continue;
      if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) return "cannot drop capabilities for good";
    }
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
  }
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (confinement.user) {
    const User& user = *confinement.user;
    if (syscall(SYS_setgroups, 0, nullptr) != 0) return "cannot leave the agent's groups";
    if (syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0) return "cannot change its group";
    if (syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) return "cannot change its user";
  }
  if (!set_capabilities(confinement.capabilities)) return "cannot drop its capabilities";
  keep_across_exec(confinement.capabilities);
  return nullptr;
}

const char* enter_filter(const Confinement& confinement, bool sockets) {
  const bool wider = sockets && !confinement.socket_filter.empty();
  const std::vector<sock_filter>& filter = wider ? confinement.socket_filter : confinement.filter;
  if (filter.empty()) return nullptr;
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0) return nullptr;
  return "cannot install the filter of system calls";
}

}  // namespace tallyman::agent
