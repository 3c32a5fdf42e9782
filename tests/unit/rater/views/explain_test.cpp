// Given a record, then its quantity comes out of the raw readings by a path of its own, and what is
// not as it was received is found before anything is summed.

#include "rater/views/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>

#include "billing_fixture.hpp"
#include "rater/intake/raw_tables.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::kCatalogue;
using testing::kFirst;
using testing::kNoon;
using testing::StreamMaker;

class ExplainTest : public BillingTest {
 protected:
  Result<Explanation> explain(const RecordName& name, Ns intervals_at = -1) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    if (!snapshot.ok()) return snapshot.error();
    return rater::explain(**snapshot, name, intervals_at);
  }
  Explanation explained(const std::string& period = kFirst, Ns intervals_at = -1) {
    auto done = explain({"", "acme", "transfer", period}, intervals_at);
    EXPECT_TRUE(done.ok()) << done.error().text();
    return done.ok() ? std::move(*done) : Explanation{};
  }
  void take(const wire::Batch& batch) {
    const auto made = maker_.follow(batch);
    const auto taken = intake_->commit_batch(maker_.agent(), maker_.life(), made.bytes);
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->outcome, Accepted::Outcome::applied) << taken->text;
  }
  void close_first() {
    clock_.advance(kNoon + 2 * kMinute - clock_.wall());
    settle();
    answer(billing_->close(kFirst));
  }
  static std::string percentile(const std::string& direction) {
    std::string text = kCatalogue;
    const auto swap = [&](const std::string& from, const std::string& to) {
      text.replace(text.find(from), from.size(), to);
    };
    swap("\"volume\"", "\"p95\"");
    swap("direction = \"out\"", "direction = \"" + direction + "\"");
    swap("unit = \"B\"", "unit = \"bit/s\"");
    return text;
  }
};

/// Given a counter read six times, then slots, raw readings and last minus first say the same.
TEST_F(ExplainTest, SumsTheRawReadingsItself) {
  minute(0);
  settle();
  const Explanation e = explained();
  EXPECT_TRUE(e.faults.empty()) << e.faults.front();
  EXPECT_EQ(e.chain.damages, 0U);
  ASSERT_EQ(e.series.size(), 1U);
  EXPECT_EQ(to_decimal(e.series[0].slots_sum), "1800");
  EXPECT_EQ(to_decimal(e.series[0].raw_sum), "1800");
  ASSERT_TRUE(e.series[0].last_minus_first);
  EXPECT_EQ(to_decimal(*e.series[0].last_minus_first), "1800");
  ASSERT_TRUE(e.figures);
  EXPECT_EQ(e.figures->base.exact(), "1800");
  ASSERT_TRUE(e.again);
  EXPECT_EQ(*e.again, e.record.body);
  ASSERT_EQ(e.series[0].raw[0].segments.size(), 1U);
  const RawSegment& segment = e.series[0].raw[0].segments[0];
  EXPECT_EQ(segment.first.value, 1'000'000U);
  EXPECT_EQ(segment.last.batch, 1U);
  EXPECT_EQ(e.streams[segment.first.stream].agent, "stor-01");
}

/// Given a slot, then the two readings of each of its intervals are named.
TEST_F(ExplainTest, ShowsTheIntervalsOfOneSlot) {
  minute(0);
  minute(1);
  settle();
  const Explanation e = explained(kFirst, kNoon + 25 * kSecond);
  ASSERT_EQ(e.series.at(0).raw.at(0).intervals.size(), 1U);
  const RawInterval& interval = e.series[0].raw[0].intervals[0];
  EXPECT_EQ(interval.from.at, kNoon + 20 * kSecond);
  EXPECT_EQ(interval.to.at, kNoon + 30 * kSecond);
  EXPECT_EQ(to_decimal(interval.in_slot), "300");
  EXPECT_EQ(explained(kFirst, 0).series.at(0).raw.at(0).intervals.size(), 6U);
}

/// Given the record's id, or the beginning of it, then it is the same record; else an error.
TEST_F(ExplainTest, FindsARecordByItsId) {
  minute(0);
  settle();
  const std::string id = explained().record.id;
  for (const std::string& given : {id, id.substr(0, 12)}) {
    const auto done = explain({given, "", "", ""});
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_EQ(done->record.customer, "acme");
  }
  EXPECT_FALSE(explain({"0123", "", "", ""}).ok());
  EXPECT_FALSE(explain({"ffffffffffffffff", "", "", ""}).ok());
  EXPECT_FALSE(explain({"", "acme", "storage", kFirst}).ok());
}

