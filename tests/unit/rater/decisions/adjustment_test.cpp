// Given something that reaches into a released period, then what comes out otherwise is drafted as
// adjustments, which name the original, are released once, and never twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"
#include "rater/decisions/within.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater {
namespace {

using ::testing::HasSubstr;
using testing::json;
using testing::kCatalogue;
using testing::kFirst;
using testing::kNext;
using testing::kNoon;

class Adjustments : public testing::ByHandTest {
 protected:
  /// The first minute of stor-01, closed without the rest and released.
  void released_first() {
    minute(0);
    answer(billing_->close(""));
    answer(billing_->release(""));
    settle();
    ASSERT_EQ(published().size(), 3U);
  }
  json adjustments(const char* period = kFirst) {
    return answer(billing_->review(period)).at("adjustments");
  }
  static std::string priced(const std::string& price) {
    return catalogue_with("price = \"0.01\"", "price = \"" + price + "\"");
  }
};

/// Given usage that comes after the release, then it is found, drafted, reviewed and released, with
/// what was and what is; and nothing more comes of a restart.
TEST_F(Adjustments, LateUsage) {
  released_first();
  clock_.advance(59 * kSecond);
  answer(billing_->close(kNext));
  answer(billing_->release(kNext));
  settle();
  ASSERT_EQ(published().size(), 6U);
  const json first = published()[3];
  minute(1);
  settle();
  const json drafted = adjustments(kNext);
  ASSERT_EQ(drafted.size(), 1U);
  EXPECT_EQ(drafted[0].at("state"), "draft");
  EXPECT_EQ(drafted[0].at("revision"), 2);
  EXPECT_EQ(drafted[0].at("before"), "0");
  EXPECT_EQ(drafted[0].at("after"), "1800");
  EXPECT_TRUE(adjustments().empty()) << "the period before is as it was";
  EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("drafts"), 1);
  EXPECT_EQ(published().size(), 6U) << "a draft does not go out";
  open();
  settle();
  EXPECT_EQ(adjustments(kNext), drafted);
  answer(billing_->release(kNext, {"bob", "late host", 7}));
  answer(billing_->release(kNext, {"bob", "again", 7}));
  settle();
  auto events = published();
  ASSERT_EQ(events.size(), 9U);
  const json data = events[6].at("data");
  EXPECT_EQ(events[6].at("type"), "tallyman.usage.adjustment.v1");
  EXPECT_EQ(data.at("original"), first.at("id"));
  EXPECT_EQ(data.at("previous"), first.at("id"));
  EXPECT_EQ(data.at("key"), first.at("data").at("key"));
  EXPECT_EQ(data.at("old").at("exact").at("billed"), "0");
  EXPECT_EQ(data.at("new").at("exact").at("billed"), "1800");
  EXPECT_EQ(data.at("difference").at("quantity"), "1800");
  EXPECT_EQ(data.at("difference").at("amount"), "8");
  EXPECT_EQ(events[7].at("subject"), "acme");
  EXPECT_FALSE(events[8].contains("subject"));
  for (const auto& sum : {events[7].at("data"), events[8].at("data")}) {
    EXPECT_EQ(sum.at("revision"), 2);
    EXPECT_EQ(sum.at("records"), 1);
    EXPECT_EQ(sum.at("sums").at("EUR"), "8.00");
  }
  open();
  settle();
  EXPECT_EQ(published().size(), 9U);
  EXPECT_EQ(adjustments(kNext)[0].at("state"), "released");
  EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("drafts"), 0);
}

/// Given usage of later periods only, then no released period is rated again.
TEST_F(Adjustments, UsageOfLaterPeriodsTouchesNothing) {
  released_first();
  for (int i = 1; i < 5; ++i) {
    minute(i);
    billing_->tick();
    EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("due"), 0) << i;
  }
  settle();
  EXPECT_TRUE(adjustments().empty());
}

