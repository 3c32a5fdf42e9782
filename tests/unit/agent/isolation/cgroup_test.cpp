#include "agent/isolation/cgroup.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "agent/isolation/confinement.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr const char* kUnified =
    "25 1 0:22 / /proc rw - proc proc rw\n"
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kHybrid =
    "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 23 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

// Given the kernel's words for a group and its mounts, then its folder is found, or none.
TEST(Cgroup, own_folder) {
  EXPECT_EQ(own_cgroup("0::/system.slice/tallyman.service\n", kUnified),
            "/sys/fs/cgroup/system.slice/tallyman.service");
  EXPECT_EQ(own_cgroup("8:pids:/x\n0::/\n", kHybrid), "/sys/fs/cgroup/unified");
  EXPECT_EQ(own_cgroup("8:pids:/x\n", kHybrid), "") << "version 1 only";
  EXPECT_EQ(own_cgroup("0::/a\n", "31 23 0:27 / /c rw - cgroup cgroup rw,memory\n"), "");
  EXPECT_EQ(own_cgroup("", ""), "");
  EXPECT_EQ(own_cgroup("0::/../other\n", kUnified), "") << "outside of this namespace's";
  const char* part = "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(own_cgroup("0::/docker/abc/x\n", part), "/sys/fs/cgroup/x");
  EXPECT_EQ(own_cgroup("0::/docker/abc\n", part), "/sys/fs/cgroup");
  EXPECT_EQ(own_cgroup("0::/docker/abcd\n", part), "") << "not below what is mounted";
}

// Given what is found about a group, then it is divided only where it is the agent's, writable, and
// has controllers; otherwise it is said why not.
TEST(Cgroup, plans) {
  CgroupFacts facts{"/g", "cpuset cpu io memory hugetlb pids\n", true, true, false};
  EXPECT_EQ(plan_cgroups(facts), (CgroupPlan{"/g", {"cpu", "memory", "pids"}, ""}));
  facts.folder = "/g/tallyman-agent";
  EXPECT_EQ(plan_cgroups(facts).folder, "/g") << "it stands in its leaf already";
  facts.delegated = false;
  EXPECT_EQ(plan_cgroups(facts), (CgroupPlan{"", {}, "the agent's cgroup is not delegated to it"}));
  facts.alone = true;
  EXPECT_EQ(plan_cgroups(facts).folder, "/g") << "a container's";
  facts.controllers = "hugetlb\n";
  EXPECT_EQ(plan_cgroups(facts).why_not, "");
  EXPECT_TRUE(plan_cgroups(facts).controllers.empty());
  facts.writable = false;
  EXPECT_EQ(plan_cgroups(facts).why_not, "the agent may not divide its cgroup");
  EXPECT_EQ(plan_cgroups({}).why_not, "no cgroup of version 2 is mounted");
}

// Given limits, then each controller that is there gets what follows from them.
TEST(Cgroup, settings) {
  Limits limits;
  limits.memory = 64U << 20U;
  limits.processes = 3;
  EXPECT_TRUE(cgroup_settings(limits, {}).empty());
  EXPECT_EQ(cgroup_settings(limits, {"pids"}), (CgroupSettings{{"pids.max", "5"}}));
  EXPECT_EQ(cgroup_settings(limits, {"cpu"}), (CgroupSettings{{"cpu.weight", "25"}}));
  if (!kMemoryIsLimited) return;
  EXPECT_EQ(cgroup_settings(limits, {"memory"}),
            (CgroupSettings{{"memory.max", "67108864"}, {kSwap, "0"}, {"memory.oom.group", "1"}}));
}

/// A folder that looks like a group: only its files can be tested.
class FakeGroup : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tallyman-cgroup-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* file : {"cgroup.procs", "cgroup.subtree_control"})
      std::ofstream(folder_ / file);
    std::ofstream(folder_ / "cgroup.controllers") << "cpu memory pids\n";
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