/// Given a percentile, then the slot that was picked is told with its rank and its neighbours.
TEST_F(ExplainTest, TellsTheRankThatWasPicked) {
  for (const char* direction : {"out", "p95_of_sum", "max_of_p95", "p95_of_max"}) {
    std::string text = percentile(direction);
    if (std::string(direction) != "out") {
      text.insert(text.find("out = "), "in = \"netif_receive_bytes_total\"\n");
    }
    write_catalogue(text);
    options_.release_automatically = options_.close_automatically = false;
    open();
    if (maker_.last() == 0) minute(0);
    close_first();
    const Explanation e = explained();
    EXPECT_TRUE(e.faults.empty()) << direction << ": " << e.faults.front();
    ASSERT_TRUE(e.figures && !e.figures->ranks.empty()) << direction;
    const ExplainedRank& rank = e.figures->ranks.back();
    EXPECT_EQ(rank.held, 6U) << direction;
    ASSERT_TRUE(rank.picked && rank.below) << direction;
    EXPECT_FALSE(rank.above) << direction;
    EXPECT_EQ(rank.picked->rank, 6U) << direction;
    EXPECT_EQ(to_decimal(rank.picked->value), "300") << direction;
  }
}

/// Given any one bit of a raw batch flipped, then the chain names the batch, and nothing is summed.
TEST_F(ExplainTest, FindsASingleFlippedBit) {
  minute(0);
  settle();
  const std::string table = raw_table(raw_day(clock_.wall()));
  auto read = ledger_->database().prepare("SELECT bytes FROM " + table);
  ASSERT_TRUE(*read.step());
  const Bytes whole = read.blob(0);
  read.reset();
  std::mt19937 random(20261122);
  for (int i = 0; i < 40; ++i) {
    Bytes bytes = whole;
    const std::size_t bit = random() % (bytes.size() * 8);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    ASSERT_TRUE(ledger_->database()
                    .prepare("UPDATE " + table + " SET bytes = ?")
                    .bind(1, bytes)
                    .done()
                    .ok());
    const Explanation e = explained();
    ASSERT_FALSE(e.faults.empty()) << "bit " << bit;
    ASSERT_EQ(e.chain.findings.size(), 1U) << "bit " << bit;
    EXPECT_EQ(e.chain.findings[0].agent, "stor-01");
    EXPECT_EQ(e.chain.findings[0].first, 1U);
    EXPECT_EQ(e.chain.findings[0].table, table);
  }
}

/// Given a record changed in the ledger, then it does not come out of the log as it is stored.
TEST_F(ExplainTest, FindsAChangedRecord) {
  minute(0);
  settle();
  ASSERT_TRUE(
      ledger_->database().run("UPDATE record SET body = replace(body, '8.00', '9.00')").ok());
  const Explanation e = explained();
  ASSERT_EQ(e.faults.size(), 1U);
  EXPECT_THAT(e.faults[0], HasSubstr("otherwise than it is stored"));
}

/// Given a slip beyond what the line carries, and a value that disputes another, then the raw path
/// leaves out the same; once a person accepts them, it counts them as decided.
TEST_F(ExplainTest, LeavesOutWhatIsKeptOutAndCountsWhatIsAccepted) {
  options_.release_automatically = options_.close_automatically = false;
  open();
  wire::Batch batch{maker_.head(), {}, {kNoon + kMinute, 1}};
  auto definitions = testing::definitions();
  std::get<wire::MetricDef>(definitions[2].body).info = {"speed"};
  for (const auto& definition : definitions) batch.entries.emplace_back(definition);
  batch.entries.emplace_back(wire::Definition{6, wire::InfoDef{4, kNoon, {"10"}}});
  std::uint64_t value = 5'000'000;
  for (int n = 0; n <= 6; ++n) {
    value += 700;
    const bool slip = n == 3;
    batch.entries.emplace_back(
        testing::poll(kNoon + n * 10 * kSecond, slip ? value + 1'000'000'000'000 : value));
  }
  clock_.advance(kMinute + kSecond);
  take(batch);
  StreamMaker other("stor-01", 2);
  wire::Batch dispute{other.head(), {}, {kNoon + 2 * kMinute, 1}};
  for (const auto& definition : definitions) dispute.entries.emplace_back(definition);
  dispute.entries.emplace_back(testing::poll(kNoon + kMinute, value + 700));
  const auto made = other.follow(dispute);
  ASSERT_TRUE(intake_->commit_batch(other.agent(), other.life(), made.bytes));
  close_first();
  const Explanation before = explained();
  EXPECT_THAT(before.faults, ::testing::IsEmpty());
  ASSERT_EQ(before.series.at(0).anomalies.size(), 2U);
  EXPECT_EQ(before.figures->base.exact(), "4200");
  EXPECT_EQ(to_decimal(*before.series[0].last_minus_first), "4200");

  DecisionRequest request;
  request.decision = {"ann", "it was so", 1000};
  for (const AnomalyContent& anomaly : before.series[0].anomalies) {
    request.command = "anomaly accept";
    request.fields = {{"id", to_hex(anomaly.id())}};
    answer(billing_->decide(request));
  }
  close_first();
  const Explanation after = explained();
  EXPECT_THAT(after.faults, ::testing::IsEmpty());
  EXPECT_EQ(after.series.at(0).accepted.size(), 2U);
  EXPECT_EQ(after.figures->base.exact(), to_decimal(u128{4200} + 700 + 1'000'000'000'000 + 700));
}

