// Given usage and a catalogue, then rating a period gives the same records, byte for byte, in
// whatever order the usage comes, and one for every active customer and meter.

#include "rater/rating/close.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "usage_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::catalogue_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kSlot;
using testing::kStart;
using testing::slot_of;
using testing::view_of;

const Period kPeriod{"2026-11-22T12:00:00Z/20m", kStart, kStart + 4 * kSlot};

std::vector<std::string> bodies(const Rating& rating) {
  std::vector<std::string> out;
  for (const UsageRecord& r : rating.records) out.push_back(message_of(r, "/tallyman/0").body);
  for (const PeriodRecord& r : period_records(rating.records, kPeriod, {}, {}, {})) {
    out.push_back(message_of(r, "/tallyman/0").body);
  }
  return out;
}

TEST(Close, RatesVolumeAndRateWithOveruseAndAmount) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"s\"\n");
  const std::vector<ViewUsage> usage{
      view_of("a", {slot_of(0, 1'000'000), slot_of(1, 42'000), slot_of(2, 0), slot_of(3, 0)})};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {});
  ASSERT_EQ(rating.records.size(), 4U) << "two customers, two meters, usage or not";
  const UsageRecord& burst = rating.records[0];
  const UsageRecord& transfer = rating.records[1];
  EXPECT_EQ(burst.meter, "burst");
  EXPECT_EQ(burst.base.billed, "1000000");
  EXPECT_EQ(burst.quantity.billed, "26.666666667");  // 8 Mbit in 300 s
  EXPECT_EQ(burst.overuse, "25.666666667");
  EXPECT_EQ(burst.money->amount, "2.57");
  EXPECT_EQ(burst.money->remainder, "-0.003333333333");
  EXPECT_EQ(transfer.base.billed, "1042000");
  EXPECT_EQ(transfer.quantity.billed, "0.001042");
  EXPECT_EQ(transfer.quantity.high, "0.001042");
  EXPECT_EQ(transfer.overuse, "0.000042");
  EXPECT_EQ(transfer.money->amount, "0.00");
  EXPECT_EQ(transfer.money->remainder, "0.000126");
  EXPECT_EQ(transfer.coverage, "1.000000");
  const UsageRecord& nothing = rating.records[3];
  EXPECT_EQ(nothing.customer, "other");
  EXPECT_EQ(nothing.quantity.billed, "0");
  EXPECT_EQ(nothing.quantity.high, std::nullopt);
  EXPECT_EQ(nothing.coverage, "0.000000");
}

TEST(Close, ProratesAllowancesOfVolumesAndChargesOfRates) {
  const Catalogue c =
      catalogue_of("[resource.match]\nsource = \"s\"\n", "from = 2026-11-22T12:10:00Z\n");
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 7'000'000), slot_of(1, 7'000'000),
                                                   slot_of(2, 375'000), slot_of(3, 75'000)})};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {});
  const UsageRecord& burst = rating.records[0];
  const UsageRecord& transfer = rating.records[1];
  EXPECT_EQ(transfer.base.billed, "450000");
  EXPECT_EQ(transfer.allowance, "0.0005") << "half of the period";
  EXPECT_EQ(burst.slots, 2U);
  EXPECT_EQ(burst.allowance, "1") << "a commit stays whole";
  EXPECT_EQ(burst.quantity.billed, "10");
  EXPECT_EQ(burst.overuse, "9");
  EXPECT_EQ(burst.money->amount, "0.45") << "half of the charge";
  ASSERT_EQ(rating.unattributed.size(), 1U);
  EXPECT_EQ(to_decimal(rating.unattributed[0].amount), "14000000");
}

TEST(Close, AnyOrderOfViewsGivesTheSameBytes) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"*\"\n");
  std::mt19937_64 random(11);
  std::vector<ViewUsage> usage;
  for (const char* agent : {"a", "b", "c"}) {
    for (int series = 0; series < 5; ++series) {
      ViewUsage view = view_of(agent, {});
      view.view.series.labels = {{"ifindex", std::to_string(series)}};
      for (std::int64_t i = 0; i < 4; ++i) {
        const Ns covered = random() % 3 == 0 ? static_cast<Ns>(random() % kSlot) : kSlot;
        view.slots.push_back(slot_of(i, random() % 1'000'000, covered));
      }
      usage.push_back(view);
    }
  }
  const std::vector<std::string> first = bodies(rate(c, kPeriod, kSlot, usage, {"z"}));
  for (int round = 0; round < 50; ++round) {
    std::shuffle(usage.begin(), usage.end(), random);
    EXPECT_EQ(bodies(rate(c, kPeriod, kSlot, usage, {"z"})), first);
  }
  for (ViewUsage& view : usage) view.slots[0].amount += 1;
  EXPECT_NE(bodies(rate(c, kPeriod, kSlot, usage, {"z"})), first);
}