/// Given a price that would alter a released record, then neither the file nor a person without
/// --adjust brings it into force; with it, the record is adjusted; and back again gives revision 3.
TEST_F(Adjustments, ACorrectedCatalogue) {
  released_first();
  write_catalogue(priced("0.02"));
  const Status by_file = billing_->reload_catalogue();
  ASSERT_FALSE(by_file);
  EXPECT_THAT(by_file.error().text(), HasSubstr("is released"));
  EXPECT_THAT(by_file.error().text(), HasSubstr("--adjust"));
  const auto by_hand = decide("catalogue apply", {}, priced("0.02"));
  ASSERT_FALSE(by_hand);
  EXPECT_THAT(by_hand.error().text(), HasSubstr("--adjust"));

  const json changes = answer(decide("catalogue diff", {}, priced("0.02"))).at("changes");
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes[0].at("period"), kFirst);
  EXPECT_EQ(changes[0].at("customer"), "acme");
  EXPECT_EQ(changes[0].at("amount_before"), "8.00");
  EXPECT_EQ(changes[0].at("amount_after"), "16.00");
  settle();
  EXPECT_TRUE(adjustments().empty()) << "a diff changes nothing";

  answer(decide("catalogue apply", {}, priced("0.02"), true));
  settle();
  ASSERT_EQ(adjustments().size(), 1U);
  EXPECT_EQ(adjustments()[0].at("amount_difference"), "8");
  answer(billing_->release(kFirst, {"bob", "the price was wrong", 7}));
  answer(decide("catalogue apply", {}, kCatalogue, true));
  settle();
  answer(billing_->release("", {"bob", "it was not", 7}));
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 9U);
  EXPECT_EQ(events[3].at("data").at("revision"), 2);
  EXPECT_EQ(events[6].at("data").at("revision"), 3);
  EXPECT_EQ(events[6].at("data").at("previous"), events[3].at("id"));
  EXPECT_EQ(events[6].at("data").at("original"), events[0].at("id"));
  EXPECT_EQ(events[6].at("data").at("difference").at("amount"), "-8");
  EXPECT_EQ(events[8].at("data").at("sums").at("EUR"), "-8.00");
  EXPECT_EQ(verify_ledger(folder_.file("ledger"))->damages, 0U);
}

/// Given a catalogue that only says something of the time after, then it comes into force at once.
TEST_F(Adjustments, ACatalogueOfTheFutureIsNoAdjustment) {
  released_first();
  const std::string next = std::string(kCatalogue) +
                           "[[customer]]\nid = \"new\"\nplan = \"p\"\n"
                           "from = 2026-11-23T00:00:00Z\n";
  app::ConfigErrors errors;
  const Catalogue a = parse_catalogue(kCatalogue, "a", options_.slot, errors);
  const Catalogue b = parse_catalogue(next, "b", options_.slot, errors);
  EXPECT_TRUE(same_within(a, b, period_at(a.period, a.zone, kNoon)));
  EXPECT_FALSE(same_within(a, b, period_at(a.period, a.zone, kNoon + kDay)));
  EXPECT_TRUE(answer(decide("catalogue diff", {}, next)).at("changes").empty());
  answer(decide("catalogue apply", {}, next));
  settle();
  EXPECT_TRUE(adjustments().empty());
}

/// Given a decision that reaches into a released period, then it becomes an adjustment; withdrawn
/// before that is released, nothing is left of it.
TEST_F(Adjustments, DecisionsOnReleasedPeriods) {
  released_first();
  const std::map<std::string, std::string> half{
      {"resource", "acme"}, {"from", "2026-11-22T12:00:10Z"}, {"to", "2026-11-22T12:00:30Z"}};
  answer(decide("waive", half));
  settle();
  ASSERT_EQ(adjustments().size(), 1U);
  EXPECT_EQ(adjustments()[0].at("difference"), "-600");
  auto back = half;
  back["withdraw"] = "yes";
  answer(decide("waive", back));
  settle();
  EXPECT_TRUE(adjustments().empty());
  answer(decide("correct", {{"record", published()[0].at("id")}, {"quantity", "1000"}}));
  options_.release_automatically = true;
  open();
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(events[3].at("data").at("difference").at("amount"), "-8");
  EXPECT_EQ(events[3].at("data").at("new").at("correction").at("computed"), "1800");
}

}  // namespace
}  // namespace tallyman::rater
