// Given an import that commits block by block, then nothing that it may write into is closed,
// released or adjusted by itself before it is whole, and it is said why.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::json;
using testing::kNoon;

const Decision kDecision{"ann", "it is time", 1000};

class BillingImport : public testing::BillingTest {
 protected:
  /// As after a kill, with an import under way that tells of nothing after `to`.
  void importing(Ns to) {
    billing_->while_importing([to] {
      return std::optional(Billing::Importing{"/var/old/readings", to});
    });
  }
  json line(const char* name) { return answer(billing_->status_json()).at(name); }
};

// Given a period that has ended, then it is closed by itself once the import is over, or when the
// import is of the time before it alone.
TEST_F(BillingImport, KeepsAPeriodFromBeingClosed) {
  importing(kNoon);
  minute(0);
  settle();
  clock_.advance(kHour);
  settle();
  EXPECT_EQ(line("next").at("import"), "/var/old/readings");
  EXPECT_EQ(line("latest"), nullptr);
  importing(kNoon - 1);
  settle();
  EXPECT_FALSE(line("next").contains("import"));
  EXPECT_EQ(line("latest").at("state"), "released");
}

// Given a draft, then a person may make and release it meanwhile, and is told; by itself it is
// released once the import is over.
TEST_F(BillingImport, KeepsADraftFromBeingReleased) {
  minute(0);
  importing(kNoon + 10 * kSecond);
  const json closed = answer(billing_->close("", kDecision));
  EXPECT_EQ(closed.at("period").at("import"), "/var/old/readings");
  settle();
  EXPECT_EQ(line("latest").at("state"), "draft");
  billing_->while_importing({});
  settle();
  EXPECT_EQ(line("latest").at("state"), "released");
}

// Given a released period that something has reached into, then it is adjusted once the import is
// over, and not round after round while it comes in.
TEST_F(BillingImport, KeepsAdjustmentsFromBeingMade) {
  minute(0);
  settle();
  importing(kNoon + 10 * kSecond);
  DecisionRequest waive;
  waive.command = "waive";
  waive.decision = kDecision;
  waive.fields = {
      {"resource", "acme"}, {"from", "2026-11-22T12:00:00Z"}, {"to", "2026-11-22T12:00:30Z"}};
  answer(billing_->decide(waive));
  settle();
  EXPECT_EQ(line("adjustments").at("due"), 1);
  EXPECT_EQ(published().size(), 3U);
  billing_->while_importing({});
  settle();
  EXPECT_EQ(line("adjustments").at("due"), 0);
  EXPECT_GT(published().size(), 3U);
}

}  // namespace
}  // namespace tallyman::rater
