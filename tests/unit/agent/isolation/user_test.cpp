#include "agent/isolation/user.hpp"

#include <gtest/gtest.h>

#include <set>

#include "agent/isolation/isolation.hpp"

namespace tallyman::agent {
namespace {

std::string name(int n) { return "plugin-" + std::to_string(1000 + n); }

// Given as many instances as a range holds, then each has a uid of its own within it, and one more
// has none.
TEST(Uids, are_distinct_and_in_range) {
  const UidRange range{60000, 60199};
  std::set<uid_t> taken;
  for (int i = 0; i < 200; i++) {
    const auto uid = draw_uid(name(i), taken, range);
    ASSERT_TRUE(uid) << i;
    EXPECT_TRUE(range.first <= *uid && *uid <= range.last) << i;
    EXPECT_TRUE(taken.insert(*uid).second) << i;
  }
  EXPECT_FALSE(draw_uid("one-more", taken, range));
}

// Given other instances beside it, then an instance keeps its uid; the default range is large
// enough that none ever meet.
TEST(Uids, do_not_depend_on_the_others) {
  const auto alone = draw_uid("netif", {}, UidRange{});
  ASSERT_TRUE(alone);
  std::set<uid_t> taken;
  for (int i = 0; i < 500; i++) taken.insert(draw_uid(name(i), taken, UidRange{}).value());
  EXPECT_EQ(draw_uid("netif", taken, UidRange{}), alone);
  EXPECT_GE(*alone, 1879048192U);
  EXPECT_LE(*alone, 2147483646U);
}

// Given texts, then a range of uids that may be given away is taken, and nothing else.
TEST(Uids, ranges) {
  EXPECT_EQ(uid_range_from_text("1000-1999"), (UidRange{1000, 1999}));
  EXPECT_EQ(uid_range_from_text(uid_range_text({})), UidRange{});
  for (const char* bad :
       {"", "5", "1000", "1000-1998", "0-99999", "999-2000", "2000-1999", "1000-", "-5",
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
  EXPECT_NE(standing_of(user, {1000, 1000, "me"}, 0).weaker.find("same user"), std::string::npos);

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
