#include "agent/instance/spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "agent/host_protocol.hpp"
#include "app/notify.hpp"

namespace tallyman::agent {
namespace {

constexpr int kExecFailed = 127;
// No plugin has a file to write that is billed; a small one of a library's is let pass.
constexpr std::uint64_t kMostFileBytes = 1U << 20U;

void reset_signals() {
  for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void limit(int resource, std::uint64_t value) {
  rlimit now{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return;
  const rlim_t least = std::min<rlim_t>(value, now.rlim_max);
  const rlimit wanted{least, least};
  setrlimit(static_cast<__rlimit_resource>(resource), &wanted);
}

void set_limits(const Limits& limits, bool own_user) {
  if (kMemoryIsLimited) limit(RLIMIT_DATA, limits.memory);
  limit(RLIMIT_NOFILE, limits.descriptors);
  limit(RLIMIT_FSIZE, kMostFileBytes);
  limit(RLIMIT_CORE, 0);
  // What forks faster than the agent looks; two of a plugin's hosts may run for a while.
  if (own_user) limit(RLIMIT_NPROC, std::uint64_t{2} * kMostProcesses);
}

constexpr int kHostProgram = kHostRuleset + 1;  ///< until it is executed

/// The child's ends of what joins it to the agent.
struct ChildEnds {
  int socket, output, report;
};

// What cannot be told on the socket, for nobody would read it as a frame, is printed.
[[noreturn]] void give_up(const char* why) {
  const int number = errno;
  const char* system = strerrordesc_np(number);
  for (const char* part : {"not started: ", why, ": ", system == nullptr ? "" : system, "\n"}) {
    if (write(STDERR_FILENO, part, strlen(part)) < 0) break;
  }
  _exit(kExecFailed);
}

// Moves a descriptor out of the way of those that have a fixed number.
int aside(int fd) {
  constexpr int kAside = 16;
  if (fd < 0) return fd;
  int moved = fcntl(fd, F_DUPFD, kAside);
  if (moved < 0) give_up("cannot keep a descriptor");
  return moved;
}

void place(int fd, int at) {
  if (fd >= 0 && dup2(fd, at) < 0) give_up("cannot place a descriptor");
}

void place_all(const ChildEnds& ends, const Confinement& confinement) {
  const int out = aside(ends.output);
  place(out, STDERR_FILENO);
  int null = open("/dev/null", O_RDONLY);
  if (null < 0) give_up("cannot open /dev/null");
  const int in = aside(null), socket = aside(ends.socket), report = aside(ends.report);
  const int plugin = aside(confinement.plugin.get()), ruleset = aside(confinement.ruleset.get());
  const int program = aside(confinement.program.get());
  place(in, STDIN_FILENO);
  place(out, STDOUT_FILENO);
  place(socket, kHostSocket);
  place(report, kHostReport);
  place(plugin, kHostPlugin);
  place(ruleset, kHostRuleset);
  place(program, kHostProgram);
  fcntl(kHostProgram, F_SETFD, FD_CLOEXEC);
}

// In the child, between fork and exec: async-signal-safe calls only. `confinement` was made before
// the fork, and is only read.
[[noreturn]] void become_host(const char* program, char* const* argv, char* const* environment,
                              const ChildEnds& ends, const Limits& limits,
                              const Confinement& confinement) {
  setsid();
  reset_signals();
  if (const char* problem = enter_group(confinement)) give_up(problem);
  place_all(ends, confinement);
  syscall(SYS_close_range, static_cast<unsigned>(kHostProgram + 1), ~0U, 0U);
  if (!confinement.plugin.valid()) close(kHostPlugin);
  if (!confinement.ruleset.valid()) close(kHostRuleset);
  // Now nothing of the agent's is open here that others wait for, should a path never be opened.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const bool sockets = enter_paths(confinement, confinement.ruleset.valid() ? kHostRuleset : -1);
  set_limits(limits, confinement.user && confinement.user->name.empty());
  if (chdir("/") != 0) give_up("cannot leave the agent's folder");
  if (const char* problem = enter_user(confinement)) give_up(problem);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // If the agent died before that, its end of the socketpair is closed by now.
  pollfd agent{kHostSocket, 0, 0};
  if (poll(&agent, 1, 0) != 0) _exit(kExecFailed);
  if (const char* problem = enter_filter(confinement, sockets)) give_up(problem);
  // By descriptor: the user that it now is need not reach the path. A script cannot be begun so.
  syscall(SYS_execveat, kHostProgram, "", argv, environment, AT_EMPTY_PATH);
  execve(program, argv, environment);
  give_up("cannot execute the plugin host");
}

/// fork(), into a PID namespace if the kernel lets the agent make one; the agent's other children
/// stay out of it. −1 with errno.
pid_t fork_host(bool& pid_namespace) {
  Fd own(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
  pid_namespace = own.valid() && unshare(CLONE_NEWPID) == 0;
  const pid_t pid = fork();
  const int problem = errno;
  if (pid != 0 && pid_namespace && setns(own.get(), CLONE_NEWPID) != 0) {
    // Every later child would be born into this one's namespace, and die with it.
    const int worse = errno;
    if (pid > 0) ::kill(pid, SIGKILL);
    if (pid > 0) waitpid(pid, nullptr, 0);
    errno = worse;
    return -1;
  }
  errno = problem;
  return pid;
}

/// Both ends of a pipe; the reading one does not block.
Status make_pipe(Fd& read_end, Fd& write_end, const std::string& program) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return errno_error("cannot make a pipe for a plugin host", program, errno);
  }
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) return {};
  return errno_error("cannot set up the pipe of a plugin host", program, errno);
}

std::string exit_words(int status) {
  if (WIFSIGNALED(status)) {
    int signal = WTERMSIG(status);
    const char* name = sigdescr_np(signal);
    return "killed by signal " + std::to_string(signal) + " (" + (name ? name : "unknown") + ")";
  }
  return "exited with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<Spawned> spawn_host(const std::string& program, const std::vector<std::string>& arguments,
                           const Limits& limits, Confinement confinement) {
  if (!confinement.program.valid()) {
    confinement.program.reset(open(program.c_str(), O_PATH | O_CLOEXEC));
  }
  if (!confinement.program.valid()) {
    return errno_error("cannot open the plugin host", program, errno);
  }
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return errno_error("cannot make a socketpair for a plugin host", program, errno);
  }
  Spawned spawned;
  spawned.socket.reset(pair[0]);
  Fd socket(pair[1]), output, report;
  if (fcntl(spawned.socket.get(), F_SETFL, O_NONBLOCK) != 0) {
    return errno_error("cannot set up the socketpair of a plugin host", program, errno);
  }
  if (Status made = make_pipe(spawned.output, output, program); !made) return made.error();
  if (Status made = make_pipe(spawned.report, report, program); !made) return made.error();
  std::vector<std::string> words{program};
  if (confinement.plugin.valid()) words.emplace_back("--opened");
  if (confinement.ruleset.valid()) words.emplace_back("--ruleset");
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  // What the service manager told the agent is no plugin's.
  std::vector<char*> environment;
  for (char** each = environ; *each != nullptr; ++each) {
    if (!app::is_notify_variable(*each)) environment.push_back(*each);
  }
  environment.push_back(nullptr);

