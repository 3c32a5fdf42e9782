#include "agent/instance/kernel_wait.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <vector>

#include "agent/utf8.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMostProcesses = 300;
constexpr std::size_t kMostThreads = 64;
constexpr std::size_t kMostFrames = 3;
constexpr std::size_t kMostPath = 200;

struct Call {
  long number;
  const char* name;
  bool descriptor;  ///< its first argument is one
};

// Those in which a process waits. What a platform does not have, it does not call.
constexpr Call kCalls[] = {
    {SYS_read, "read", true},
    {SYS_write, "write", true},
    {SYS_readv, "readv", true},
    {SYS_writev, "writev", true},
    {SYS_pread64, "pread64", true},
    {SYS_pwrite64, "pwrite64", true},
    {SYS_close, "close", true},
    {SYS_fstat, "fstat", true},
    {SYS_fsync, "fsync", true},
    {SYS_fdatasync, "fdatasync", true},
    {SYS_ftruncate, "ftruncate", true},
    {SYS_fallocate, "fallocate", true},
    {SYS_fstatfs, "fstatfs", true},
    {SYS_getdents64, "getdents64", true},
    {SYS_ioctl, "ioctl", true},
    {SYS_lseek, "lseek", true},
    {SYS_flock, "flock", true},
    {SYS_fcntl, "fcntl", true},
    {SYS_recvfrom, "recvfrom", true},
    {SYS_recvmsg, "recvmsg", true},
    {SYS_sendto, "sendto", true},
    {SYS_sendmsg, "sendmsg", true},
    {SYS_connect, "connect", true},
    {SYS_openat, "openat", true},
    {SYS_newfstatat, "newfstatat", true},
    {SYS_statx, "statx", true},
    {SYS_faccessat, "faccessat", true},
    {SYS_readlinkat, "readlinkat", true},
    {SYS_unlinkat, "unlinkat", true},
    {SYS_mkdirat, "mkdirat", true},
    {SYS_statfs, "statfs", false},
    {SYS_chdir, "chdir", false},
    {SYS_sync, "sync", false},
    {SYS_mount, "mount", false},
    {SYS_umount2, "umount2", false},
    {SYS_execve, "execve", false},
    {SYS_exit, "exit", false},
    {SYS_exit_group, "exit_group", false},
    {SYS_wait4, "wait4", false},
    {SYS_futex, "futex", false},
    {SYS_mmap, "mmap", false},
    {SYS_munmap, "munmap", false},
    {SYS_madvise, "madvise", false},
    {SYS_ppoll, "ppoll", false},
    {SYS_nanosleep, "nanosleep", false},
    {SYS_clock_nanosleep, "clock_nanosleep", false},
#ifdef SYS_open
    {SYS_open, "open", false},
    {SYS_stat, "stat", false},
    {SYS_lstat, "lstat", false},
    {SYS_access, "access", false},
    {SYS_readlink, "readlink", false},
    {SYS_poll, "poll", false},
    {SYS_pause, "pause", false},
    {SYS_vfork, "vfork", false},
#endif
};

const Call* find_call(long number) {
  const auto* end = std::end(kCalls);
  const auto* found = std::find_if(std::begin(kCalls), end,
                                   [&](const Call& call) { return call.number == number; });
  return found == end ? nullptr : found;
}

std::string slurp(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> buffer;
  const ssize_t n = file.valid() ? read(file.get(), buffer.data(), buffer.size()) : 0;
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

/// The fields of a stat file behind the name, which may hold anything: the first is the state.
std::vector<std::string> stat_of(const std::string& folder) {
  const std::string text = slurp(folder + "/stat");
  const std::size_t name = text.rfind(") ");
  return name == std::string::npos ? std::vector<std::string>() : words_of(text.substr(name + 2));
}

char state_of(const std::string& folder) {
  const std::vector<std::string> stat = stat_of(folder);
  return stat.empty() ? '\0' : stat[0][0];
}

std::vector<std::string> threads_of(pid_t pid) {
  std::vector<std::string> out;
  const std::string tasks = folder_of(pid) + "/task";
  DIR* folder = opendir(tasks.c_str());
  if (folder == nullptr) return out;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.' && out.size() < kMostThreads)
      out.push_back(tasks + "/" + entry->d_name);
  }
  closedir(folder);
  return out;
}

