// Given batches of an agent and a catalogue, then billing closes, releases and publishes each
// period's usage once, exactly, wherever it is interrupted.

#include "rater/billing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using testing::definitions;
using ::testing::ElementsAre;
using testing::json;
using testing::kNoon;

/// Given a period that cannot be closed, then that is tried again with each tick a second, not all
/// the time; once it can be, it closes.
TEST_F(BillingTest, WhatFailsIsTriedAgainInASecond) {
  ASSERT_TRUE(ledger_->database().run("ALTER TABLE record RENAME TO gone").ok());
  minute(0);
  minute(1);
  int ticks = 0;
  do billing_->tick();
  while (billing_->more_to_do() && ++ticks < 1000);
  EXPECT_LT(ticks, 1000);
  ASSERT_TRUE(ledger_->database().run("ALTER TABLE gone RENAME TO record").ok());
  clock_.advance(kSecond);
  settle();
  EXPECT_GE(published().size(), 3U);
}

TEST_F(BillingTest, ClosesReleasesAndPublishesWhatWasMeasured) {
  for (int i = 0; i < 3; ++i) minute(i);
  settle();
  const std::vector<json> events = published();
  ASSERT_EQ(events.size(), 9U) << billing_->status_json().value();
  for (std::size_t i = 0; i < 9; i += 3) {
    const json& data = events[i].at("data");
    EXPECT_EQ(data.at("exact").at("billed"), "1800");
    EXPECT_EQ(data.at("coverage"), "1.000000");
    EXPECT_EQ(data.at("overuse"), "800");
    EXPECT_EQ(data.at("amount"), "8.00");
    EXPECT_EQ(events[i].at("subject"), "acme");
    EXPECT_EQ(events[i + 1].at("type"), "tallyman.usage.period.v1");
    EXPECT_FALSE(events[i + 2].contains("subject"));
  }
  EXPECT_EQ(events[0].at("data").at("key").at("period").at("id"), "2026-11-22T12:00:00Z/1m");
  const json status = answer(billing_->status_json());
  EXPECT_EQ(status.at("adjustments").at("drafts"), 0);
  EXPECT_EQ(status.at("outbox").at("confirmed"), 9);
  EXPECT_EQ(status.at("error"), nullptr);
}

TEST_F(BillingTest, AKillAnywhereGivesTheSameRecordsOnce) {
  for (int i = 0; i < 3; ++i) minute(i);
  for (int i = 0; i < 60; ++i) {
    billing_->tick();
    open();
  }
  settle();
  std::set<std::string> ids;
  for (const json& event : published()) ids.insert(event.at("id").get<std::string>());
  EXPECT_EQ(ids.size(), 9U);
  EXPECT_EQ(published().size(), 9U);
}

TEST_F(BillingTest, WaitsForASilentAgentUntilTheGraceAndSaysSo) {
  minute(0);
  minute(1);
  settle();
  ASSERT_EQ(published().size(), 6U);
  clock_.advance(kMinute);
  settle();
  EXPECT_EQ(published().size(), 6U) << "its watermark is before the end";
  EXPECT_THAT(answer(billing_->status_json()).at("next").at("awaited"), ElementsAre("stor-01"));
  clock_.advance(kMinute);
  settle();
  const auto events = published();
  ASSERT_EQ(events.size(), 9U);
  const json& data = events[6].at("data");
  EXPECT_THAT(data.at("closed_without"), ElementsAre("stor-01"));
  EXPECT_NE(data.at("coverage"), "1.000000");
  EXPECT_EQ(data.at("quantity").at("high"), nullptr);
}

TEST_F(BillingTest, ManualCloseAndReleaseGoInOrderAndOnlyAfterTheEnd) {
  options_.close_automatically = options_.release_automatically = false;
  open();
  minute(0);
  minute(1);
  settle();
  EXPECT_TRUE(published().empty());
  EXPECT_FALSE(billing_->release(""));
  EXPECT_FALSE(billing_->close("2026-11-22T12:01:00Z/1m")) << "the one before it is open";
  EXPECT_FALSE(billing_->close("2026-11-22T12:02:00Z/1m")) << "not over";
  EXPECT_FALSE(billing_->close("yesterday"));
  const json review = answer(billing_->close(""));
  EXPECT_EQ(review.at("period").at("state"), "draft");
  EXPECT_EQ(review.at("lines").size(), 1U);
  EXPECT_EQ(review.at("sums").at("EUR"), "8.00");
  EXPECT_EQ(answer(billing_->close("2026-11-22T12:00:00Z/1m")), review) << "idempotent";
  EXPECT_EQ(answer(billing_->release("")).at("period").at("state"), "released");
  EXPECT_FALSE(billing_->close("2026-11-22T12:00:00Z/1m"));
  EXPECT_EQ(answer(billing_->outbox_json()).at("waiting"), 3);
  settle();
  EXPECT_EQ(published().size(), 3U);
  EXPECT_EQ(answer(billing_->periods_json()).at("periods").size(), 3U);
  EXPECT_EQ(answer(billing_->records_json("2026-11-22T12:00:00Z/1m")).at("records"),
            json(published()));
}

TEST_F(BillingTest, PreviewsTheRunningPeriod) {
  minute(0);
  settle();
  const json usage = answer(billing_->usage_json("acme", "2026-11-22T12:00:00Z/1m"));
  EXPECT_EQ(usage.at("usage").at(0).at("exact").at("billed"), "1800");
  EXPECT_EQ(answer(billing_->usage_json("", "")).at("usage").size(), 1U);
  EXPECT_FALSE(billing_->usage_json("nobody", ""));
}

// Given a series whose end its agent's last poll told, when the agent is silent ever since, then
// the series is not expected in the periods that follow: nothing of it is unknown.
TEST_F(BillingTest, SeriesThatEndedIsNotExpectedOfASilentAgent) {
  wire::Batch batch{maker_.head(), {}, {kNoon + 20 * kSecond, 1}};
  batch.head.opened = kNoon;
  for (auto definition : definitions()) {
    if (auto* epoch = std::get_if<wire::EpochDef>(&definition.body)) epoch->start = kNoon;
    batch.entries.emplace_back(definition);
  }
  wire::Poll last = testing::poll(kNoon + 10 * kSecond, 300);
  last.values[0].time = kNoon + 5 * kSecond;
  last.ended = {5};
  batch.entries.emplace_back(last);
  clock_.advance(11 * kSecond);
  const auto made = maker_.follow(batch);
  ASSERT_TRUE(intake_->commit_batch(maker_.agent(), maker_.life(), made.bytes));
  clock_.advance(5 * kMinute);
  const auto series = [&](const std::string& period) {
    const json review = answer(billing_->close(period));
    return review.at("lines").at(0).at("series").get<int>();
  };
  EXPECT_EQ(series("2026-11-22T12:00:00Z/1m"), 1);
  EXPECT_EQ(series("2026-11-22T12:01:00Z/1m"), 0);
}

TEST_F(BillingTest, ABadCatalogueLeavesTheOneInForce) {
  const json before = answer(billing_->status_json()).at("catalogue");
  std::ofstream(folder_.file("catalogue.toml"), std::ios::app) << "[[meter]]\nid = 3\n";
  const Status read = billing_->reload_catalogue();
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().what, ::testing::HasSubstr("catalogue.toml:"));
  EXPECT_EQ(answer(billing_->status_json()).at("catalogue"), before);
}

}  // namespace
}  // namespace tallyman::rater
