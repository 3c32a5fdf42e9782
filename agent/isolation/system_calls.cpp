#include "agent/isolation/system_calls.hpp"

#include <linux/sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>

#include "base/fd.hpp"

namespace tallyman::agent {
namespace {

/// Calls that are refused unless the capability that governs them is granted.
struct Group {
  const char* unless;  ///< nullptr: whatever is granted
  std::initializer_list<const char*> calls;
};

// In the manner of systemd's @mount, @debug, @module, @keyring, @raw-io, @reboot, @swap, @clock,
// @obsolete and @privileged. Calls that the kernel refuses to whoever lacks a capability, and that
// do no harm otherwise (setuid, chown), are left to the kernel.
const std::initializer_list<Group> kRefused{
    {"CAP_SYS_ADMIN",
     {"mount",          "umount",      "umount2",     "pivot_root",    "move_mount",
      "open_tree",      "fsopen",      "fsconfig",    "fsmount",       "fspick",
      "mount_setattr",  "swapon",      "swapoff",     "unshare",       "setns",
      "quotactl",       "quotactl_fd", "sethostname", "setdomainname", "fanotify_init",
      "lookup_dcookie", "nfsservctl"}},
    {"CAP_SYS_CHROOT", {"chroot"}},
    {"CAP_SYS_PTRACE",
     {"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise"}},
    {"CAP_PERFMON", {"perf_event_open"}},
    {"CAP_BPF", {"bpf"}},
    {"CAP_SYS_MODULE", {"init_module", "finit_module", "delete_module", "create_module"}},
    {"CAP_SYS_RAWIO", {"iopl", "ioperm", "pciconfig_read", "pciconfig_write", "pciconfig_iobase"}},
    {"CAP_SYS_BOOT", {"reboot", "kexec_load", "kexec_file_load"}},
    {"CAP_SYS_TIME",
     {"settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime",
      "clock_adjtime64", "stime"}},
    {"CAP_SYSLOG", {"syslog"}},
    {"CAP_SYS_PACCT", {"acct"}},
    {"CAP_SYS_TTY_CONFIG", {"vhangup"}},
    {"CAP_DAC_READ_SEARCH", {"open_by_handle_at"}},
    {nullptr, {"add_key",        "request_key",    "keyctl",
               "io_uring_setup", "io_uring_enter", "io_uring_register",
               "userfaultfd",    "modify_ldt",     "vm86",
               "vm86old",        "_sysctl",        "uselib",
               "ustat",          "sysfs",          "afs_syscall",
               "vserver",        "tuxcall",        "security",
               "getpmsg",        "putpmsg",        "get_kernel_syms",
               "query_module",   "shmget",         "shmat",
               "shmctl",         "msgget",         "msgsnd",
               "msgrcv",         "msgctl",         "semget",
               "semop",          "semtimedop",     "semctl",
               "mq_open",        "mq_unlink"}}};

/// What the agent's own user may do to the agent and its files. That of an open file goes on.
const std::initializer_list<const char*> kOfTheSameUser{
    "setpriority", "ioprio_set", "truncate",     "truncate64",   "chmod",       "fchmodat",
    "fchmodat2",   "chown",      "lchown",       "chown32",      "lchown32",    "fchownat",
    "setxattr",    "lsetxattr",  "utime",        "utimes",       "removexattr", "lremovexattr",
    "futimesat",   "setxattrat", "file_setattr", "removexattrat"};
/// Whose first argument is a process, 0 being itself.
const std::initializer_list<const char*> kToProcesses{
    "prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity"};

constexpr std::array kNamespaces{CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                 CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};

/// The kernel looks at the low 32 bits of an address family, so the filter must, too.
constexpr std::uint64_t kFamilyBits = 0xFFFFFFFF;
constexpr unsigned kFamilies = 64;  ///< more than there are

/// An argument that is not `value`, in all its 64 bits.
constexpr scmp_arg_cmp differs(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_NE, value, 0};
}

class Maker {
 public:
  explicit Maker(const FilterPlan& plan)
      : plan_(plan), context_(seccomp_init(SCMP_ACT_ALLOW), seccomp_release) {}

