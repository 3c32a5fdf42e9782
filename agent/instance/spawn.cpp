#include "agent/instance/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "agent/host_protocol.hpp"

namespace tallyman::agent {
namespace {

constexpr int kExecFailed = 127;

void reset_signals() {
  for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_host(const char* program, char* const* argv, int socket, pid_t parent) {
  setsid();
  reset_signals();
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) _exit(kExecFailed);
  if (socket == kHostSocket) {
    if (fcntl(socket, F_SETFD, 0) < 0) _exit(kExecFailed);
  } else if (dup2(socket, kHostSocket) < 0) {
    _exit(kExecFailed);
  }
  syscall(SYS_close_range, static_cast<unsigned>(kHostSocket + 1), ~0U, 0U);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(kExecFailed);
  execv(program, argv);
  _exit(kExecFailed);
}

}  // namespace

Result<Spawned> spawn_host(const std::string& program, const std::vector<std::string>& arguments) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return errno_error("cannot make a socketpair for a plugin host", program, errno);
  }
  Fd ours(pair[0]);
  Fd theirs(pair[1]);
  if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) {
    return errno_error("cannot set up the socketpair of a plugin host", program, errno);
  }
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return errno_error("cannot fork a plugin host", program, errno);
  if (pid == 0) become_host(program.c_str(), argv.data(), theirs.get(), parent);

  Fd notice(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U)));
  if (!notice.valid()) {
    Error error = errno_error("cannot watch a plugin host", program, errno);
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return error;
  }
  return Spawned{pid, std::move(notice), std::move(ours)};
}

void kill_group(pid_t leader) {
  // The group exists once the child called setsid; the leader itself is killed in any case.
  ::kill(-leader, SIGKILL);
  ::kill(leader, SIGKILL);
}

bool end_group(pid_t leader, const Fd& exit_notice) {
  constexpr int kWaitMilliseconds = 500;
  kill_group(leader);
  pollfd notice{exit_notice.get(), POLLIN, 0};
  if (poll(&notice, 1, kWaitMilliseconds) <= 0) return false;
  return waitpid(leader, nullptr, WNOHANG) == leader;
}

std::string reap(pid_t pid, bool& clean) {
  int status = 0;
  clean = false;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return "ended, its status is unknown";
  }
  if (WIFSIGNALED(status)) {
    int signal = WTERMSIG(status);
    const char* name = sigdescr_np(signal);
    return "killed by signal " + std::to_string(signal) + " (" + (name ? name : "unknown") + ")";
  }
  clean = WEXITSTATUS(status) == 0;
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace tallyman::agent
