// Runs a program and kills it (-9, all threads) right before or after its N-th call that changes
// the files below a folder: open that creates or empties, write, truncate, allocate, sync, rename,
// link, unlink, mkdir. By ptrace; what the program forks runs untraced.
//
//   crash_kill_at BELOW LOG N before|after PROGRAM ARGUMENT…
//
// N = 0: never. LOG gets a line for each call: its number, name and path. SIGTERM kills the program
// at once. Exit status: 0 killed at the N-th, 1 the program ended by itself or was ended by SIGTERM
// before it, 2 wrong usage, 3 tracing is not permitted here.

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace {

constexpr int kKilled = 0, kEnded = 1, kUsage = 2, kNotPermitted = 3;
constexpr int kNoTrace = 126, kNoProgram = 127;

volatile sig_atomic_t child_to_end = 0;
volatile sig_atomic_t told_to_end = 0;

extern "C" void on_term(int) {
  told_to_end = 1;
  if (child_to_end > 0) kill(child_to_end, SIGKILL);
}

/// How a call names the file it changes.
enum class By { descriptor, path, path_at, open_flags, openat_flags };
struct Call {
  const char* name;
  By by;
};

const std::map<std::uint64_t, Call>& changing_calls() {
  static const std::map<std::uint64_t, Call> calls{
      {SYS_write, {"write", By::descriptor}},
      {SYS_writev, {"writev", By::descriptor}},
      {SYS_pwrite64, {"pwrite64", By::descriptor}},
      {SYS_pwritev, {"pwritev", By::descriptor}},
      {SYS_pwritev2, {"pwritev2", By::descriptor}},
      {SYS_fsync, {"fsync", By::descriptor}},
      {SYS_fdatasync, {"fdatasync", By::descriptor}},
      {SYS_sync_file_range, {"sync_file_range", By::descriptor}},
      {SYS_ftruncate, {"ftruncate", By::descriptor}},
      {SYS_fallocate, {"fallocate", By::descriptor}},
      {SYS_renameat, {"renameat", By::path_at}},
      {SYS_renameat2, {"renameat2", By::path_at}},
      {SYS_unlinkat, {"unlinkat", By::path_at}},
      {SYS_linkat, {"linkat", By::path_at}},
      {SYS_mkdirat, {"mkdirat", By::path_at}},
      {SYS_openat, {"openat", By::openat_flags}},
      {SYS_truncate, {"truncate", By::path}},
#ifdef SYS_open  // not on every architecture
      {SYS_rename, {"rename", By::path}},
      {SYS_unlink, {"unlink", By::path}},
      {SYS_rmdir, {"rmdir", By::path}},
      {SYS_link, {"link", By::path}},
      {SYS_mkdir, {"mkdir", By::path}},
      {SYS_creat, {"creat", By::path}},
      {SYS_open, {"open", By::open_flags}},
#endif
  };
  return calls;
}

std::string link_target(const std::string& link) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = readlink(link.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

/// A text in the program's memory, up to its end or the end of what can be read.
std::string text_at(pid_t thread, std::uint64_t address) {
  std::string out;
  std::array<char, 256> piece{};
  while (out.size() < PATH_MAX) {
    // Never over a page's end: the next one may not be mapped.
    const std::size_t size = piece.size() - address % piece.size();
    iovec to{piece.data(), size};
    iovec from{reinterpret_cast<void*>(address), size};
    const ssize_t got = process_vm_readv(thread, &to, 1, &from, 1, 0);
    if (got <= 0) break;
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(got));
    const auto end = bytes.find('\0');
    out += bytes.substr(0, end);
    if (end != std::string_view::npos) break;
    address += static_cast<std::uint64_t>(got);
  }
  return out;
}

std::string absolute(pid_t thread, int directory, std::string path) {
  if (path.starts_with('/')) return path;
  const std::string proc = "/proc/" + std::to_string(thread);
  const std::string base = link_target(
      directory == AT_FDCWD ? proc + "/cwd" : proc + "/fd/" + std::to_string(directory));
  return base + "/" + std::move(path);
}

/// The file a call is about to change; empty when it changes none.
std::string changed_path(pid_t thread, const Call& call, const std::uint64_t* args) {
  const int first = static_cast<int>(args[0]);
  const auto changes = [](std::uint64_t flags) { return (flags & (O_CREAT | O_TRUNC)) != 0; };
  switch (call.by) {
    case By::descriptor:
      return link_target("/proc/" + std::to_string(thread) + "/fd/" + std::to_string(first));
    case By::path:
      return absolute(thread, AT_FDCWD, text_at(thread, args[0]));
    case By::path_at:
      return absolute(thread, first, text_at(thread, args[1]));
    case By::open_flags:
      return changes(args[1]) ? absolute(thread, AT_FDCWD, text_at(thread, args[0])) : "";
    case By::openat_flags:
      return changes(args[2]) ? absolute(thread, first, text_at(thread, args[1])) : "";
  }
  return "";
}

class Tracer {
 public:
  Tracer(std::string below, FILE* log, std::uint64_t at, bool after)
      : below_(std::move(below)), log_(log), at_(at), after_(after) {}

  /// Follows the stopped child to its end.
  int follow(pid_t child) {
    child_ = child;
    for (;;) {
      int status = 0;
      const pid_t thread = waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) return result();
      if (WIFSTOPPED(status)) {
        go_on(thread, status);
      } else if (thread == child_) {
        ended_ = status;
      }
    }
  }

 private:
  int result() const {
    if (killed_) return kKilled;
    std::fprintf(log_, "ended with wait status %d after %llu calls\n", ended_,
                 static_cast<unsigned long long>(calls_));
    return kEnded;
  }

  void go_on(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      look_at_call(thread);
      ptrace(PTRACE_SYSCALL, thread, nullptr, nullptr);
      return;
    }
    // Threads begin with a SIGSTOP of ptrace's own; events come as SIGTRAP.
    const bool own = signal == SIGTRAP || (signal == SIGSTOP && known_.insert({thread, 0}).second);
    ptrace(PTRACE_SYSCALL, thread, nullptr, own ? 0 : signal);
  }

  void look_at_call(pid_t thread) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
    known_.insert({thread, 0});
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      if (at_ != 0 && known_[thread] == at_) strike();
      known_[thread] = 0;
      return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || killed_) return;
    const auto found = changing_calls().find(info.entry.nr);
    if (found == changing_calls().end()) return;
    const std::string path = changed_path(thread, found->second, info.entry.args);
    if (!path.starts_with(below_)) return;
    ++calls_;
    std::fprintf(log_, "%llu %s %s\n", static_cast<unsigned long long>(calls_), found->second.name,
                 path.c_str());
    std::fflush(log_);
    if (calls_ != at_) return;
    if (after_) {
      known_[thread] = calls_;
    } else {
      strike();
    }
  }

  /// The call that the thread stands before is not carried out any more.
  void strike() {
    killed_ = true;
    kill(child_, SIGKILL);
  }

  std::string below_;
  FILE* log_;
  std::uint64_t at_, calls_ = 0;
  bool after_, killed_ = false;
  pid_t child_ = 0;
  int ended_ = 0;
  std::map<pid_t, std::uint64_t> known_;  ///< threads, and the call in which each is to be killed
};

