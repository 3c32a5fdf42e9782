// Given batches of an agent and a catalogue, then billing closes, releases and publishes each
// period's usage once, exactly, wherever it is interrupted.

#include "rater/billing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using nlohmann::json;
using testing::definitions;
using ::testing::ElementsAre;
using testing::kNoon;
using testing::poll;
using testing::StreamMaker;
using testing::TempFolder;

constexpr const char* kCatalogue = R"(
[billing]
period = "1m"
[[meter]]
id = "transfer"
measure = "volume"
out = "netif_transmit_bytes_total"
direction = "out"
unit = "B"
[[plan]]
id = "p"
[[plan.item]]
meter = "transfer"
allowance = "1000"
price = "0.01"
[[customer]]
id = "acme"
plan = "p"
[[resource]]
customer = "acme"
[resource.match]
source = "host:stor-01"
)";

class BillingTest : public ::testing::Test {
 protected:
  BillingTest() {
    std::ofstream(folder_.file("catalogue.toml")) << kCatalogue;
    options_.slot = 10 * kSecond;
    options_.grace = kMinute;
    options_.catalogue_path = folder_.file("catalogue.toml");
    options_.bus_file = folder_.file("records.jsonl");
    options_.close_automatically = options_.release_automatically = true;
    options_.messages_per_tick = 1;
    open();
  }

  /// As after a kill: everything from the files.
  void open() {
    billing_.reset();
    intake_.reset();
    ledger_.reset();
    auto ledger = Ledger::open(folder_.file("ledger"), clock_);
    ASSERT_TRUE(ledger) << ledger.error().text();
    ledger_ = std::move(*ledger);
    auto intake = Intake::open(*ledger_, clock_);
    ASSERT_TRUE(intake) << intake.error().text();
    intake_ = std::move(*intake);
    auto billing = Billing::open(*ledger_, *intake_, options_, clock_);
    ASSERT_TRUE(billing) << billing.error().text();
    billing_ = std::move(*billing);
  }

  /// A minute's batch: seven polls at `from`, +10 s … +60 s, a hundred bytes between two.
  void minute(int i) {
    const Ns from = kNoon + i * kMinute;
    clock_.advance(from + kMinute + kSecond - clock_.wall());
    wire::Batch batch{maker_.head(), {}, {from + kMinute + 10 * kSecond, 1}};
    batch.head.opened = from;
    if (i == 0) {
      for (const auto& definition : definitions()) batch.entries.emplace_back(definition);
    }
    for (int n = i == 0 ? 0 : 1; n <= 6; ++n) {
      const auto value = static_cast<std::uint64_t>(1'000'000 + (i * 6 + n) * 300);
      batch.entries.emplace_back(poll(from + n * 10 * kSecond, value));
    }
    const auto made = maker_.follow(batch);
    const auto taken = intake_->commit_batch(maker_.agent(), maker_.life(), made.bytes);
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->outcome, Accepted::Outcome::applied) << taken->text;
  }

  void settle() {
    do billing_->tick();
    while (billing_->more_to_do());
  }

  json answer(const Result<std::string>& result) {
    EXPECT_TRUE(result) << (result ? "" : result.error().text());
    return result ? json::parse(*result) : json();
  }

  std::vector<json> published() {
    std::ifstream in(options_.bus_file);
    std::vector<json> events;
    for (std::string line; std::getline(in, line);) events.push_back(json::parse(line));
    return events;
  }

  TempFolder folder_;
  FakeClock clock_{kNoon, kHour};
  BillingOptions options_;
  StreamMaker maker_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Billing> billing_;
};

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
  EXPECT_EQ(status.at("late"), 0);
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