// Given a customer of many series, then reading them, and hashing what each meter read, takes many
// steps, and the records are those of one go.
TEST(Close, ALargeCustomerTakesManySteps) {
  constexpr std::size_t kSeries = 300;
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"s\"\n");
  std::vector<ViewUsage> usage;
  for (std::size_t n = 0; n < kSeries; ++n) {
    usage.push_back(view_of("a", {slot_of(0, n), slot_of(1, 2 * n), slot_of(2, 7)}));
    usage.back().view.series.labels = {{"ifindex", std::to_string(n)}};
  }
  KeptUsage source(usage, kSlot);
  PeriodRating rating({c, kPeriod, kSlot}, source);
  std::size_t steps = 0;
  for (Result<bool> more = true; more.ok() && *more; more = rating.step()) ++steps;
  // Sixteen are read in one, a meter billed in one, sixty-four hashed in one.
  EXPECT_GE(steps, kSeries / 16 + 2 * (1 + kSeries / 64));
  const Rating taken = rating.take();
  ASSERT_EQ(taken.records.size(), 4U);
  EXPECT_EQ(taken.records[0].series, kSeries);
  EXPECT_NE(taken.records[0].evidence, taken.records[2].evidence);
  EXPECT_EQ(bodies(taken), bodies(rate(c, kPeriod, kSlot, usage, {})));
}

TEST(Close, ARunningPeriodWantsOnlyWhatHasPassed) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"*\"\n");
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 500), slot_of(1, 500)})};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {}, kStart + 2 * kSlot);
  EXPECT_EQ(rating.records[1].coverage, "1.000000");
  EXPECT_EQ(rating.records[1].allowance, "0.001");
}

TEST(Close, AwaitsAgentsByTheNewestOfTheirLives) {
  const std::vector<StreamMark> marks{
      {"a", {1}, 9, {}, 50}, {"a", {2}, 1, {}, 100}, {"b", {1}, 1, {}, 99}, {"c", {1}, 0, {}, 0}};
  EXPECT_THAT(awaited(marks, 100), ElementsAre("b", "c"));
  EXPECT_THAT(awaited(marks, 50), ElementsAre("c"));
}

// Given an import for an agent, one of a host that is no more, and a peer that only said hello,
// then none of them is awaited, and none stands in for data that is still to come.
TEST(Close, AwaitsNeitherImportsNorBareHellos) {
  std::vector<StreamMark> marks{{"a", {1}, 9, {}, 50},
                                {"a", {2}, 5, {}, 100},
                                {"old", {3}, 5, {}, 40},
                                {"stranger", {4}, 0, {}, 0}};
  marks[1].imported = marks[2].imported = true;
  marks[3].empty = true;
  EXPECT_THAT(awaited(marks, 100), ElementsAre("a"));
}

/// Given a dead agent, then only the records that draw on it say so.
TEST(Close, NamesAnAwaitedAgentOnTheRecordsThatDrawOnIt) {
  const Catalogue c = catalogue_of(
      "[resource.match]\nmetric = \"tx\"\nsource = \"s\"\n[[resource]]\ncustomer = \"other\"\n"
      "[resource.match]\nsource = \"t\"\n");
  ViewUsage other = view_of("b", {slot_of(0, 5)});
  other.view.series.source = "t";
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 5)}), other};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {"b", "test"});
  ASSERT_EQ(rating.records.size(), 4U);
  EXPECT_THAT(rating.records[0].closed_without, ElementsAre()) << "acme";
  EXPECT_THAT(rating.records[2].closed_without, ElementsAre("b")) << "other";
  const auto sums = period_records(rating.records, kPeriod, {}, {}, {"b", "test"});
  ASSERT_EQ(sums.size(), 3U);
  EXPECT_THAT(sums[0].closed_without, ElementsAre());
  EXPECT_THAT(sums[1].closed_without, ElementsAre("b"));
  EXPECT_THAT(sums[2].closed_without, ElementsAre("b", "test"));
}

TEST(Record, IdsNameTheContentAlone) {
  UsageRecord record;
  record.customer = "ab";
  record.meter = "c";
  UsageRecord other = record;
  EXPECT_EQ(record.id(), other.id());
  other.customer = "a";
  other.meter = "bc";
  EXPECT_NE(record.id(), other.id());
  other = record;
  other.quantity.high = "";
  EXPECT_NE(record.id(), other.id());
}