/// Given a gauge that told more than there is room for several times on end, then the raw path
/// leaves it out as one anomaly, and once a person accepts it, counts the level of each reading.
TEST_F(ExplainTest, CountsTheLevelOfAnAcceptedGauge) {
  std::string text = kCatalogue;
  const std::string counter =
      "measure = \"volume\"\nout = \"netif_transmit_bytes_total\"\ndirection = \"out\"\n";
  text.replace(text.find(counter), counter.size(),
               "measure = \"peak\"\nmetric = \"netif_transmit_bytes_total\"\n");
  write_catalogue(text);
  options_.release_automatically = options_.close_automatically = false;
  open();
  wire::Batch batch{maker_.head(), {}, {kNoon + kMinute, 1}};
  for (wire::Definition definition : testing::definitions()) {
    if (auto* metric = std::get_if<wire::MetricDef>(&definition.body)) {
      metric->kind = wire::Kind::gauge;
      metric->info = {"capacity"};
    }
    if (auto* epoch = std::get_if<wire::EpochDef>(&definition.body)) epoch->epoch = 0;
    batch.entries.emplace_back(definition);
  }
  batch.entries.emplace_back(wire::Definition{6, wire::InfoDef{4, kNoon, {"1000"}}});
  constexpr std::uint64_t kLevels[] = {500, 500, 500, 5000, 7000, 6000, 500};
  for (int n = 0; n <= 6; ++n) {
    batch.entries.emplace_back(testing::poll(kNoon + n * 10 * kSecond, kLevels[n]));
  }
  clock_.advance(kMinute + kSecond);
  take(batch);
  close_first();
  const Explanation before = explained();
  EXPECT_THAT(before.faults, ::testing::IsEmpty());
  ASSERT_EQ(before.series.at(0).anomalies.size(), 1U);
  EXPECT_EQ(before.figures->base.exact(), "500");
  DecisionRequest request;
  request.decision = {"ann", "it was so", 1000};
  request.command = "anomaly accept";
  request.fields = {{"id", to_hex(before.series[0].anomalies[0].id())}};
  answer(billing_->decide(request));
  close_first();
  const Explanation after = explained();
  EXPECT_THAT(after.faults, ::testing::IsEmpty());
  EXPECT_EQ(after.figures->base.exact(), "7000");
}

/// Given random counters with resets, new epochs, missed polls and lives that begin at zero, then
/// raw readings and slots come to the same, to the unit, in every slot.
TEST_F(ExplainTest, AgreesWithRatingOnRandomCounters) {
  options_.release_automatically = options_.close_automatically = false;
  for (std::uint32_t seed = 1; seed <= 25; ++seed) {
    maker_ = testing::StreamMaker("stor-01", static_cast<std::uint8_t>(seed));
    std::filesystem::remove(folder_.file("ledger"));
    std::filesystem::remove(folder_.file("ledger-wal"));
    std::filesystem::remove(folder_.file("ledger-shm"));
    clock_ = FakeClock(kNoon, kHour);
    open();
    std::mt19937_64 random(seed);
    wire::Batch batch{maker_.head(), {}, {kNoon + 2 * kMinute, 1}};
    for (const auto& definition : testing::definitions()) batch.entries.emplace_back(definition);
    std::uint64_t value = random() % 1'000'000'007;
    wire::DefNo epoch = 5, next = 6;
    for (Ns at = kNoon - 30 * kSecond; at <= kNoon + 90 * kSecond; at += 10 * kSecond) {
      if (random() % 6 == 0) continue;
      value += random() % 1'000'003;
      if (random() % 9 == 0) value /= 2;
      if (random() % 7 == 0) {
        const Ns start = random() % 2 == 0 ? 0 : at - static_cast<Ns>(random() % 9'000'000'000);
        batch.entries.emplace_back(wire::Definition{next, wire::EpochDef{4, random(), start}});
        epoch = next++;
        value = random() % 1'000'003;
      }
      wire::Poll poll = testing::poll(at, value);
      poll.values[0].epoch = epoch;
      batch.entries.emplace_back(poll);
    }
    clock_.advance(2 * kMinute + kSecond);
    take(batch);
    close_first();
    const Explanation e = explained();
    EXPECT_TRUE(e.faults.empty()) << "seed " << seed << ": " << e.faults.front();
    ASSERT_EQ(e.series.size(), 1U) << "seed " << seed;
    EXPECT_EQ(e.series[0].slots_differ, 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tallyman::rater
