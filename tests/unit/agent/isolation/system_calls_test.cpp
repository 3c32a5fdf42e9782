#include "agent/isolation/system_calls.hpp"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "agent/isolation/confinement.hpp"

namespace tallyman::agent {
namespace {

constexpr int kNoFilter = 200;

/// The errno of a call in a child under the plan's filter; 0 = it went well.
int outcome(const FilterPlan& plan, const std::function<long()>& call) {
  auto filter = system_call_filter(plan);
  if (!filter) return kNoFilter;
  Confinement confinement;
  confinement.filter = *filter;
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (enter_filter(confinement, false) != nullptr) _exit(kNoFilter);
    errno = 0;
    _exit(call() < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::function<long()> opens(long family) {
  return [family] { return syscall(SYS_socket, family, SOCK_DGRAM, 0); };
}

// Given nothing granted, then each of the calls that plugins have no business with is refused with
// EPERM, by the filter: it is refused to root too, and whatever its arguments are.
TEST(SystemCalls, refused) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  const std::pair<const char*, long> calls[] = {
      {"mount", SYS_mount},
      {"umount2", SYS_umount2},
      {"pivot_root", SYS_pivot_root},
      {"unshare", SYS_unshare},
      {"setns", SYS_setns},
      {"chroot", SYS_chroot},
      {"ptrace", SYS_ptrace},
      {"process_vm_readv", SYS_process_vm_readv},
      {"process_vm_writev", SYS_process_vm_writev},
      {"bpf", SYS_bpf},
      {"perf_event_open", SYS_perf_event_open},
      {"userfaultfd", SYS_userfaultfd},
      {"io_uring_setup", SYS_io_uring_setup},
      {"init_module", SYS_init_module},
      {"kexec_load", SYS_kexec_load},
      {"reboot", SYS_reboot},
      {"swapon", SYS_swapon},
      {"keyctl", SYS_keyctl},
      {"add_key", SYS_add_key},
      {"clock_settime", SYS_clock_settime},
      {"adjtimex", SYS_adjtimex},
      {"syslog", SYS_syslog},
      {"open_by_handle_at", SYS_open_by_handle_at},
      {"open_tree", SYS_open_tree},
      {"fsopen", SYS_fsopen},
      {"shmget", SYS_shmget},
      {"msgget", SYS_msgget},
      {"semget", SYS_semget},
      {"mq_open", SYS_mq_open},
      {"memfd_create", SYS_memfd_create},
  };
  for (const auto& [name, number] : calls) {
    EXPECT_EQ(outcome({}, [at = number] { return syscall(at, -1, -1, -1, -1, -1, -1); }), EPERM)
        << name;
  }
}

// Given nothing granted, then a plugin can do what it lives by: files, threads, children, pairs of
// sockets; clone3 is answered so that the C library asks for clone.
TEST(SystemCalls, let_through) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  EXPECT_EQ(outcome({}, [] { return getpid(); }), 0);
  EXPECT_EQ(outcome({},
                    [] {
                      int pair[2];
                      return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
                    }),
            0);
  EXPECT_EQ(outcome({}, [] { return syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
  EXPECT_EQ(outcome({},
                    [] {
                      const pid_t child = fork();
                      if (child == 0) _exit(0);
                      return waitpid(child, nullptr, 0) == child ? 0 : -1;
                    }),
            0);
}

long pair_of(int family, int type) {
  int pair[2];
  return socketpair(family, type, 0, pair);
}

// Given a pair of sockets of another kind than connected streams, then it is not to be had: it
// could be sent from to whoever listens.
TEST(SystemCalls, pairs) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  FilterPlan network, unix_sockets;
  network.network = true;
  unix_sockets.unix_sockets = true;
  for (const FilterPlan& plan : {FilterPlan{}, network}) {
    EXPECT_EQ(outcome(plan, [] { return pair_of(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC); }), 0);
    for (const int type :
         {int{SOCK_DGRAM}, SOCK_DGRAM | SOCK_NONBLOCK, int{SOCK_RAW}, int{SOCK_RDM}, 0}) {
      EXPECT_EQ(outcome(plan, [=] { return pair_of(AF_UNIX, type); }), EPERM) << type;
    }
    EXPECT_EQ(outcome(plan, [] { return pair_of(AF_TIPC, SOCK_STREAM); }), EPERM);
  }
  EXPECT_EQ(outcome(unix_sockets, [] { return pair_of(AF_UNIX, SOCK_DGRAM); }), 0);
}

// Given no cgroup that counts it, then memory that is shared without a file is not to be had, other
// memory is; with one, both are.
TEST(SystemCalls, shared_memory) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  auto maps = [](int flags) {
    return [flags] {
      return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -1 : 0;
    };
  };
  FilterPlan counted;
  counted.shared_memory = true;
  EXPECT_EQ(outcome({}, maps(MAP_SHARED | MAP_ANONYMOUS)), EPERM);
  EXPECT_EQ(outcome({}, maps(MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE)), EPERM);
  EXPECT_EQ(outcome({}, maps(MAP_PRIVATE | MAP_ANONYMOUS)), 0);
  EXPECT_EQ(outcome(counted, maps(MAP_SHARED | MAP_ANONYMOUS)), 0);
}

// Given the agent's own user, then the limits and scheduling of other processes, and what a path
// names, cannot be changed; its own can, and as another user all of it is the kernel's to refuse.
TEST(SystemCalls, of_the_same_user) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  FilterPlan same;
  same.same_user = true;
  const long parent = getpid();
  auto limits = [](long pid) {
    return [pid] { return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, nullptr, nullptr); };
  };
  EXPECT_EQ(outcome(same, limits(parent)), EPERM);
  EXPECT_EQ(outcome(same, limits(0)), 0);
  EXPECT_EQ(outcome({}, limits(0)), 0);
  EXPECT_EQ(outcome(same, [=] { return syscall(SYS_sched_setscheduler, parent, -1, nullptr); }),
            EPERM);
  EXPECT_EQ(outcome(same, [] { return syscall(SYS_setpriority, PRIO_USER, 0, 0); }), EPERM);
  for (const long call : {SYS_chmod, SYS_fchmodat, SYS_chown, SYS_lchown, SYS_fchownat,
                          SYS_truncate, SYS_setxattr, SYS_utimensat, SYS_utimes}) {
    EXPECT_EQ(outcome(same, [=] { return syscall(call, -1, -1, -1, -1, -1); }), EPERM) << call;
    EXPECT_NE(outcome({}, [=] { return syscall(call, -1, -1, -1, -1, -1); }), EPERM) << call;
  }
}

// Given clone with a flag of a new namespace, among others, then it is refused.
TEST(SystemCalls, namespaces) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  for (const long flag : {long{CLONE_NEWUSER}, long{CLONE_NEWNS}, long{CLONE_NEWNET},
                          long{CLONE_NEWPID}, long{CLONE_NEWUSER} | CLONE_NEWNET | CLONE_VM}) {
    EXPECT_EQ(outcome({}, [=] { return syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0); }), EPERM);
  }
}