TEST(Record, PeriodRecordsSumUpAndCloseTheList) {
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"s\"\n");
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 8'000'000'000)})};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {});
  const auto sums = period_records(rating.records, kPeriod, {}, {}, {});
  ASSERT_EQ(sums.size(), 3U);
  EXPECT_EQ(sums[0].customer, "acme");
  EXPECT_EQ(sums[0].records, 2U);
  EXPECT_EQ(sums[2].customer, "");
  EXPECT_EQ(sums[2].records, 4U);
  EXPECT_EQ(sums[2].sums, sums[0].sums);
  EXPECT_EQ(sums[0].sums.at("EUR"), "21357.23");  // 23.997 + 21333.233…
}

TEST(Record, ABadNameComesOutAsOneLineOfValidJson) {
  UsageRecord record;
  record.customer = "a.b c/\xC3\xA4";
  record.meter = "m\n\"";
  record.closed_without = {"\xFF\xFE"};
  const Message message = message_of(record, "/tallyman/0");
  EXPECT_EQ(message.routing_key, "v1.record.m%0A%22.a%2Eb%20c%2F%C3%A4");
  EXPECT_EQ(message.body.find('\n'), std::string::npos);
  EXPECT_TRUE(nlohmann::json::accept(message.body));
}

/// Given a series that two claim and one that a meter cannot read, then the records they are
/// missing from say so, and no others.
TEST(Record, NamesThePlanAndTheProblemsThatTouchIt) {
  const Catalogue c = catalogue_of(
      "[resource.match]\nsource = \"s\"\n[[resource]]\ncustomer = \"other\"\n"
      "[resource.match]\nifindex = \"2\"\n");
  ViewUsage both = view_of("a", {slot_of(0, 5)}), coarse = both, mine = both;
  both.view.series.labels = {{"ifindex", "2"}};
  coarse.view.series.labels = {{"ifindex", "3"}};
  coarse.resolution = kHour;
  const std::vector<ViewUsage> usage{both, coarse, mine};
  const Rating rating = rate(c, kPeriod, kSlot, usage, {});
  ASSERT_EQ(rating.records.size(), 4U);
  EXPECT_EQ(rating.problems.size(), 2U);
  EXPECT_EQ(rating.records[0].problems.size(), 2U) << "acme's p95";
  EXPECT_EQ(rating.records[1].problems.size(), 1U) << "acme's volume";
  EXPECT_THAT(rating.records[2].problems, ElementsAre(HasSubstr("claimed by `acme` `other`")));
  EXPECT_EQ(rating.records[0].plan, "p");
  UsageRecord record = rating.records[0];
  record.problems.clear();
  EXPECT_NE(record.id(), rating.records[0].id());
}

/// Members of `value` are those `schema` knows, and all that it requires.
void expect_keys(const nlohmann::json& schema, const nlohmann::json& value) {
  for (const auto& required : schema.at("required")) {
    EXPECT_TRUE(value.contains(required.get<std::string>())) << required;
  }
  for (const auto& [key, member] : value.items()) {
    EXPECT_TRUE(schema.at("properties").contains(key)) << key;
  }
}

TEST(Record, HasTheKeysOfItsSchema) {
  std::ifstream in(std::string(TALLYMAN_SOURCE_DIR) + "/rater/schema/usage-record.schema.json");
  const nlohmann::json schema = nlohmann::json::parse(in);
  const Catalogue c = catalogue_of("[resource.match]\nsource = \"s\"\n");
  const std::vector<ViewUsage> usage{view_of("a", {slot_of(0, 8'000'000)})};
  for (const std::string& body : bodies(rate(c, kPeriod, kSlot, usage, {"agent"}))) {
    const nlohmann::json event = nlohmann::json::parse(body);
    expect_keys(schema, event);
    EXPECT_EQ(event.at("dataschema"), schema.at("$id"));
    const bool record = event.at("type") == "tallyman.usage.record.v1";
    expect_keys(schema.at("$defs").at(record ? "record" : "period_record"), event.at("data"));
    if (!record) continue;
    for (const auto& segment : event.at("data").at("segments")) {
      expect_keys(schema.at("$defs").at("segment"), segment);
    }
  }
  EXPECT_EQ(schema.dump().find("\"additionalProperties\":false"), std::string::npos)
      << "consumers must take records of later versions";
}

}  // namespace
}  // namespace tallyman::rater
