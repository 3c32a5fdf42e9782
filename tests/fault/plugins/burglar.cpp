// Tries what no plugin may: kills its parent and everything it can, traces the agent, reads the key
// and the system's secrets, damages the spool, connects out, makes mounts and namespaces, becomes
// root. It tries the files and sockets while it is loaded, too. Each attempt is a gauge whose value
// is the errno that it ended with: 0 = it succeeded.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>

#include "fault.hpp"

namespace {

namespace tp = tallyman::plugin;

/// The errno that something ended with.
std::uint64_t outcome(const std::function<long()>& attempt) {
  errno = 0;
  return attempt() >= 0 ? 0 : static_cast<std::uint64_t>(errno == 0 ? ENODATA : errno);
}

long opening(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  return fd;
}

long connecting(int family, const sockaddr* address, socklen_t size) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int done = connect(fd, address, size);
  const int problem = errno;
  close(fd);
  errno = problem;
  return done == 0 || problem == EINPROGRESS ? 0 : -1;
}

long connecting_out(std::uint64_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connecting(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

long connecting_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connecting(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// What is tried before anybody has configured it: at load.
struct AtLoad {
  std::uint64_t passwd = outcome([] { return opening("/etc/passwd", O_RDONLY); });
  std::uint64_t network = outcome([] { return connecting_out(9); });
} at_load;

class Burglar {
 public:
  static constexpr const char *name = "burglar", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::gauge("burglar_errno", "codes", "How the attempt ended", tp::labels<"attempt">)};
  static constexpr tm_option options[] = {tp::required("agent", "its pid"),
                                          tp::required("port", "where somebody listens"),
                                          tp::required("socket", "the agent's"),
                                          tp::required("state", "the agent's folder"),
                                          tp::required("segment", "a file of the spool"),
                                          tp::required("key", "the agent's"),
                                          tp::required("loot", "a file to make")};

  explicit Burglar(tp::Host host)
      : agent_(static_cast<pid_t>(fault::number(host, "agent"))),
        port_(fault::number(host, "port")),
        socket_(host.option("socket")),
        state_(host.option("state")),
        segment_(host.option("segment")),
        key_(host.option("key")),
        loot_(host.option("loot")) {}

  void poll(tp::Poll& poll) {
    tried_ = {{"passwd at load", at_load.passwd}, {"network at load", at_load.network}};
    files();
    processes();
    sockets();
    privileges();
    for (const auto& [attempt, value] : tried_) {
      poll.emit({.metric = 0, .value = value, .identity = {attempt}});
    }
  }

 private:
  void attempt(const char* what, const std::function<long()>& call) {
    tried_[what] = outcome(call);
  }

  void files() {
    attempt("read the key", [&] { return opening(key_, O_RDONLY); });
    attempt("read /etc/shadow", [] { return opening("/etc/shadow", O_RDONLY); });
    attempt("read /etc/passwd", [] { return opening("/etc/passwd", O_RDONLY); });
    attempt("list the state", [&] { return opening(state_, O_RDONLY | O_DIRECTORY); });
    attempt("list the spool", [&] { return opening(state_ + "/spool", O_RDONLY | O_DIRECTORY); });
    attempt("write to the spool", [&] { return opening(state_ + "/spool/x", O_WRONLY | O_CREAT); });
    attempt("remove the spool", [&] { return rename(state_.c_str(), loot_.c_str()); });
    attempt("make a file", [&] { return opening(loot_, O_WRONLY | O_CREAT); });
    // A folder that is everybody's, so that nothing but its confinement is in the way.
    attempt("make a file in /tmp",
            [] { return opening("/tmp/tallyman-burglar", O_CREAT | O_RDWR); });
    attempt("write to a segment", [&] { return opening(segment_, O_WRONLY); });
    attempt("open the key", [&] { return chmod(key_.c_str(), 0666); });
    attempt("close the state", [&] { return chmod(state_.c_str(), 0); });
    attempt("take the state", [&] { return chown(state_.c_str(), getuid(), getgid()); });
    attempt("truncate a segment", [&] { return truncate(segment_.c_str(), 0); });
    attempt("remove a segment", [&] { return unlink(segment_.c_str()); });
  }

  void processes() {
    const std::string process = "/proc/" + std::to_string(agent_);
    attempt("signal the agent", [&] { return ::kill(agent_, 0); });
    attempt("trace the agent", [&] { return ptrace(PTRACE_ATTACH, agent_, nullptr, nullptr); });
    attempt("write the agent's memory", [&] { return opening(process + "/mem", O_RDWR); });
    attempt("read the agent's environment",
            [&] { return opening(process + "/environ", O_RDONLY); });
    attempt("read the agent's descriptors",
            [&] { return opening(process + "/fd", O_RDONLY | O_DIRECTORY); });
    attempt("take the agent's descriptors", [&] {
      const rlimit none{0, 0};
      return prlimit(agent_, RLIMIT_NOFILE, &none, nullptr);
    });
    attempt("stop the agent's time", [&] {
      const sched_param idle{};
      return sched_setscheduler(agent_, SCHED_IDLE, &idle);
    });
    attempt("a queue that outlives it", [] { return msgget(IPC_PRIVATE, 0600); });
    attempt("memory that outlives it", [] { return shmget(IPC_PRIVATE, 4096, 0600); });
    attempt("copy the agent's memory", [&] {
      char byte = 0;
      iovec here{&byte, 1}, there{&byte, 1};
      return process_vm_readv(agent_, &here, 1, &there, 1, 0);
    });
    // Whoever it reaches with these is its own: the test looks at who is left. If it reached the
    // agent, it might reach everything of whoever runs the test: that is told above, and spared.
    if (tried_["signal the agent"] == 0) return;
    ::kill(getppid(), SIGKILL);
    ::kill(agent_, SIGKILL);
    ::kill(-1, SIGKILL);
  }

  void sockets() {
    attempt("connect out", [&] { return connecting_out(port_); });
    attempt("connect to the agent", [&] { return connecting_to(socket_); });
    attempt("send a datagram", [] { return socket(AF_INET6, SOCK_DGRAM, 0); });
    attempt("a pair to send from", [] {
      int pair[2];
      return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    });
    attempt("ask the kernel", [] { return socket(AF_NETLINK, SOCK_RAW, 0); });
    attempt("listen to the wire", [] { return socket(AF_PACKET, SOCK_RAW, 0); });
  }

  void privileges() {
    attempt("become root", [] { return setuid(0); });
    attempt("become root's group", [] { return setgid(0); });
    attempt("mount", [] {
      const int done = mount("none", "/no/such/folder", "tmpfs", 0, nullptr);
      return done == 0 || errno == ENOENT ? 0 : -1;
    });
    attempt("a mount namespace", [] { return unshare(CLONE_NEWNS); });
    attempt("a user namespace", [] { return unshare(CLONE_NEWUSER); });
    attempt("another root", [] { return chroot("/"); });
    attempt("a program for the kernel", [] {
      bpf_attr attributes{};
      return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
    });
    attempt("a ring", [] { return syscall(SYS_io_uring_setup, 1, nullptr); });
    attempt("a key ring", [] { return syscall(SYS_keyctl, 0, -3, 1); });
    attempt("the clock", [] {
      timex now{};
      return adjtimex(&now);
    });
  }

  pid_t agent_;
  std::uint64_t port_;
  std::string socket_, state_, segment_, key_, loot_;
  std::map<std::string, std::uint64_t> tried_;
};

}  // namespace

TALLYMAN_PLUGIN(Burglar);