[[noreturn]] void become(char** argv) {
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kNoTrace);
  raise(SIGSTOP);
  execv(argv[0], argv);
  _exit(kNoProgram);
}

int not_permitted(const char* what) {
  std::fprintf(stderr,
               "crash_kill_at: %s: %s; let this user trace its own processes (seccomp, "
               "kernel.yama.ptrace_scope)\n",
               what, std::strerror(errno));
  return kNotPermitted;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t at = 0;
  const std::string_view number = argc > 3 ? argv[3] : "";
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), at);
  const std::string_view when = argc > 4 ? argv[4] : "";
  if (argc < 6 || error != std::errc() || end != number.data() + number.size() ||
      (when != "before" && when != "after")) {
    std::fprintf(stderr, "usage: crash_kill_at BELOW LOG N before|after PROGRAM ARGUMENT…\n");
    return kUsage;
  }
  FILE* log = std::fopen(argv[2], "we");
  if (log == nullptr) {
    std::fprintf(stderr, "crash_kill_at: %s: %s\n", argv[2], std::strerror(errno));
    return kUsage;
  }
  const pid_t child = fork();
  if (child < 0) return not_permitted("cannot fork");
  if (child == 0) become(argv + 5);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) {
    errno = EPERM;
    return not_permitted("ptrace is refused");
  }
  const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SETOPTIONS, child, nullptr, options) != 0) {
    const int why = errno;
    kill(child, SIGKILL);
    errno = why;
    return not_permitted("ptrace is refused");
  }
  child_to_end = child;
  struct sigaction action {};
  action.sa_handler = on_term;
  sigaction(SIGTERM, &action, nullptr);
  ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  const int result = Tracer(argv[1], log, at, when == "after").follow(child);
  std::fclose(log);
  return told_to_end != 0 && result == kKilled && at == 0 ? kEnded : result;
}
