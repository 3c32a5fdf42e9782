// Given periods that are closed too early, by an older catalogue, out of turn or by a rater in
// trouble, then nothing wrong goes out, and what is right does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::json;
using testing::kCatalogue;
using testing::kNoon;
using testing::StreamMaker;

/// Given a draft closed by hand before all had come, then automatic release waits, and what goes
/// out has what came since.
TEST_F(BillingTest, AutomaticReleaseWaitsForAgentsThatAManualCloseDidNot) {
  minute(0);
  minute(1);
  settle();
  ASSERT_EQ(published().size(), 6U);
  clock_.advance(59 * kSecond);
  const json review = answer(billing_->close("2026-11-22T12:02:00Z/1m"));
  EXPECT_THAT(review.at("period").at("closed_without"), ElementsAre("stor-01"));
  settle();
  EXPECT_EQ(published().size(), 6U) << "still awaited, and in the grace";
  minute(2);
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 9U);
  EXPECT_THAT(events[6].at("data").at("closed_without"), ElementsAre());
  EXPECT_EQ(events[6].at("data").at("coverage"), "1.000000");
  EXPECT_EQ(events[6].at("data").at("exact").at("billed"), "1800");
}

/// Given the same draft and an agent that stays silent, then the grace ends the wait.
TEST_F(BillingTest, AutomaticReleaseOfAnIncompleteDraftWaitsForTheGraceOnly) {
  minute(0);
  settle();
  clock_.advance(kMinute);
  answer(billing_->close("2026-11-22T12:01:00Z/1m"));
  settle();
  EXPECT_EQ(published().size(), 3U);
  clock_.advance(kMinute);
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 6U);
  EXPECT_THAT(events[3].at("data").at("closed_without"), ElementsAre("stor-01"));
  EXPECT_EQ(events[3].at("data").at("series"), 1) << "held, and nothing known of it";
  EXPECT_EQ(events[3].at("data").at("coverage"), "0.000000");
}

/// Given a price corrected after a close, then release refuses the drafts until closed again.
TEST_F(BillingTest, ReleaseRefusesDraftsOfAnotherCatalogue) {
  options_.close_automatically = options_.release_automatically = false;
  open();
  minute(0);
  EXPECT_EQ(answer(billing_->close("")).at("sums").at("EUR"), "8.00");
  write_catalogue(catalogue_with("price = \"0.01\"", "price = \"0.02\""));
  ASSERT_TRUE(billing_->reload_catalogue());
  const auto refused = billing_->release("");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("close it again"));
  EXPECT_EQ(answer(billing_->close("")).at("sums").at("EUR"), "16.00");
  EXPECT_EQ(answer(billing_->release("")).at("period").at("records"), 3);
}

/// Given usage that comes between close and release, then release refuses the drafts.
TEST_F(BillingTest, ReleaseRefusesDraftsThatUsageHasOvertaken) {
  options_.close_automatically = options_.release_automatically = false;
  open();
  minute(0);
  clock_.advance(59 * kSecond);
  answer(billing_->close(""));
  answer(billing_->release(""));
  answer(billing_->close(""));
  minute(1);
  const auto refused = billing_->release("");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("usage has come since"));
  EXPECT_EQ(answer(billing_->close("")).at("sums").at("EUR"), "8.00");
  EXPECT_TRUE(billing_->release(""));
}

/// Given a draft of an older catalogue and automatic release, then it is closed again first.
TEST_F(BillingTest, AutomaticReleaseClosesStaleDraftsAgain) {
  options_.release_automatically = false;
  open();
  minute(0);
  settle();
  EXPECT_TRUE(published().empty());
  write_catalogue(catalogue_with("price = \"0.01\"", "price = \"0.02\""));
  options_.release_automatically = true;
  open();
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].at("data").at("amount"), "16.00");
}

/// Given an older period, then it closes only when it has data, and the sequence goes on where it
/// was.
TEST_F(BillingTest, AnOlderPeriodClosesByHandOnlyWithDataAndReplaysNothing) {
  minute(0);
  settle();
  ASSERT_EQ(published().size(), 3U);
  const auto refused = billing_->close("2026-11-22T11:30:00Z/1m");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("nothing was metered"));
  StreamMaker old("old-01", 7);
  minute(old, kNoon - 30 * kMinute, 0);
  answer(billing_->close("2026-11-22T11:30:00Z/1m"));
  settle();
  EXPECT_EQ(published().size(), 6U);
  EXPECT_EQ(published()[3].at("data").at("exact").at("billed"), "1800");
  minute(1);
  clock_.advance(kMinute);
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 9U);
  EXPECT_EQ(events[6].at("data").at("key").at("period").at("id"), "2026-11-22T12:01:00Z/1m");
}

