#include "agent/isolation/grants.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tallyman::agent {
namespace {

Capabilities bits(const char* name) { return capability(capability_number(name).value()); }

// Given a plugin without needs, then nothing is refused, whatever is granted, and it gets nothing.
TEST(Grants, no_needs) {
  const Judgement bare = judge({}, {}, {});
  EXPECT_EQ(bare.refusal + bare.surplus, "");
  EXPECT_EQ(bare.access, Access{});
  const Judgement rich = judge({}, {"ceph", {"CAP_KILL"}, {"+/srv"}, true}, {});
  EXPECT_EQ(rich.refusal, "");
  EXPECT_EQ(rich.surplus, "CAP_KILL, +/srv, network");
  EXPECT_EQ(rich.access, Access{});
}

// Given needs of every kind and no grants, then all of them are named, with what to write.
TEST(Grants, names_everything_that_is_missing) {
  const Needs needs{"ceph", {"CAP_KILL", "CAP_NET_ADMIN"}, {"/srv/a", "+/run/x"}, true};
  const Judgement judged = judge(needs, {}, {});
  EXPECT_EQ(judged.refusal,
            "the user ceph; CAP_KILL, CAP_NET_ADMIN; reading /srv/a, writing /run/x; the network");
  EXPECT_EQ(judged.todo,
            "user = \"ceph\", capabilities = [\"CAP_KILL\", \"CAP_NET_ADMIN\"], "
            "paths = [\"/srv/a\", \"+/run/x\"], network = true");
  EXPECT_EQ(judged.access, Access{});
}

// Given what is missing is written as it was said, then nothing is refused any more.
TEST(Grants, exactly_what_is_needed) {
  const Needs needs{"ceph", {"CAP_KILL", "CAP_NET_ADMIN"}, {"/srv/a", "+/run/x"}, true};
  const Judgement judged = judge(needs, needs, {});
  EXPECT_EQ(judged.refusal + judged.todo + judged.surplus, "");
  const std::vector<PathAccess> paths{{"/run/x", "", true}, {"/srv/a", "", false}};
  EXPECT_EQ(judged.access, (Access{bits("CAP_KILL") | bits("CAP_NET_ADMIN"), paths, true}));
  EXPECT_EQ(granted_capabilities(needs), judged.access.capabilities);
}

// Given a grant of a folder, then what is below it is granted, by whole names, and no more is had
// than was needed; reading is no writing.
TEST(Grants, folders) {
  const Judgement below = judge({"", {}, {"/srv//a/./b"}, false}, {"", {}, {"/srv/a"}, false}, {});
  EXPECT_EQ(below.refusal + below.surplus, "");
  EXPECT_EQ(below.access.paths, (std::vector<PathAccess>{{"/srv/a", "b", false}}));
  EXPECT_EQ(below.access.paths[0].path(), "/srv/a/b");
  EXPECT_EQ(judge({"", {}, {"/srv/ab"}, false}, {"", {}, {"/srv/a"}, false}, {}).refusal,
            "reading /srv/ab");
  EXPECT_EQ(judge({"", {}, {"/srv"}, false}, {"", {}, {"/srv/a"}, false}, {}).refusal,
            "reading /srv");
  EXPECT_EQ(judge({"", {}, {"+/srv/a"}, false}, {"", {}, {"/srv/a"}, false}, {}).refusal,
            "writing /srv/a");
  const Judgement all = judge({"", {}, {"/srv"}, false}, {"", {}, {"+/"}, false}, {});
  EXPECT_EQ(all.refusal, "");
  EXPECT_EQ(all.surplus, "+/") << "it may write, and needs to read";
  EXPECT_EQ(all.access.paths, (std::vector<PathAccess>{{"/", "srv", false}}));
}

// Given a folder that may be written in, and a path below it that is granted too, then the path is
// reached from the folder, in whatever order they stand: a link placed there leads nowhere else.
TEST(Grants, links_in_a_folder_that_is_written) {
  const std::vector<PathAccess> expected{{"/x", "", true}, {"/x", "sub/y", false}};
  for (const std::vector<std::string>& granted :
       {std::vector<std::string>{"+/x", "/x/sub", "/x/sub/y"}, {"/x/sub/y", "/x/sub", "+/x"}}) {
    const Judgement judged =
        judge({"", {}, {"+/x", "/x/sub/y"}, false}, {"", {}, granted, false}, {});
    EXPECT_EQ(judged.refusal, "");
    EXPECT_EQ(judged.access.paths, expected);
  }
}

// Given a path of an option, then its values are what is needed: configured, or else by default;
// a grant can name the option too. A value that is no path is told; none at all needs nothing.
TEST(Grants, options) {
  const std::vector<OptionDef> declared{{"path", "/srv", ""}, {"more", "", ""}};
  const Needs needs{"", {}, {"@path", "+@more"}, false};
  const Grants by_name{"", {}, {"@path", "+@more"}, false};
  auto of = [&](const Grants& grants, const std::vector<HostOption>& configured) {
    return judge(needs, grants, option_values(declared, configured));
  };
  EXPECT_EQ(of({}, {}).refusal, "reading @path");
  EXPECT_EQ(of({}, {}).todo, "paths = [\"@path\"]");
  EXPECT_EQ(of(by_name, {}).access.paths, (std::vector<PathAccess>{{"/srv", "", false}}));
  EXPECT_EQ(of(by_name, {}).surplus, "");
  const std::vector<HostOption> set{{"path", {"/a", "/b"}}, {"more", {"/c"}}};
  const std::vector<PathAccess> three{{"/a", "", false}, {"/b", "", false}, {"/c", "", true}};
  EXPECT_EQ(of(by_name, set).access.paths, three);
  EXPECT_EQ(of({"", {}, {"/a", "+/c"}, false}, set).refusal, "reading @path");
  EXPECT_NE(of(by_name, {{"path", {"sub/folder"}}}).refusal.find("`sub/folder`"),
            std::string::npos);
  EXPECT_NE(of(by_name, {{"path", {"/srv/../etc"}}}).refusal, "");
}

// Given what every process has, then it needs no grant; to write it does, and so do names to look
// up without the network.
TEST(Grants, what_is_everybodys) {
  for (const char* path : {"/usr/lib/x", "/proc/self/stat", "/dev/null", "+/dev/null", "/lib64"}) {
    EXPECT_EQ(judge({"", {}, {path}, false}, {}, {}).refusal, "") << path;
  }
  for (const char* path : {"+/usr/lib/x", "/proc", "/proc/selfish", "/etc/hosts", "/dev", "/"}) {
    EXPECT_NE(judge({"", {}, {path}, false}, {}, {}).refusal, "") << path;
  }
  EXPECT_EQ(judge({"", {}, {"/etc/hosts"}, true}, {"", {}, {}, true}, {}).refusal, "");
}

// Given a capability that no system has, then it is refused, and nothing can be written for it.
TEST(Grants, unknown_capability) {
  const Judgement judged = judge({"", {"CAP_WISH"}, {}, false}, {}, {});
  EXPECT_EQ(judged.refusal, "the capability CAP_WISH, which no system has");
  EXPECT_EQ(judged.todo, "");
}

// Given paths at random, then what is granted is never beyond the grants, nor beyond the needs, and
// nothing is refused that a grant covers.
TEST(Grants, random_paths) {
  std::mt19937 random(7);
  auto path = [&] {
    std::string out;
    for (auto i = random() % 3 + 1; i > 0; i--) out += "/" + std::string(1, "ab"[random() % 2]);
    return (random() % 2 == 0 ? "+" : "") + out;
  };
  auto within = [](const std::string& outer, const std::string& inner) {
    return (inner + "/").starts_with(outer + "/");
  };
  auto covers = [&](const std::string& grant, const std::string& need) {
    const bool grant_writes = grant[0] == '+', need_writes = need[0] == '+';
    return (grant_writes || !need_writes) &&
           within(grant.substr(grant_writes), need.substr(need_writes));
  };
  for (int round = 0; round < 2000; round++) {
    Needs needs, grants;
    for (auto i = random() % 4; i > 0; i--) needs.paths.push_back(path());
    for (auto i = random() % 4; i > 0; i--) grants.paths.push_back(path());
    const Judgement judged = judge(needs, grants, {});
    bool all = true;
    for (const std::string& need : needs.paths) {
      bool one = false;
      for (const std::string& grant : grants.paths) one = one || covers(grant, need);
      all = all && one;
    }
    EXPECT_EQ(judged.refusal.empty(), all);
    for (const PathAccess& access : judged.access.paths) {
      const std::string mark = access.write ? "+" : "";
      bool needed = false, granted = false;
      for (const std::string& need : needs.paths) needed = needed || need == mark + access.path();
      for (const std::string& grant : grants.paths) {
        granted = granted || covers(grant, mark + access.path());
      }
      EXPECT_TRUE(needed && granted) << access.path();
    }
  }
}

// Given paths of any shape, then they are made plain, or refused.
TEST(Grants, plain_paths) {
  EXPECT_EQ(plain_path("/"), "/");
  EXPECT_EQ(plain_path("//a///b/./"), "/a/b");
  EXPECT_EQ(plain_path("/..."), "/...");
  for (const char* bad : {"", "a", "./a", "/..", "/a/../b"}) EXPECT_EQ(plain_path(bad), "") << bad;
}

}  // namespace
}  // namespace tallyman::agent