// Given a group with nobody else in it, then it is the agent's; with another, it is not.
TEST_F(FakeGroup, facts) {
  std::ofstream(folder_ / "cgroup.procs") << getpid() << "\n";
  CgroupFacts facts = cgroup_facts(folder_);
  EXPECT_TRUE(facts.alone && facts.writable);
  EXPECT_EQ(facts.controllers, "cpu memory pids\n");
  EXPECT_FALSE(facts.delegated);
  std::ofstream(folder_ / "cgroup.procs", std::ios::app) << "1\n";
  EXPECT_FALSE(cgroup_facts(folder_).alone);
  EXPECT_TRUE(cgroup_facts("").folder.empty());
}

// Given a group that can be divided, then the agent goes into its leaf, the controllers are
// switched on, and what an earlier agent left is removed; where that fails it is said.
TEST_F(FakeGroup, divided) {
  fs::create_directory(folder_ / "plugin-old.1-1");
  fs::create_directory(folder_ / "tallyman-agent");
  std::ofstream(folder_ / "tallyman-agent/cgroup.procs");
  const CgroupFacts facts{folder_, "pids\n", true, true, false};
  EXPECT_TRUE(Cgroups::open(facts).available());
  EXPECT_EQ(slurp(folder_ / "tallyman-agent/cgroup.procs"), "0");
  EXPECT_EQ(slurp(folder_ / "cgroup.subtree_control"), "+pids");
  EXPECT_FALSE(fs::exists(folder_ / "plugin-old.1-1"));
  fs::remove(folder_ / "cgroup.subtree_control");
  const Cgroups refused = Cgroups::open(facts);
  EXPECT_FALSE(refused.available());
  EXPECT_NE(refused.why_not().find("cgroup.subtree_control"), std::string::npos);
}

/// A group of the kernel's own, below the one this process is in.
class RealGroup : public testing::Test {
 protected:
  void SetUp() override {
    const std::string own = own_cgroup(slurp("/proc/self/cgroup"), slurp("/proc/self/mountinfo"));
    folder_ = own + "/tallyman-test-" + std::to_string(getpid());
    if (own.empty() || mkdir(folder_.c_str(), 0755) != 0) {
      GTEST_SKIP() << "no cgroup of version 2 that may be divided here";
    }
    made_ = true;
  }
  void TearDown() override {
    if (made_) {
      EXPECT_EQ(rmdir(folder_.c_str()), 0) << "something is left in it";
    }
  }
  /// A child that joined the group by its door, and waits.
  static pid_t join(std::shared_ptr<Cgroup> group) {
    int ready[2];
    if (pipe(ready) != 0) return -1;
    Confinement confinement;
    confinement.group = std::move(group);
    const pid_t child = fork();
    if (child == 0) {
      if (enter_group(confinement) != nullptr || fork() < 0 || write(ready[1], "x", 1) != 1)
        _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    for (int i = 0; i < 2; i++) EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
  }
  std::string folder_;
  bool made_ = false;
};

// Given a process in a group and a child that it left there, then one word ends both, and the group
// is removed with its last owner.
TEST_F(RealGroup, ends_everything_in_it) {
  const auto left = std::make_shared<std::vector<std::string>>();
  auto made = Cgroup::make(folder_ + "/plugin-x", {{"no.such", "1"}}, left);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_NE((*made)->trouble().find("no.such"), std::string::npos);
  EXPECT_EQ((*made)->words(), "");
  const pid_t child = join(*made);
  EXPECT_EQ(slurp(folder_ + "/plugin-x/cgroup.procs").substr(0, std::to_string(child).size()),
            std::to_string(child));
  (*made)->kill();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  const fs::path events = folder_ + "/plugin-x/cgroup.events";
  while (slurp(events).find("populated 0") == std::string::npos) ASSERT_TRUE(fs::exists(events));
  made->reset();
  EXPECT_FALSE(fs::exists(folder_ + "/plugin-x"));
  EXPECT_TRUE(left->empty());
}

}  // namespace
}  // namespace tallyman::agent
