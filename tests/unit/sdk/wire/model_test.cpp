// Names of the model's words, and where a poll stands in time.

#include "wire/model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tallyman::wire {
namespace {

// Given every cause there is, then it has a name of its own.
TEST(Model, CausesHaveNames) {
  std::vector<std::string> names;
  for (int cause = 1; cause <= 13; ++cause) {
    names.emplace_back(cause_name(static_cast<Cause>(cause)));
  }
  EXPECT_EQ(names.front(), "hang");
  EXPECT_EQ(names.back(), "clock");
  std::ranges::sort(names);
  EXPECT_TRUE(std::ranges::adjacent_find(names) == names.end());
  EXPECT_TRUE(std::ranges::find(names, "unknown") == names.end());
}

// Given a poll in time, then it stands at its scheduled instant; late, at its clock; and after a
// step back of the clock never before the last position, and marked.
TEST(Model, PollsStandInOrder) {
  Poll poll;
  poll.scheduled = 100;
  poll.wall = 130;
  EXPECT_EQ(position_of(poll, 50).at, 100);
  EXPECT_FALSE(position_of(poll, 100).estimated);
  poll.in_time = false;
  EXPECT_EQ(position_of(poll, 50).at, 130);
  EXPECT_FALSE(position_of(poll, 50).estimated);
  EXPECT_EQ(position_of(poll, 200).at, 200);
  EXPECT_TRUE(position_of(poll, 200).estimated);
  poll.stepped = true;
  EXPECT_EQ(position_of(poll, 50).at, 130);
  EXPECT_TRUE(position_of(poll, 50).estimated);
}

}  // namespace
}  // namespace tallyman::wire