  const ChildEnds ends{socket.get(), output.get(), report.get()};
  spawned.pid = fork_host(spawned.pid_namespace);
  if (spawned.pid < 0) return errno_error("cannot fork a plugin host", program, errno);
  if (spawned.pid == 0) {
    become_host(program.c_str(), argv.data(), environment.data(), ends, limits, confinement);
  }
  spawned.group = std::move(confinement.group);

  spawned.exit_notice.reset(static_cast<int>(syscall(SYS_pidfd_open, spawned.pid, 0U)));
  if (!spawned.exit_notice.valid()) {
    Error error = errno_error("cannot watch a plugin host", program, errno);
    ::kill(spawned.pid, SIGKILL);
    waitpid(spawned.pid, nullptr, 0);
    return error;
  }
  return spawned;
}

void kill_group(pid_t leader) {
  // The group exists once the child called setsid; the leader itself is killed in any case.
  ::kill(-leader, SIGKILL);
  ::kill(leader, SIGKILL);
}

Ended reap(const Spawned& spawned) {
  int status = 0;
  while (waitpid(spawned.pid, &status, 0) < 0) {
    if (errno != EINTR) return {"ended, its status is unknown", false, 0};
  }
  // The first process of a namespace ends because the plugin's did, and wrote down how; if it was
  // killed itself, its own end is what there is to tell.
  ExitReport report;
  std::uint64_t peak = 0;
  if (::read(spawned.report.get(), &report, sizeof report) == sizeof report) {
    status = report.status;
    peak = static_cast<std::uint64_t>(std::max(report.peak_kibibyte, 0L)) << 10U;
  }
  return {exit_words(status), WIFEXITED(status) && WEXITSTATUS(status) == 0, peak};
}

}  // namespace tallyman::agent
