#include "agent/instance/measure.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace tallyman::agent {
namespace {

/// A small file of /proc; empty when it cannot be read.
std::string slurp(const std::string& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> buffer;
  ssize_t n = file.valid() ? read(file.get(), buffer.data(), buffer.size()) : 0;
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

/// The numbers in a text, whatever is no number being 0.
std::vector<std::uint64_t> numbers(std::string_view text) {
  std::vector<std::uint64_t> out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(' '), text.size());
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + end, value);
    if (end > 0) out.push_back(value);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// The names in a folder, hidden ones left out.
std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> out;
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return out;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  closedir(folder);
  return out;
}

unsigned open_descriptors(const std::string& process) {
  // The size of the folder is their number since Linux 6.2, and 0 before.
  struct stat status {};
  const std::string path = process + "/fd";
  if (stat(path.c_str(), &status) == 0 && status.st_size > 0) {
    return static_cast<unsigned>(status.st_size);
  }
  return static_cast<unsigned>(entries(path).size());
}

/// Fields of /proc/PID/stat behind the name, which may hold anything: the first is the state.
enum Field : std::size_t {
  parent = 1,
  utime = 11,
  stime,
  cutime,
  cstime,
  threads = 17,
  resident = 21,
  least
};

/// Empty when the process is gone.
std::vector<std::uint64_t> stat_of(const std::string& process) {
  const std::string text = slurp(process + "/stat");
  const std::size_t name = text.rfind(") ");
  if (name == std::string::npos) return {};
  std::vector<std::uint64_t> stat = numbers(std::string_view(text).substr(name + 2));
  if (stat.size() < least) stat.clear();
  return stat;
}

/// Who descends from whom: told by the kernel, or found by a look at every process. Lives as long
/// as the agent.
class Family {
 public:
  /// Looks again if it must and the last look is not of this second, or knows no child of a first
  /// process of a namespace: it has one from the start.
  void look(pid_t leader, bool init, Ns boot) {
    if (told_) return;
    const bool known = !init || found_.contains(static_cast<std::uint64_t>(leader));
    if (known && looked_ == boot / kSecond) return;
    looked_ = boot / kSecond;
    found_.clear();
    for (const std::string& entry : entries("/proc")) {
      const std::vector<std::uint64_t> pid = numbers(entry);
      if (pid.empty() || pid[0] == 0) continue;
      const std::vector<std::uint64_t> stat = stat_of("/proc/" + entry);
      if (!stat.empty()) found_.emplace(stat[parent], static_cast<pid_t>(pid[0]));
    }
  }

  void add_children(pid_t pid, bool threaded, std::vector<pid_t>& out) const {
    if (!told_) {
      const auto [first, last] = found_.equal_range(static_cast<std::uint64_t>(pid));
      for (auto it = first; it != last; ++it) out.push_back(it->second);
      return;
    }
    const std::string folder = "/proc/" + std::to_string(pid) + "/task";
    std::vector<std::string> tasks{std::to_string(pid)};
    if (threaded) tasks = entries(folder);
    for (const std::string& task : tasks) {
      for (const std::uint64_t child : numbers(slurp(folder + "/" + task + "/children"))) {
        if (child > 0) out.push_back(static_cast<pid_t>(child));
      }
    }
  }

 private:
  const bool told_ = access("/proc/thread-self/children", R_OK) == 0;
  Ns looked_ = -1;                             ///< in this second
  std::multimap<std::uint64_t, pid_t> found_;  ///< child by parent
};

}  // namespace

std::optional<Usage> measure(pid_t leader, bool init, Ns boot) {
  static const Ns kTick = kSecond / sysconf(_SC_CLK_TCK);
  static const auto kPage = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  static Family family;
  family.look(leader, init, boot);
  Usage usage;
  std::vector<pid_t> all{leader};
  for (std::size_t i = 0; i < all.size() && usage.processes <= kMostProcesses; i++) {
    const std::string process = "/proc/" + std::to_string(all[i]);
    const std::vector<std::uint64_t> stat = stat_of(process);
    if (stat.empty() && i == 0) return std::nullopt;
    if (stat.empty()) continue;
    usage.cpu += static_cast<Ns>(stat[utime] + stat[stime] + stat[cutime] + stat[cstime]) * kTick;
    family.add_children(all[i], stat[threads] > 1, all);
    if (init && i == 0) continue;
    if (usage.processes++ == 0) usage.plugin = all[i];
    usage.memory += stat[resident] * kPage;
    usage.descriptors = std::max(usage.descriptors, open_descriptors(process));
  }
  return usage;
}

}  // namespace tallyman::agent
