// What touches /sys/fs/cgroup.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "agent/isolation/cgroup.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLeaf = "/tallyman-agent";
constexpr const char* kPrefix = "plugin-";

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Such a file takes a whole value in one write.
Status put(const std::string& path, const std::string& value) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return errno_error("cannot open", path, errno);
  if (write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) {
    return {};
  }
  return errno_error("cannot write `" + value + "`", path, errno);
}

bool is_marked(const std::string& folder) {
  for (const char* name : {"user.delegate", "trusted.delegate"}) {
    std::array<char, 4> value{};
    if (getxattr(folder.c_str(), name, value.data(), value.size()) == 1 && value[0] == '1') {
      return true;
    }
  }
  return false;
}

std::string parent_of(const std::string& folder) { return fs::path(folder).parent_path(); }

void sweep(const std::string& folder) {
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    const fs::path& path = at->path();
    if (path.filename().string().starts_with(kPrefix)) rmdir(path.c_str());
  }
}

/// Into the leaf, so that the group itself is empty and its controllers can be switched on.
Status divide(const CgroupPlan& plan) {
  const std::string leaf = plan.folder + kLeaf;
  if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
    return errno_error("cannot make a cgroup", leaf, errno);
  }
  if (Status moved = put(leaf + "/cgroup.procs", "0"); !moved.ok()) return moved;
  for (const std::string& name : plan.controllers) {
    if (Status on = put(plan.folder + "/cgroup.subtree_control", "+" + name); !on.ok()) return on;
  }
  return {};
}

}  // namespace

CgroupFacts cgroup_facts(const std::string& folder) {
  CgroupFacts facts;
  facts.folder = folder;
  if (folder.empty()) return facts;
  const std::string base = folder.ends_with(kLeaf) ? parent_of(folder) : folder;
  facts.controllers = slurp(base + "/cgroup.controllers");
  facts.writable =
      access((base + "/cgroup.procs").c_str(), W_OK) == 0 && access(base.c_str(), W_OK) == 0;
  facts.delegated = is_marked(base);
  facts.alone = slurp(folder + "/cgroup.procs") == std::to_string(getpid()) + "\n";
  return facts;
}

Result<std::shared_ptr<Cgroup>> Cgroup::make(const std::string& folder,
                                             const CgroupSettings& settings,
                                             const LeftCgroups& left) {
  if (mkdir(folder.c_str(), 0755) != 0) return errno_error("cannot make a cgroup", folder, errno);
  Fd door(open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!door.valid()) {
    const Error error = errno_error("cannot open the cgroup", folder, errno);
    rmdir(folder.c_str());
    return error;
  }
  std::shared_ptr<Cgroup> made(new Cgroup(folder, std::move(door), left));
  for (const auto& [name, value] : settings) {
    const std::string file = folder + "/" + name;
    if (name == kSwap && access(file.c_str(), F_OK) != 0) continue;
    const Status set = put(file, value);
    made->binds_memory_ = made->binds_memory_ || (name == "memory.max" && set.ok());
    std::string& words = set.ok() ? made->words_ : made->trouble_;
    words += (words.empty() ? "" : ", ") + (set.ok() ? name + " " + value : set.error().text());
  }
  return made;
}

std::shared_ptr<Cgroup> Cgroup::adopt(const std::string& folder) {
  return std::shared_ptr<Cgroup>(
      new Cgroup(folder, Fd(), std::make_shared<std::vector<std::string>>()));
}

void Cgroup::kill() const {
  if (put(folder_ + "/cgroup.kill", "1").ok()) return;
  // Before Linux 5.14: one by one.
  std::ifstream processes(folder_ + "/cgroup.procs");
  for (pid_t pid = 0; processes >> pid;) {
    if (pid > 0) ::kill(pid, SIGKILL);
  }
}

Cgroup::~Cgroup() {
  kill();
  if (rmdir(folder_.c_str()) != 0 && errno == EBUSY) left_->push_back(folder_);
}

Cgroups Cgroups::open() {
  return open(cgroup_facts(own_cgroup(slurp("/proc/self/cgroup"), slurp("/proc/self/mountinfo"))));
}

Cgroups Cgroups::open(const CgroupFacts& facts) {
  Cgroups out;
  out.plan_ = plan_cgroups(facts);
  if (!out.available()) return out;
  sweep(out.plan_.folder);
  if (Status divided = divide(out.plan_); !divided.ok()) {
    out.plan_.folder.clear();
    out.plan_.why_not = divided.error().text();
  }
  return out;
}

Result<std::shared_ptr<Cgroup>> Cgroups::make(const std::string& instance, const Limits& limits) {
  std::erase_if(*left_, [](const auto& folder) { return rmdir(folder.c_str()) == 0; });
  const std::string name =
      plan_.folder + "/" + kPrefix + instance + "." + std::to_string(getpid()) + "-";
  // What this process's former program made is there still.
  do {
    made_++;
  } while (access((name + std::to_string(made_)).c_str(), F_OK) == 0);
  return Cgroup::make(name + std::to_string(made_), cgroup_settings(limits, plan_.controllers),
                      left_);
}

}  // namespace tallyman::agent
