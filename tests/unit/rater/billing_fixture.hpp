#pragma once
// A rater's billing on files of its own, fed with an agent's batches, for tests.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rater/billing.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater::testing {

using nlohmann::json;

inline constexpr const char* kCatalogue = R"(
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

/// The periods of the first two minutes.
inline constexpr const char* kFirst = "2026-11-22T12:00:00Z/1m";
inline constexpr const char* kNext = "2026-11-22T12:01:00Z/1m";

class BillingTest : public ::testing::Test {
 protected:
  BillingTest() {
    write_catalogue(kCatalogue);
    options_.slot = 10 * kSecond;
    options_.grace = kMinute;
    options_.catalogue_path = folder_.file("catalogue.toml");
    options_.bus_file = folder_.file("records.jsonl");
    options_.close_automatically = options_.release_automatically = true;
    options_.messages_per_tick = 1;
    open();
  }

  void write_catalogue(const std::string& text) {
    std::ofstream(folder_.file("catalogue.toml")) << text;
  }

  /// kCatalogue with one text in place of another.
  static std::string catalogue_with(const std::string& from, const std::string& to) {
    std::string text = kCatalogue;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
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
    clock_.advance(kNoon + i * kMinute + kMinute + kSecond - clock_.wall());
    minute(maker_, kNoon, i);
  }

  /// The same of another stream, whose first minute begins at `begin`.
  void minute(StreamMaker& maker, Ns begin, int i) {
    const Ns from = begin + i * kMinute;
    wire::Batch batch{maker.head(), {}, {from + kMinute + 10 * kSecond, 1}};
    batch.head.opened = from;
    if (i == 0) {
      for (const auto& definition : definitions()) batch.entries.emplace_back(definition);
    }
    for (int n = i == 0 ? 0 : 1; n <= 6; ++n) {
      const auto value = static_cast<std::uint64_t>(1'000'000 + (i * 6 + n) * 300);
      batch.entries.emplace_back(poll(from + n * 10 * kSecond, value));
    }
    const auto made = maker.follow(batch);
    const auto taken = intake_->commit_batch(maker.agent(), maker.life(), made.bytes);
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->outcome, Accepted::Outcome::applied) << taken->text;
  }

  void settle() {
    do billing_->tick();
    while (billing_->more_to_do());
  }

  /// A command of ann's, on a catalogue "shop/new.toml" when there is `text`. What was asked, with
  /// the mistakes that were found, stays in asked_.
  Result<std::string> decide(const std::string& command,
                             const std::map<std::string, std::string>& fields = {},
                             const std::string& text = "", bool adjust = false) {
    asked_ = {};
    asked_.command = command;
    asked_.fields = fields;
    asked_.adjust = adjust;
    asked_.decision = {"ann", "it was wrong", 1000};
    if (!text.empty()) asked_.files.push_back({"shop/new.toml", text});
    return billing_->decide(asked_);
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
  DecisionRequest asked_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Billing> billing_;
};

/// Only what people say is closed and released.
class ByHandTest : public BillingTest {
 protected:
  ByHandTest() {
    options_.close_automatically = options_.release_automatically = false;
    open();
  }
};

}  // namespace tallyman::rater::testing
