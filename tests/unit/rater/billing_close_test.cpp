// Given a close in bounded steps, then batches are received between them, none of what they bring
// is in it, and what it stores is what a close in one go does.

#include <gtest/gtest.h>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using testing::json;

const Decision kDecision{"root", "the month is over"};

class BillingClose : public BillingTest {
 protected:
  BillingClose() {
    options_.close_automatically = options_.release_automatically = false;
    options_.close_step = 0;  // a customer at each tick
    std::string more;
    for (const char* id : {"b", "c", "d", "e"}) {
      more += std::string("[[customer]]\nid = \"") + id + "\"\nplan = \"p\"\n";
    }
    write_catalogue(catalogue_with("[[resource]]", more + "[[resource]]"));
    open();
  }
};

TEST_F(BillingClose, GoesOnBetweenBatches) {
  minute(0);
  minute(1);
  std::optional<Result<std::string>> answered;
  const auto done = [&](Result<std::string> result) { answered = std::move(result); };
  billing_->close("", kDecision, done);
  int steps = 0;
  for (; !answered && steps < 100; ++steps) {
    EXPECT_TRUE(billing_->more_to_do());
    minute(2 + steps);
    billing_->tick();
  }
  EXPECT_GT(steps, 3);
  ASSERT_TRUE(answered.has_value());
  const json review = answer(*answered);
  EXPECT_EQ(review.at("lines").size(), 5U);
  const std::string id = review.at("period").at("id");
  const json stepped = answer(billing_->records_json(id));
  const json again = answer(billing_->close(id));
  EXPECT_EQ(answer(billing_->records_json(id)).at("records").size(), 11U);
  EXPECT_EQ(again.at("lines"), review.at("lines"));
  EXPECT_EQ(stepped.at("records").at(0), answer(billing_->records_json(id)).at("records").at(0));
  ASSERT_EQ(review.at("totals").size(), 1U);
  const json& total = review.at("totals").at(0);
  EXPECT_EQ(total.at("source"), "host:stor-01");
  EXPECT_EQ(total.at("read"), "1800");
  EXPECT_EQ(total.at("customers"), "1800");
  EXPECT_EQ(total.at("unattributed"), "0");
}

// Given a close under way, then another one is refused, a release waits for it, and a kill leaves
// nothing of it.
TEST_F(BillingClose, IsOneAtATime) {
  minute(0);
  minute(1);
  int answers = 0;
  billing_->close("", kDecision, [&](const Result<std::string>& result) {
    EXPECT_TRUE(result.ok());
    ++answers;
  });
  billing_->close("", kDecision, [&](const Result<std::string>& result) {
    EXPECT_FALSE(result.ok());
    ++answers;
  });
  EXPECT_EQ(answers, 1);
  open();
  EXPECT_EQ(answers, 1);
  EXPECT_TRUE(answer(billing_->periods_json()).at("periods").at(0).at("state") != "draft");
  billing_->close("", kDecision, [&](const Result<std::string>& result) {
    EXPECT_TRUE(result.ok());
    ++answers;
  });
  const json released = answer(billing_->release(""));
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(released.at("period").at("state"), "released");
}

// Given what cannot be closed, then that is answered at once.
TEST_F(BillingClose, RefusesAtOnce) {
  bool refused = false;
  billing_->close("nonsense", kDecision,
                  [&](const Result<std::string>& result) { refused = !result.ok(); });
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace tallyman::rater
