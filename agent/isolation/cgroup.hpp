#pragma once
// Control groups, version 2: limits that the kernel keeps for everything a plugin starts, and one
// write that ends it all. Only where the agent's own group is its to divide: systemd delegated it,
// or nobody else is in it. The decisions are pure; what touches /sys/fs/cgroup is small.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/instance/limits.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// The folder of this process's group, out of the texts of /proc/self/cgroup and
/// /proc/self/mountinfo; empty when there is no version 2, or it is mounted elsewhere.
[[nodiscard]] std::string own_cgroup(std::string_view cgroup, std::string_view mountinfo);

/// What is found about a group.
struct CgroupFacts {
  std::string folder;       ///< empty = there is none
  std::string controllers;  ///< the text of cgroup.controllers
  bool writable = false;
  bool delegated = false;  ///< as systemd marks it
  bool alone = false;      ///< no process but this one is in it
};

/// What is to be done with it.
struct CgroupPlan {
  std::string folder;  ///< below which a group for each host is made; empty = none
  std::vector<std::string> controllers;  ///< to switch on there
  std::string why_not;                   ///< in words, when there is none
  friend bool operator==(const CgroupPlan&, const CgroupPlan&) = default;
};
[[nodiscard]] CgroupPlan plan_cgroups(const CgroupFacts& facts);

/// Where the kernel does not count swap it is not there.
constexpr const char* kSwap = "memory.swap.max";

/// What to write into the files of a host's group.
using CgroupSettings = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] CgroupSettings cgroup_settings(const Limits& limits,
                                             const std::vector<std::string>& controllers);

/// Folders that could not be removed yet, because something in them cannot be ended.
using LeftCgroups = std::shared_ptr<std::vector<std::string>>;

/// The group of one host. Ends what is in it and removes it when destroyed, or else leaves its name
/// in `left`. Main thread.
class Cgroup {
 public:
  static Result<std::shared_ptr<Cgroup>> make(const std::string& folder,
                                              const CgroupSettings& settings,
                                              const LeftCgroups& left);
  /// One that was made by this process's former program.
  static std::shared_ptr<Cgroup> adopt(const std::string& folder);
  /// Whether everything its processes hold counts, and goes when it does.
  [[nodiscard]] bool binds_memory() const { return binds_memory_; }
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  /// A descriptor of cgroup.procs: who writes "0" to it has joined.
  [[nodiscard]] int door() const { return door_.get(); }
  /// SIGKILL to everything in it, at once.
  void kill() const;
  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// Words for what is in force by it.
  [[nodiscard]] const std::string& words() const { return words_; }
  /// What a setting could not be made of, in words; empty = all are made.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  Cgroup(std::string folder, Fd door, LeftCgroups left)
      : folder_(std::move(folder)), door_(std::move(door)), left_(std::move(left)) {}
  std::string folder_;
  Fd door_;
  LeftCgroups left_;
  std::string words_, trouble_;
  bool binds_memory_ = false;
};

/// The agent's own group, divided. Main thread.
class Cgroups {
 public:
  /// Looks at this process's group; where it may, moves itself into a leaf of it and switches the
  /// controllers on. Removes what an earlier agent left behind.
  static Cgroups open();
  /// As open(), for a group that was found by other means.
  static Cgroups open(const CgroupFacts& facts);

  [[nodiscard]] bool available() const { return !plan_.folder.empty(); }
  [[nodiscard]] const std::string& why_not() const { return plan_.why_not; }
  /// A group for a host of an instance; its name is never used twice.
  [[nodiscard]] Result<std::shared_ptr<Cgroup>> make(const std::string& instance,
                                                     const Limits& limits);

 private:
  CgroupPlan plan_;
  unsigned made_ = 0;
  LeftCgroups left_ = std::make_shared<std::vector<std::string>>();
};

/// Finds out about a group's folder.
[[nodiscard]] CgroupFacts cgroup_facts(const std::string& folder);

}  // namespace tallyman::agent
