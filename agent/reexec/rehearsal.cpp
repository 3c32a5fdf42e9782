#include "agent/reexec/rehearsal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <utility>

#include "agent/instance/spawn.hpp"
#include "agent/utf8.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

constexpr int kExecFailed = 127;
constexpr std::size_t kMostWords = 4096;  ///< of what it prints: kept; the rest is thrown away

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return errno_error("cannot make a pipe for the rehearsal", "agent", errno);
  }
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(const char* program, char* const* argv, int state, int ready, int words,
                         pid_t agent) {
  constexpr int kAside = 16;
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != agent) _exit(kExecFailed);
  for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDWR);
  state = fcntl(state, F_DUPFD, kAside);
  ready = fcntl(ready, F_DUPFD, kAside);
  words = fcntl(words, F_DUPFD, kAside);
  const bool placed = dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
                      dup2(words, STDERR_FILENO) >= 0 && dup2(state, kRehearsalState) >= 0 &&
                      dup2(ready, kRehearsalReady) >= 0;
  if (!placed) _exit(kExecFailed);
  syscall(SYS_close_range, static_cast<unsigned>(kRehearsalReady + 1), ~0U, 0U);
  execv(program, argv);
  const int problem = errno;
  const char* reason = strerrordesc_np(problem);
  if (reason != nullptr) (void)!write(STDERR_FILENO, reason, __builtin_strlen(reason));
  _exit(kExecFailed);
}

}  // namespace

Result<std::unique_ptr<Rehearsal>> Rehearsal::start(app::EventLoop& loop,
                                                    const std::string& program,
                                                    const std::vector<std::string>& arguments,
                                                    const Fd& state, Done done) {
  std::unique_ptr<Rehearsal> rehearsal(new Rehearsal(loop, program, std::move(done)));
  if (Status spawned = rehearsal->spawn(arguments, state); !spawned.ok()) return spawned.error();
  return rehearsal;
}

Rehearsal::Rehearsal(app::EventLoop& loop, std::string program, Done done)
    : loop_(loop), program_(std::move(program)), done_(std::move(done)) {}

Rehearsal::~Rehearsal() {
  for (app::WatchId watch : {exit_watch_, ready_watch_, words_watch_}) loop_.unwatch(watch);
  loop_.cancel(deadline_);
  if (pid_ <= 0) return;
  constexpr int kWaitMilliseconds = 500;
  kill_group(pid_);
  pollfd notice{exit_notice_.get(), POLLIN, 0};
  if (poll(&notice, 1, kWaitMilliseconds) > 0) waitpid(pid_, nullptr, WNOHANG);
}

Status Rehearsal::spawn(const std::vector<std::string>& arguments, const Fd& state) {
  Result<Pipe> ready = make_pipe();
  Result<Pipe> words = make_pipe();
  for (const auto* pipe : {&ready, &words}) {
    if (!*pipe) return pipe->error();
  }
  std::vector<std::string> all{program_};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t agent = getpid();
  pid_ = fork();
  if (pid_ < 0) return errno_error("cannot fork for the rehearsal", program_, errno);
  if (pid_ == 0) {
    become(program_.c_str(), argv.data(), state.get(), ready->write.get(), words->write.get(),
           agent);
  }
  exit_notice_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0U)));
  if (!exit_notice_.valid()) {
    Error error = errno_error("cannot watch the rehearsal", program_, errno);
    kill_group(pid_);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
    return error;
  }
  ready_ = std::move(ready->read);
  words_ = std::move(words->read);
  ready_watch_ = loop_.watch(ready_.get(), true, false,
                             [this](app::Ready) { read(ready_, ready_watch_, said_); });
  words_watch_ = loop_.watch(words_.get(), true, false,
                             [this](app::Ready) { read(words_, words_watch_, complaint_); });
  exit_watch_ = loop_.watch(exit_notice_.get(), true, false, [this](app::Ready) { ended(); });
  deadline_ = loop_.after(kRehearsalDeadline, [this] {
    deadline_ = 0;
    late_ = true;
    kill_group(pid_);
  });
  return {};
}

void Rehearsal::read(Fd& pipe, app::WatchId& watch, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t n = pipe.valid() ? ::read(pipe.get(), buffer.data(), buffer.size()) : 0;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    loop_.unwatch(std::exchange(watch, 0));
    pipe.reset();
    return;
  }
  const std::size_t room = kMostWords - std::min(kMostWords, text.size());
  text.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
}

void Rehearsal::ended() {
  read(ready_, ready_watch_, said_);
  read(words_, words_watch_, complaint_);
  loop_.unwatch(std::exchange(exit_watch_, 0));
  kill_group(pid_);  // what it left behind
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  const Done done = std::move(done_);
  done(verdict(status));
}

Result<std::string> Rehearsal::verdict(int status) const {
  std::string words = complaint_;
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  words = words.empty() ? "" : ": " + plain_text(words, wire::kMaxTextBytes);
  const auto refused = [&](const std::string& what) {
    return Error{"the new program is refused: " + what + words, program_,
                 "this one goes on; put the right program there, and try again"};
  };
  if (late_) return refused("it was not ready within " + to_duration_text(kRehearsalDeadline));
  if (WIFSIGNALED(status)) {
    return refused("it was killed by signal " + std::to_string(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == kExecFailed) return refused("it cannot be executed");
  if (WEXITSTATUS(status) != 0) {
    return refused("it exited with status " + std::to_string(WEXITSTATUS(status)));
  }
  Result<std::string> version = ready_version(said_);
  if (!version) return refused(version.error().what);
  return version;
}

Result<std::string> ready_version(const std::string& line) {
  constexpr std::string_view kReady = "ready ";
  if (line.empty()) return Error{"it ended without saying that it is ready", "", ""};
  const Error nonsense{"what it said is not that it is ready", "", ""};
  const bool whole = line.ends_with('\n') && is_plain_text(line.substr(0, line.size() - 1));
  if (!whole || !line.starts_with(kReady)) return nonsense;
  std::uint32_t version = 0;
  const char* const last = line.data() + line.size();
  const auto [end, problem] = std::from_chars(line.data() + kReady.size(), last, version);
  if (problem != std::errc() || end == last || *end != ' ') return nonsense;
  if (version != kStateVersion) {
    return Error{"it takes states of version " + std::to_string(version) + ", this one writes " +
                     std::to_string(kStateVersion) + ": install it by a restart",
                 "", ""};
  }
  return std::string(end + 1, last - 1);
}

}  // namespace tallyman::agent