// Given no network, then no family of sockets is to be had; with it IPv4, IPv6 and netlink; a
// socket's path lets Unix sockets through, and them alone. Bits that the kernel overlooks in a
// family do not help.
TEST(SystemCalls, sockets) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  FilterPlan network, unix_sockets;
  network.network = true;
  unix_sockets.unix_sockets = true;
  for (long family = 0; family < 70; family++) {
    EXPECT_EQ(outcome({}, opens(family)), EPERM) << family;
    if (family != AF_UNIX) {
      EXPECT_EQ(outcome(unix_sockets, opens(family)), EPERM) << family;
    }
    if (family != AF_INET && family != AF_INET6 && family != AF_NETLINK) {
      EXPECT_EQ(outcome(network, opens(family)), EPERM) << family;
    }
  }
  EXPECT_EQ(outcome(unix_sockets, opens(AF_UNIX)), 0);
  EXPECT_EQ(outcome(network, opens(AF_INET)), 0);
  EXPECT_NE(outcome(network, opens(AF_INET6)), EPERM);
  EXPECT_NE(outcome(network, opens(AF_NETLINK)), EPERM);
  constexpr long kHigh = 1L << 32;
  EXPECT_EQ(outcome(unix_sockets, opens(AF_INET | kHigh)), EPERM);
  EXPECT_EQ(outcome({}, opens(AF_INET | kHigh)), EPERM);
  EXPECT_EQ(outcome(network, opens(-1)), EPERM);
}

// Given a capability, then what it is for is left to the kernel to refuse, and nothing else.
TEST(SystemCalls, capabilities) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  FilterPlan plan;
  plan.capabilities = capability(*capability_number("CAP_SYS_PTRACE"));
  auto trace = [] { return syscall(SYS_process_vm_readv, 0, -1, -1, -1, -1, -1); };
  EXPECT_NE(outcome(plan, trace), EPERM);
  EXPECT_EQ(outcome(plan, [] { return syscall(SYS_bpf, -1, 0, 0); }), EPERM);
  EXPECT_EQ(outcome(plan, [] { return syscall(SYS_unshare, -1); }), EPERM);
}

#if defined(__x86_64__)
// Given a call of the other architecture that this processor knows, then it is refused.
TEST(SystemCalls, other_architecture) {
  if (!has_seccomp()) GTEST_SKIP() << "no seccomp in this kernel";
  constexpr long kX32 = 0x40000000;
  EXPECT_EQ(outcome({}, [] { return syscall(kX32 | SYS_getpid); }), EPERM);
}
#endif

}  // namespace
}  // namespace tallyman::agent
