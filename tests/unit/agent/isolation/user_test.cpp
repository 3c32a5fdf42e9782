#include "agent/isolation/user.hpp"

#include <gtest/gtest.h>

#include <set>

#include "agent/isolation/isolation.hpp"

namespace tallyman::agent {
namespace {

std::vector<std::string> names(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; i++) out.push_back("plugin-" + std::to_string(1000 + i));
  return out;
}

// Given many instances in a small range, then each has a uid of its own within it.
TEST(Uids, are_distinct_and_in_range) {
  const UidRange range{60000, 60199};
  const auto chosen = choose_uids(names(200), range);
  std::set<uid_t> seen;
  for (const auto& [name, uid] : chosen) {
    EXPECT_TRUE(range.first <= uid && uid <= range.last) << name;
    EXPECT_TRUE(seen.insert(uid).second) << name;
  }
  EXPECT_EQ(seen.size(), 200U);
}

// Given another instance beside it, then an instance keeps its uid; the default range is large
// enough that none ever meet.
TEST(Uids, do_not_depend_on_the_others) {
  const auto few = choose_uids({"netif"}, UidRange{});
  auto many = names(500);
  many.insert(many.begin(), "netif");
  EXPECT_EQ(choose_uids(many, UidRange{}).at("netif"), few.at("netif"));
  EXPECT_EQ(few.at("netif"), choose_uids({"ceph", "netif"}, UidRange{}).at("netif"));
  EXPECT_GE(few.at("netif"), 1879048192U);
  EXPECT_LE(few.at("netif"), 2147483646U);
}

// Given texts, then a range of uids that may be given away is taken, and nothing else.
TEST(Uids, ranges) {
  EXPECT_EQ(uid_range_from_text("1000-1000"), (UidRange{1000, 1000}));
  EXPECT_EQ(uid_range_from_text(uid_range_text({})), UidRange{});
  for (const char* bad : {"", "5", "1000", "0-99999", "999-2000", "2000-1999", "1000-", "-5",
                          "1000-4294967294", "1000-2000 ", "a-b", "1000-99999999999999999999"}) {
    EXPECT_FALSE(uid_range_from_text(bad)) << bad;
  }
}

// Given maps of user namespaces, then an id is found where it is mapped.
TEST(Uids, maps) {
  EXPECT_TRUE(is_mapped("         0          0 4294967295\n", 1879048192U));
  const char* container = "0 1000 1\n1 100000 65536\n";
  EXPECT_TRUE(is_mapped(container, 0));
  EXPECT_TRUE(is_mapped(container, 65536));
  EXPECT_FALSE(is_mapped(container, 65537));
  EXPECT_FALSE(is_mapped("", 0));
}

// Given agents of different means, then who a host becomes follows, and what is weaker is named.
TEST(Standing, follows_the_means) {
  const Capabilities kill = capability(*capability_number("CAP_KILL"));
  const std::string all = "0 0 4294967295\n";
  const Means root{~Capabilities{0}, 0, all, all, 7, true};
  const Standing strong = standing_of(root, {2000, 2000, ""}, kill);
  EXPECT_TRUE(strong.becomes_user && strong.bounded);
  EXPECT_EQ(strong.capabilities, kill);
  EXPECT_EQ(strong.weaker, "");

  const Means user{0, 1000, all, all, 7, true};
  const Standing weak = standing_of(user, {2000, 2000, ""}, kill);
  EXPECT_FALSE(weak.becomes_user || weak.bounded);
  EXPECT_EQ(weak.capabilities, 0U);
  EXPECT_NE(weak.weaker.find("same user as the agent"), std::string::npos);
  EXPECT_NE(weak.weaker.find("no CAP_KILL"), std::string::npos);
  EXPECT_EQ(standing_of(user, {1000, 1000, "me"}, 0).weaker, "");

  const Means contained{~Capabilities{0}, 0, "0 0 1000\n", "0 0 1000\n", 7, true};
  const Standing narrow = standing_of(contained, {2000, 2000, ""}, 0);
  EXPECT_FALSE(narrow.becomes_user);
  EXPECT_NE(narrow.weaker.find("uid 2000 does not exist here: see plugin_uids"), std::string::npos);
}

// Given names of capabilities, then they have the kernel's numbers.
TEST(Capability, numbers) {
  EXPECT_EQ(capability_number("CAP_CHOWN"), 0U);
  EXPECT_EQ(capability_number("CAP_NET_ADMIN"), 12U);
  EXPECT_EQ(capability_number("CAP_SYS_ADMIN"), 21U);
  EXPECT_EQ(capability_number("CAP_CHECKPOINT_RESTORE"), 40U);
  EXPECT_FALSE(capability_number("CAP_chown"));
  EXPECT_EQ(capability_names(1U << 5U | 1U << 7U), "CAP_KILL, CAP_SETUID");
  EXPECT_EQ(capability_names(0), "");
}

}  // namespace
}  // namespace tallyman::agent
