#include "agent/isolation/cgroup.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace tallyman::agent {
namespace {

constexpr std::string_view kLeaf = "/tallyman-agent";

/// The word at `index`, counted from 0.
std::string word(const std::string& line, std::size_t index) {
  std::istringstream words(line);
  std::string out;
  for (std::size_t i = 0; i <= index; i++) {
    if (!(words >> out)) return {};
  }
  return out;
}

/// The mount of version 2: where it is, and which group stands at its root.
struct Mount {
  std::string at, root;
};

Mount find_mount(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos || word(line.substr(dash + 3), 0) != "cgroup2") continue;
    return {word(line, 4), word(line, 3)};
  }
  return {};
}

bool below(const std::string& root, const std::string& path) {
  return root == "/" || path == root || path.starts_with(root + "/");
}

}  // namespace

std::string own_cgroup(std::string_view cgroup, std::string_view mountinfo) {
  const Mount mount = find_mount(mountinfo);
  if (mount.at.empty()) return {};
  std::istringstream lines{std::string(cgroup)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::/")) continue;
    const std::string path = line.substr(3);
    if (path.find("/..") != std::string::npos || !below(mount.root, path)) return {};
    const std::string rest = mount.root == "/" ? path : path.substr(mount.root.size());
    return rest == "/" ? mount.at : mount.at + rest;
  }
  return {};
}

CgroupPlan plan_cgroups(const CgroupFacts& facts) {
  CgroupPlan plan;
  if (facts.folder.empty()) {
    plan.why_not = "no cgroup of version 2 is mounted";
    return plan;
  }
  constexpr std::array<std::string_view, 3> kWanted{"memory", "pids", "cpu"};
  std::istringstream there(facts.controllers);
  for (std::string name; there >> name;) {
    if (std::find(kWanted.begin(), kWanted.end(), name) != kWanted.end()) {
      plan.controllers.push_back(name);
    }
  }
  std::sort(plan.controllers.begin(), plan.controllers.end());
  if (!facts.writable) {
    plan.why_not = "the agent may not divide its cgroup";
  } else if (!facts.delegated && !facts.alone) {
    plan.why_not = "the agent's cgroup is not delegated to it";
  } else {
    plan.folder = facts.folder;
    // An agent that replaced itself stands in its leaf already.
    if (plan.folder.ends_with(kLeaf)) plan.folder.resize(plan.folder.size() - kLeaf.size());
  }
  if (plan.folder.empty()) plan.controllers.clear();
  return plan;
}

CgroupSettings cgroup_settings(const Limits& limits, const std::vector<std::string>& controllers) {
  auto has = [&](const char* name) {
    return std::find(controllers.begin(), controllers.end(), name) != controllers.end();
  };
  CgroupSettings out;
  if (has("memory") && kMemoryIsLimited) {
    out.emplace_back("memory.max", std::to_string(limits.memory));
    out.emplace_back(kSwap, "0");
    out.emplace_back("memory.oom.group", "1");
  }
  // The namespace's first process, and one more so that being over the limit is seen, and told.
  if (has("pids")) out.emplace_back("pids.max", std::to_string(limits.processes + 2));
  // A quarter of what the agent itself has, when there is not enough for both.
  if (has("cpu")) out.emplace_back("cpu.weight", "25");
  return out;
}

}  // namespace tallyman::agent