  Result<std::vector<sock_filter>> make() {
    if (!context_) return failed("cannot be begun", ENOMEM);
    note(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)));
    for (const Group& group : kRefused) refuse(group);
    if (plan_.same_user) refuse_to_steer();
    if (!plan_.shared_memory) refuse_shared_memory();
    if ((plan_.capabilities & capability(*capability_number("CAP_SYS_ADMIN"))) == 0) {
      for (const int flag : kNamespaces) {
        const auto bits = static_cast<std::uint32_t>(flag);
        refuse("clone", SCMP_A0(SCMP_CMP_MASKED_EQ, bits, bits));
      }
      note(seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
    }
    refuse_sockets();
    if (problem_ != 0) return failed("cannot be made", problem_);
    return program();
  }

 private:
  static Error failed(const char* what, int number) {
    return errno_error(std::string("a filter of system calls ") + what, "seccomp", number);
  }

  void note(int result) {
    if (result < 0 && problem_ == 0) problem_ = -result;
  }

  void refuse(const Group& group) {
    const auto number = group.unless == nullptr ? std::nullopt : capability_number(group.unless);
    if (number && (plan_.capabilities & capability(*number)) != 0) return;
    refuse(group.calls);
  }

  void refuse(std::initializer_list<const char*> calls) {
    for (const char* call : calls) {
      const int at = seccomp_syscall_resolve_name(call);
      // What another architecture has is no call here.
      if (at >= 0) note(seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(EPERM), at, 0));
    }
  }

  void refuse(const char* call, scmp_arg_cmp when) {
    const int at = seccomp_syscall_resolve_name(call);
    if (at < 0) return;
    note(seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(EPERM), at, 1, &when));
  }

  void refuse_to_steer() {
    refuse(kOfTheSameUser);
    for (const char* call : kToProcesses) refuse(call, differs(0, 0));
    refuse("utimensat", differs(1, 0));
  }

  void refuse_shared_memory() {
    constexpr std::uint64_t kShared = MAP_SHARED | MAP_ANONYMOUS;
    for (const char* call : {"mmap", "mmap2"}) {
      refuse(call, SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE | MAP_ANONYMOUS, kShared));
    }
    refuse({"memfd_create", "memfd_secret"});
  }

  void refuse_pairs() {
    refuse("socketpair", differs(0, AF_UNIX));
    constexpr std::uint64_t kTypeBits = 0xF;
    for (std::uint64_t type = 0; type <= kTypeBits; type++) {
      if (type == SOCK_STREAM || type == SOCK_SEQPACKET) continue;
      refuse("socketpair", SCMP_A1(SCMP_CMP_MASKED_EQ, kTypeBits, type));
    }
  }

  void refuse_sockets() {
    if (!plan_.unix_sockets) refuse_pairs();
    if (!plan_.network && !plan_.unix_sockets) {
      note(seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0));
      return;
    }
    for (unsigned family = 0; family < kFamilies; family++) {
      if (!may_open(family)) refuse("socket", SCMP_A0(SCMP_CMP_MASKED_EQ, kFamilyBits, family));
    }
    for (std::uint64_t bit = kFamilies; bit < kFamilyBits; bit <<= 1U) {
      refuse("socket", SCMP_A0(SCMP_CMP_MASKED_EQ, bit, bit));
    }
  }

  [[nodiscard]] bool may_open(unsigned family) const {
    if (family == AF_UNIX) return plan_.unix_sockets;
    if (!plan_.network) return false;
    const bool raw = (plan_.capabilities & capability(*capability_number("CAP_NET_RAW"))) != 0;
    return family == AF_INET || family == AF_INET6 || family == AF_NETLINK ||
           (family == AF_PACKET && raw);
  }

  Result<std::vector<sock_filter>> program() {
    const Fd memory(memfd_create("filter", MFD_CLOEXEC));
    if (!memory.valid()) return failed("cannot be kept", errno);
    if (const int result = seccomp_export_bpf(context_.get(), memory.get()); result < 0) {
      return failed("cannot be written", -result);
    }
    const off_t size = lseek(memory.get(), 0, SEEK_END);
    std::vector<sock_filter> out(static_cast<std::size_t>(std::max<off_t>(size, 0)) /
                                 sizeof(sock_filter));
    const ssize_t read = pread(memory.get(), out.data(), out.size() * sizeof(sock_filter), 0);
    if (out.empty() || read != size) return failed("cannot be read", EIO);
    return out;
  }

  const FilterPlan& plan_;
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int problem_ = 0;
};

}  // namespace

Result<std::vector<sock_filter>> system_call_filter(const FilterPlan& plan) {
  return Maker(plan).make();
}

bool has_seccomp() { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

}  // namespace tallyman::agent