/// Given a step that fails, then the others go on, and status tells.
TEST_F(BillingTest, AStepThatFailsKeepsNoOtherFromRunning) {
  minute(0);
  while (answer(billing_->outbox_json()).at("waiting") == 0) billing_->tick();
  ASSERT_TRUE(ledger_->database().run("ALTER TABLE unattributed RENAME TO elsewhere"));
  minute(1);
  for (int i = 0; i < 10; ++i) billing_->tick();
  EXPECT_EQ(published().size(), 3U) << "closing fails, publishing goes on";
  EXPECT_NE(answer(billing_->status_json()).at("error"), nullptr);
  ASSERT_TRUE(ledger_->database().run("ALTER TABLE elsewhere RENAME TO unattributed"));
  settle();
  EXPECT_EQ(published().size(), 6U);
  EXPECT_EQ(answer(billing_->status_json()).at("error"), nullptr);
}

/// Given a closed period, then a catalogue with another rule is refused, and before it is not.
TEST_F(BillingTest, ThePeriodRuleCannotChangeWhilePeriodsAreClosed) {
  write_catalogue(catalogue_with("period = \"1m\"", "period = \"2m\""));
  EXPECT_TRUE(billing_->reload_catalogue());
  write_catalogue(kCatalogue);
  EXPECT_TRUE(billing_->reload_catalogue());
  minute(0);
  settle();
  write_catalogue(catalogue_with("period = \"1m\"", "period = \"2m\""));
  const Status refused = billing_->reload_catalogue();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("cannot change while periods are closed"));
  open();
  EXPECT_THAT(answer(billing_->status_json()).at("error").get<std::string>(),
              HasSubstr("billing.period cannot change"));
  minute(1);
  settle();
  EXPECT_EQ(published().size(), 6U) << "the one in force goes on";
}

/// Given a closed month, then neither the zone of all nor a customer's can change.
TEST_F(BillingTest, ZonesCannotChangeWhileMonthsAreClosed) {
  const auto with = [&](const std::string& zone, const std::string& customer) {
    std::string text =
        catalogue_with("period = \"1m\"", "period = \"month\"\ntime_zone = \"" + zone + "\"");
    return text.replace(text.find("plan = \"p\"\n[[res"), 10,
                        "plan = \"p\"\ntime_zone = \"" + customer + "\"");
  };
  options_.close_automatically = options_.release_automatically = false;
  write_catalogue(with("UTC", "UTC"));
  open();
  minute(0);
  write_catalogue(with("Europe/Berlin", "Europe/Berlin"));
  ASSERT_TRUE(billing_->reload_catalogue());
  clock_.advance(10 * kDay);
  answer(billing_->close("2026-11"));
  write_catalogue(with("UTC", "Europe/Berlin"));
  EXPECT_THAT(billing_->reload_catalogue().error().what, HasSubstr("billing.time_zone"));
  write_catalogue(with("Europe/Berlin", "UTC"));
  EXPECT_THAT(billing_->reload_catalogue().error().what, HasSubstr("customer `acme`"));
  write_catalogue(with("Europe/Berlin", "Europe/Berlin") +
                  "[[customer]]\nid = \"new\"\nplan = \"p\"\ntime_zone = \"UTC\"\n");
  EXPECT_TRUE(billing_->reload_catalogue());
}

/// Given a catalogue broken at a restart, then the one in force last bills on, and status tells.
TEST_F(BillingTest, ABrokenCatalogueAtARestartLeavesTheOneInForce) {
  const json before = answer(billing_->status_json()).at("catalogue");
  write_catalogue("[[meter]]\nid = 3\n");
  open();
  const json status = answer(billing_->status_json());
  EXPECT_EQ(status.at("catalogue"), before);
  EXPECT_THAT(status.at("error").get<std::string>(), HasSubstr("catalogue.toml:"));
  minute(0);
  settle();
  EXPECT_EQ(published().size(), 3U);
  write_catalogue(kCatalogue);
  EXPECT_TRUE(billing_->reload_catalogue());
  EXPECT_EQ(answer(billing_->status_json()).at("error"), nullptr);
}

/// Given a stream that only said hello, then ticks write nothing.
TEST_F(BillingTest, TheBeginningIsWrittenOnce) {
  options_.close_automatically = options_.release_automatically = false;
  open();
  {
    Transaction transaction(ledger_->database());
    ASSERT_TRUE(intake_->open_stream("hello", testing::incarnation(9)));
    ASSERT_TRUE(transaction.commit());
  }
  minute(0);
  settle();
  answer(billing_->status_json());
  const auto written = [&] {
    Statement changes = ledger_->database().prepare("SELECT total_changes()");
    EXPECT_TRUE(changes.step());
    return changes.integer(0);
  };
  const auto before = written();
  for (int i = 0; i < 5; ++i) {
    billing_->tick();
    answer(billing_->status_json());
  }
  EXPECT_EQ(written(), before);
}

}  // namespace
}  // namespace tallyman::rater
