#include "agent/reexec/handover.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "agent/instance/spawn.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

/// The names in a folder of /proc that are numbers.
std::vector<int> numbers_in(const char* path) {
  std::vector<int> out;
  DIR* folder = opendir(path);
  if (folder == nullptr) return out;
  const int own = dirfd(folder);
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    int number = -1;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem == std::errc() && end == name.data() + name.size() && number != own) {
      out.push_back(number);
    }
  }
  closedir(folder);
  return out;
}

void close_on_exec(int descriptor, bool close) {
  fcntl(descriptor, F_SETFD, close ? FD_CLOEXEC : 0);
}

/// Field 4 of /proc/PID/stat, behind a name that may hold anything; 0 = it is gone.
pid_t parent_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name = text.rfind(") ");
  if (name == std::string::npos || name + 4 >= text.size()) return 0;
  pid_t parent = 0;
  std::from_chars(text.data() + name + 4, text.data() + text.size(), parent);
  return parent;
}

}  // namespace

std::string own_program() {
  std::error_code problem;
  const auto given = getauxval(AT_EXECFN);
  const std::string name = given != 0 ? reinterpret_cast<const char*>(given) : "";
  const bool by_descriptor = name.starts_with("/dev/fd/") || name.starts_with("/proc/");
  if (!name.empty() && !by_descriptor) {
    const fs::path path = fs::absolute(name, problem);
    if (!problem && fs::exists(path, problem)) return path.string();
  }
  std::string file = fs::read_symlink("/proc/self/exe", problem).string();
  constexpr std::string_view kDeleted = " (deleted)";
  if (file.ends_with(kDeleted)) file.resize(file.size() - kDeleted.size());
  return file;
}

Error execute(const std::string& program, const std::vector<std::string>& arguments,
              const std::vector<int>& keep) {
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Whatever a library has opened: it is abandoned, not inherited.
  for (const int descriptor : numbers_in("/proc/self/fd")) {
    if (descriptor > STDERR_FILENO) close_on_exec(descriptor, true);
  }
  for (const int descriptor : keep) close_on_exec(descriptor, false);
  execv(program.c_str(), argv.data());
  Error error = errno_error("the new program cannot be executed", program, errno,
                            "this one goes on; put the right program there, and try again");
  for (const int descriptor : keep) close_on_exec(descriptor, true);
  return error;
}

int descriptor_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return -1;
  for (const int descriptor : numbers_in("/proc/self/fd")) {
    struct stat open {};
    if (fstat(descriptor, &open) == 0 && open.st_dev == file.st_dev && open.st_ino == file.st_ino) {
      return descriptor;
    }
  }
  return -1;
}

std::size_t end_former_hosts() {
  for (const int descriptor : numbers_in("/proc/self/fd")) {
    if (descriptor > STDERR_FILENO) close(descriptor);
  }
  std::size_t ended = 0;
  for (const int pid : numbers_in("/proc")) {
    if (parent_of(pid) != getpid() || getsid(pid) != pid) continue;
    kill_group(pid);
    // One that is stuck in the kernel is left: nobody may wait for it here.
    for (int turn = 0; turn < 500 && waitpid(pid, nullptr, WNOHANG) == 0; turn++) usleep(1000);
    ended++;
  }
  return ended;
}

}  // namespace tallyman::agent
