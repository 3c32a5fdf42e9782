// Given works that wait, then they are done in their order, those that nobody wants any more are
// dropped, and what waits is bounded.

#include "rater/work_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WorkQueueTest : public ::testing::Test {
 protected:
  /// Of so many parts; it tells how it ended.
  std::unique_ptr<Work> work(const std::string& name, int parts = 1) {
    auto made = std::make_unique<Work>(name, [this, name](const Status& how) {
      told_.push_back(name + (how ? "" : ": " + how.error().text()));
    });
    made->then([left = parts]() mutable -> Result<bool> { return --left > 0; });
    return made;
  }
  /// All that wait, to their ends.
  void finish() {
    while (queue_.busy() || queue_.begin_next()) {
      const auto ended = queue_.go_on();
      if (ended && ended->work) ended->work->end(ended->how);
    }
  }

  WorkQueue queue_;
  std::vector<std::string> told_;
};

// Given two that wait, then each part of the first comes before the second, and one that begins by
// itself in between says so.
TEST_F(WorkQueueTest, OneAfterTheOther) {
  EXPECT_TRUE(queue_.push(work("a", 3)));
  EXPECT_TRUE(queue_.push(work("b")));
  ASSERT_TRUE(queue_.begin_next());
  EXPECT_FALSE(queue_.go_on());
  EXPECT_FALSE(queue_.go_on());
  const auto first = queue_.go_on();
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->by_itself);
  queue_.begin(work("close by itself"));
  EXPECT_EQ(queue_.find("close")->name(), "close by itself");
  EXPECT_EQ(queue_.find("b")->name(), "b");
  EXPECT_EQ(queue_.find("c by"), nullptr);
  const auto own = queue_.go_on();
  ASSERT_TRUE(own);
  EXPECT_TRUE(own->by_itself);
  EXPECT_TRUE(queue_.waiting());
  finish();
  EXPECT_TRUE(queue_.idle());
  EXPECT_THAT(told_, ElementsAre("b"));
}

// Given questions whose clients go, then neither the one under way nor one that waits is gone on
// with, and nobody is told.
TEST_F(WorkQueueTest, DropsWhatNobodyWants) {
  bool first_there = true, second_there = true;
  auto first = work("a", 100);
  first->only_while([&] { return first_there; });
  auto second = work("b");
  second->only_while([&] { return second_there; });
  queue_.push(std::move(first));
  queue_.push(std::move(second));
  auto third = work("c");
  third->only_while({});
  queue_.push(std::move(third));
  ASSERT_TRUE(queue_.begin_next());
  EXPECT_FALSE(queue_.go_on());
  first_there = second_there = false;
  const auto dropped = queue_.go_on();
  ASSERT_TRUE(dropped);
  EXPECT_EQ(dropped->work, nullptr);
  finish();
  EXPECT_THAT(told_, ElementsAre("c"));
}

// Given decisions behind questions, then they come first, in their order; and questions leave room
// for them.
TEST_F(WorkQueueTest, DecisionsComeFirst) {
  const auto question = [&](const std::string& name) {
    auto made = work(name);
    made->only_while({});
    return made;
  };
  queue_.push(question("q1"));
  EXPECT_FALSE(queue_.decision_waits());
  queue_.push(work("d1"));
  EXPECT_TRUE(queue_.decision_waits());
  queue_.push(question("q2"));
  queue_.push_always(work("file"));
  queue_.push(work("d2"));
  finish();
  EXPECT_THAT(told_, ElementsAre("d1", "file", "d2", "q1", "q2"));
  told_.clear();
  for (std::size_t n = 0; n < WorkQueue::kMostWaiting; ++n) queue_.push(question("q"));
  EXPECT_EQ(told_.size(), WorkQueue::kForDecisions);
  EXPECT_TRUE(queue_.push(work("d")));
}

// Given more than may wait, then the rest is refused, until those before are answered or gone.
TEST_F(WorkQueueTest, RefusesTooMany) {
  bool there = true;
  const std::size_t most = WorkQueue::kMostWaiting - WorkQueue::kForDecisions;
  for (std::size_t n = 0; n < most; ++n) {
    auto one = work("question");
    one->only_while([&] { return there; });
    ASSERT_TRUE(queue_.push(std::move(one)));
  }
  auto late = work("late");
  late->only_while({});
  EXPECT_FALSE(queue_.push(std::move(late)));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_THAT(told_[0], HasSubstr("too many questions wait"));
  there = false;
  EXPECT_TRUE(queue_.push(work("later")));
  finish();
  EXPECT_EQ(told_.back(), "later");
  EXPECT_EQ(told_.size(), 2U);
}

// Given long requests, then those under way and waiting are bounded together, and short ones are
// taken all the same.
TEST_F(WorkQueueTest, BoundsWhatRequestsKeep) {
  const auto keeping = [&](const std::string& name, std::size_t bytes) {
    auto made = work(name);
    made->keeps(bytes);
    return made;
  };
  ASSERT_TRUE(queue_.push(keeping("under way", WorkQueue::kMostBytes / 2)));
  ASSERT_TRUE(queue_.begin_next());
  ASSERT_TRUE(queue_.push(keeping("waiting", WorkQueue::kMostBytes / 2)));
  EXPECT_FALSE(queue_.push(keeping("too much", WorkQueue::kShort + 1)));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_THAT(told_[0], HasSubstr("longer than 64 MiB together"));
  EXPECT_TRUE(queue_.push(keeping("short", WorkQueue::kShort)));
  auto other = keeping("question", WorkQueue::kMostBytes);
  other->only_while({});
  EXPECT_TRUE(queue_.push(std::move(other)))
      << "questions and decisions take no room of each other";
  finish();
  EXPECT_TRUE(queue_.push(keeping("again", WorkQueue::kMostBytes)));
}

}  // namespace
}  // namespace tallyman::rater
