#include "rater/control_rights.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tallyman::rater {
namespace {

// Given root, the daemon's own user and members of the group, then they may decide; others get an
// error that says who, what and whom to ask.
TEST(ControlRights, RootTheOwnUserAndTheGroupDecide) {
  const Deciders deciders{.own_uid = 900, .group = 77};
  EXPECT_TRUE(deciders.check({0, {0}, "root"}, "close").ok());
  EXPECT_TRUE(deciders.check({900, {900}, "tallyman"}, "close").ok());
  EXPECT_TRUE(deciders.check({1000, {1000, 77}, "ann"}, "release").ok());
  EXPECT_TRUE(deciders.check({1000, {77}, "ann"}, "release").ok());
  const Status refused = deciders.check({1001, {1001, 0, 900}, "bob"}, "release");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().text().find("user bob may not release"), std::string::npos);
  EXPECT_NE(refused.error().todo.find("tallyman-billing"), std::string::npos);
}

// Given a system without the group, then nobody is a member of it, and a peer whom the kernel does
// not vouch for may not decide.
TEST(ControlRights, WithoutTheGroupNobodyIsAMember) {
  const Deciders deciders{.own_uid = 900, .group = {}};
  EXPECT_FALSE(deciders.check({1000, {1000, 0}, "ann"}, "import").ok());
  EXPECT_FALSE(deciders.check({~0U, {}, "unknown"}, "import").ok());
  EXPECT_EQ(Deciders::of_system().own_uid, geteuid());
}

}  // namespace
}  // namespace tallyman::rater