/// The functions it waits in, the innermost first; only root is told of more than one.
std::string place_of(const std::string& folder) {
  std::string out;
  std::istringstream stack(slurp(folder + "/stack"));
  std::size_t frames = 0;
  for (std::string address, frame; frames < kMostFrames && stack >> address >> frame; frames++) {
    out += (out.empty() ? "" : " < ") + frame.substr(0, frame.find('+'));
  }
  if (!out.empty()) return out;
  const std::string place = slurp(folder + "/wchan");
  return place == "0" ? "" : place;
}

std::string call_of(const std::string& folder) {
  const std::vector<std::string> fields = words_of(slurp(folder + "/syscall"));
  long number = -1;
  if (fields.size() < 2) return {};
  const std::string& first = fields[0];
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), number);
  if (error != std::errc() || number < 0) return {};
  const Call* call = find_call(number);
  std::string out = ", " + (call != nullptr ? std::string("system call ") : std::string()) +
                    system_call_name(number);
  unsigned long long argument = 0;
  const std::string& second = fields[1];
  if (call == nullptr || !call->descriptor || second.size() < 3) return out;
  std::from_chars(second.data() + 2, second.data() + second.size(), argument, 16);
  // AT_FDCWD and other negative ones are beyond what a descriptor can be.
  if (argument > 1U << 20U) return out;
  std::array<char, kMostPath> path;
  const std::string link = folder + "/fd/" + std::to_string(argument);
  const ssize_t n = readlink(link.c_str(), path.data(), path.size());
  if (n > 0) out += " on " + std::string(path.data(), static_cast<std::size_t>(n));
  return out;
}

KernelWait describe(pid_t pid, const std::string& folder, char state) {
  std::string words = std::string("state ") + state;
  const std::string place = place_of(folder);
  if (!place.empty()) words += " in " + place;
  return {pid, state, plain_text(words + call_of(folder), 512)};
}

/// The leader first.
std::vector<pid_t> family(pid_t leader) {
  std::vector<pid_t> all{leader};
  for (std::size_t i = 0; i < all.size() && all.size() < kMostProcesses; i++) {
    for (const std::string& thread : threads_of(all[i])) {
      for (const std::string& child : words_of(slurp(thread + "/children"))) {
        pid_t pid = 0;
        std::from_chars(child.data(), child.data() + child.size(), pid);
        if (pid > 0) all.push_back(pid);
      }
    }
  }
  return all;
}

}  // namespace

std::optional<std::uint64_t> start_time(pid_t pid) {
  constexpr std::size_t kStart = 19;  // field 22 of stat(5), two before the state
  const std::vector<std::string> stat = stat_of(folder_of(pid));
  if (stat.size() <= kStart || stat[0] == "Z" || stat[0] == "X") return std::nullopt;
  std::uint64_t ticks = 0;
  const std::string& text = stat[kStart];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ticks);
  if (error != std::errc()) return std::nullopt;
  return ticks;
}

std::optional<KernelWait> kernel_wait(pid_t leader) {
  for (const pid_t pid : family(leader)) {
    for (const std::string& thread : threads_of(pid)) {
      if (state_of(thread) == 'D') return describe(pid, thread, 'D');
    }
  }
  const char state = state_of(folder_of(leader));
  if (state == '\0' || state == 'Z') return std::nullopt;
  return describe(leader, folder_of(leader), state);
}

std::string system_call_name(long number) {
  const Call* call = find_call(number);
  return call != nullptr ? call->name : "system call " + std::to_string(number);
}

}  // namespace tallyman::agent
