// Given a customer's period, then its statement shows every figure, hides no peak, and lets nothing
// of a name through as markup.

#include "rater/views/statement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "billing_fixture.hpp"
#include "rater/views/local_time.hpp"
#include "rater/views/plot_svg.hpp"
#include "rater/views/statement_words.hpp"
#include "usage_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHostile = "<script>alert(1)</script>&\"'\x1b[31m\xff";

CustomerStatement hostile() {
  CustomerStatement s;
  s.ledger = s.customer = s.name = s.state = kHostile;
  s.zone = "Europe/Berlin";
  s.period = {kHostile, testing::kNoon, testing::kNoon + kDay};
  StatementMeter m;
  m.id = m.meter = m.measure = m.direction = m.missing = m.hours = m.unit = m.plan = kHostile;
  m.quantity = m.low = m.high = m.coverage = m.estimated = m.allowance = m.overuse = kHostile;
  m.price = m.currency = m.amount = m.slot_length = kHostile;
  m.charges = {{kHostile, kHostile, kHostile}};
  m.closed_without = m.problems = {kHostile};
  m.forecast = Forecast{kHostile, kHostile};
  m.plot = {kHostile, testing::kNoon, kHour, {{kHostile, {{"1", "1"}, {"", ""}, {kHostile, "2"}}}}};
  s.meters = {m};
  s.sums[kHostile] = kHostile;
  return s;
}

/// Given names and figures that are markup, then the page has none of it, and no control character.
TEST(StatementHtml, EscapesEverything) {
  const std::string page = statement_html(hostile());
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  EXPECT_THAT(page, Not(HasSubstr("\xff")));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(statement_text(hostile(), false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(usage_text(hostile(), false), Not(HasSubstr("\x1b")));
}

/// Given a statement, then it reads back from its JSON to the same JSON.
TEST(StatementJson, ReadsBack) {
  CustomerStatement s = hostile();
  s.customer = s.name = "acme";
  const std::string json = statement_json(s);
  const auto again = read_statement(json);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ(statement_json(*again), json);
  EXPECT_FALSE(read_statement("{}").ok());
  EXPECT_FALSE(read_statement("").ok());
}

/// Given a thousand slots of one and a single one of a million, then the plot of ten buckets still
/// shows the million.
TEST(Plot, NeverHidesAPeak) {
  OwnedSeries series;
  for (std::int64_t i = 0; i < 1000; ++i) {
    const Ns from = testing::kStart + i * testing::kSlot;
    const u128 amount = i == 637 ? 1'000'000U : 1U;
    series.pieces.push_back(
        {from / testing::kSlot, from, from + testing::kSlot, amount, testing::kSlot, 0, 0, 0, 0});
  }
  Meter meter;
  meter.unit = *unit_named("B");
  const MeterInput input{{}, {&series}, {}};
  const Span span{testing::kStart, testing::kStart + 1000 * testing::kSlot};
  const Plot plot = plot_of(meter, input, span, testing::kSlot, 10);
  ASSERT_EQ(plot.lines.size(), 1U);
  ASSERT_EQ(plot.lines[0].points.size(), 10U);
  EXPECT_EQ(plot.lines[0].points[6].peak, "1000000");
  EXPECT_EQ(plot.lines[0].points[5].peak, "1");
  EXPECT_THAT(sparkline(plot.lines[0], 10), HasSubstr("█"));
}

/// Given a period in a zone, then its days are told as people there say them.
TEST(LocalTime, TellsDaysInTheZone) {
  const Ns start = 1'793'487'600 * kSecond;  // 2026-10-31T23:00:00Z: midnight in Berlin
  EXPECT_EQ(local_span("Europe/Berlin", {start, start + 30 * kDay}), "1 to 30 November 2026");
  EXPECT_EQ(local_span("Europe/Berlin", {start, start + kDay}), "1 November 2026");
  EXPECT_EQ(local_date("Europe/Berlin", start + 90 * kMinute, true), "1 November 2026, 01:30");
  EXPECT_FALSE(local_ticks("Europe/Berlin", {start, start + 30 * kDay}).empty());
  EXPECT_FALSE(local_ticks("No/Where", {start, start + kHour}).empty());
}

/// Given quantities, then thousands are told apart and no digit is lost that is asked for.
TEST(Words, GroupNumbers) {
  EXPECT_EQ(grouped("1234567.8914", 3), "1,234,567.891");
  EXPECT_EQ(grouped("-1234", 0), "-1,234");
  EXPECT_EQ(grouped("999", 2), "999");
  EXPECT_EQ(percent("0.999999"), "99.99 %");
  EXPECT_EQ(percent("1.000000"), "100 %");
}

/// Given half a period of 300 bytes, then the forecast is 600, and none of it is forecast of a p95.
TEST(Statement, ForecastIsLinearByKnownTime) {
  StatementMeter m;
  m.measure = "volume";
  m.quantity = "300", m.allowance = "500", m.coverage = "1.000000";
  const auto whole = forecast_of(m, {0, 2 * kHour}, kHour);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->quantity, "600");
  EXPECT_EQ(whole->overuse, "100");
  m.coverage = "0.500000";
  EXPECT_EQ(forecast_of(m, {0, 2 * kHour}, kHour)->quantity, "1200");
  m.measure = "p95";
  EXPECT_EQ(forecast_of(m, {0, 2 * kHour}, kHour)->quantity, "300");
  m.coverage = "0.000000";
  EXPECT_FALSE(forecast_of(m, {0, 2 * kHour}, kHour));
}

/// Given a running, a draft and a released period, then the statement says which, with the record's
/// own figures.
TEST_F(BillingTest, AStatementSaysWhatItIs) {
  options_.release_automatically = options_.close_automatically = false;
  open();
  minute(0);
  const std::string id = "2026-11-22T12:00:00Z/1m";
  const auto read = [&](const std::string& period) {
    auto statement = read_statement(*billing_->statement_json("acme", period));
    EXPECT_TRUE(statement.ok());
    return statement.ok() ? std::move(*statement) : CustomerStatement{};
  };
  clock_.advance(kMinute);
  answer(billing_->close(id));
  const CustomerStatement draft = read(id);
  EXPECT_EQ(draft.state, "draft");
  ASSERT_EQ(draft.meters.size(), 1U);
  EXPECT_EQ(draft.meters[0].quantity, "1800");
  EXPECT_EQ(draft.meters[0].amount, "8.00");
  EXPECT_EQ(draft.sums.at("EUR"), "8.00");
  EXPECT_TRUE(draft.plot_as_billed);
  ASSERT_EQ(draft.meters[0].plot.lines.size(), 1U);
  EXPECT_EQ(draft.meters[0].plot.lines[0].points.at(0).peak, "300");
  EXPECT_THAT(statement_html(draft), HasSubstr("Draft"));
  answer(billing_->release(id));
  EXPECT_THAT(statement_html(read(id)), Not(HasSubstr("Draft")));
  minute(1);
  EXPECT_FALSE(read("2026-11-22T12:01:00Z/1m").meters.empty());
  EXPECT_FALSE(billing_->statement_json("nobody", id).ok());
}

}  // namespace
}  // namespace tallyman::rater
