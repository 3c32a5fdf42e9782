// Import: a file of readings becomes a stream like an agent's, once and only once.

#include "rater/import.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "rater/derive/usage_store.hpp"
#include "rater/import_file.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::TempFolder;

constexpr const char* kMetric = "netif_transmit_bytes_total";

wire::ReadingLine line(Ns time, std::uint64_t value) {
  wire::ReadingLine out;
  out.agent = "stor-01";
  out.plugin = out.instance = "netif";
  out.source = "host:stor-01";
  out.metric = kMetric;
  out.unit = "bytes";
  out.labels = {{"ifindex", "3"}};
  out.info = {{"interface", "eth0"}};
  out.epoch = 77;
  out.value = value;
  out.time = time;
  return out;
}

class Import : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = *Ledger::open(":memory:", clock_);
    intake_ = *Intake::open(*ledger_, clock_);
    store_ = *UsageStore::open(*ledger_, *intake_, 5 * kMinute);
  }
  Imported import(const std::string& text, const std::string& agent = "") {
    std::ofstream(folder_.file("readings.jsonl"), std::ios::binary) << text;
    errors_.clear();
    const auto done = import_readings(*intake_, folder_.file("readings.jsonl"), agent,
                                      [&](const Error& e) { errors_.push_back(e.text()); });
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().text());
    return done.ok() ? *done : Imported{};
  }
  u128 total(const std::string& metric = kMetric) {
    while (store_->advance(64)->more) {
    }
    u128 sum = 0;
    const auto views = store_->slots(std::vector{metric}, 0, wire::kMaxTime);
    for (const auto& view : *views) {
      for (const auto& slot : view.slots) sum += slot.amount;
    }
    return sum;
  }
  [[nodiscard]] bool told(const std::string& part) const {
    return std::any_of(errors_.begin(), errors_.end(), [&](const std::string& error) {
      return error.find(part) != std::string::npos;
    });
  }

  TempFolder folder_;
  FakeClock clock_{kNoon + kDay, kHour};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<UsageStore> store_;
  std::vector<std::string> errors_;
};

// Given readings in any order, when they are imported, then their usage is that of their order in
// time, and the beat is the commonest distance between polls.
TEST_F(Import, OrderOfLinesDoesNotMatter) {
  std::string text;
  for (const int i : {3, 0, 2, 1, 5, 4}) {
    text +=
        to_json_line(line(kNoon + i * kMinute, 1000 + static_cast<std::uint64_t>(i) * 10)) + "\n";
  }
  const Imported done = import(text);
  EXPECT_EQ(done.readings, 6U);
  EXPECT_EQ(done.errors, 0U);
  EXPECT_TRUE(total() == 50);
  const auto streams = *intake_->streams();
  ASSERT_EQ(streams.size(), 1U);
  const auto definitions = *intake_->definitions(streams[0].id);
  EXPECT_EQ(std::get<wire::InstanceDef>(definitions[0].body).interval, kMinute);
  EXPECT_EQ(store_->marks()->at(0).watermark, kNoon + 5 * kMinute);
}

// Given a file that is held, when it is imported again, then nothing changes.
TEST_F(Import, TheSameFileAgainChangesNothing) {
  std::string text;
  for (int i = 0; i < 3500; ++i) {
    text += to_json_line(line(kNoon + i * 10 * kSecond, static_cast<std::uint64_t>(i) * 7)) + "\n";
  }
  const Imported first = import(text);
  EXPECT_EQ(first.batches, 4U);
  EXPECT_EQ(first.held, 0U);
  EXPECT_TRUE(total() == 3499 * 7);
  const Imported second = import(text);
  EXPECT_EQ(second.held, 4U);
  EXPECT_EQ(intake_->streams()->size(), 1U);
  EXPECT_TRUE(total() == 3499 * 7);
}

// Given another file with readings that are held already, when it is imported, then they count
// once.
TEST_F(Import, OverlappingFilesCountOnce) {
  std::string early, late;
  for (int i = 0; i < 100; ++i) {
    const std::string one =
        to_json_line(line(kNoon + i * kMinute, static_cast<std::uint64_t>(i * i)));
    if (i < 70) early += one + "\n";
    if (i > 30) late += one + "\n";
  }
  import(late);
  total();
  import(early);
  // The later file's first reading was a baseline: what came before it stays unknown.
  EXPECT_TRUE(total() == 99 * 99 - 31 * 31);

  ledger_ = *Ledger::open(":memory:", clock_);
  intake_ = *Intake::open(*ledger_, clock_);
  store_ = *UsageStore::open(*ledger_, *intake_, 5 * kMinute);
  import(early);
  total();
  import(late);
  EXPECT_TRUE(total() == 99 * 99);
}

// Given errors in many lines, when the file is imported, then each is told with its file, line and
// column, and nothing is committed.
TEST_F(Import, EveryErrorIsToldAndNothingIsCommitted) {
  wire::ReadingLine packets = line(kNoon, 1);
  packets.unit = "packets";
  wire::ReadingLine started = line(kNoon + kMinute, 5), restarted = started;
  started.start = kNoon - kHour;
  restarted.start = kNoon - kMinute;
  restarted.time += kMinute;
  const std::string text = to_json_line(line(kNoon, 1)) + "\n" + "not json\n" + "\n" +
                           to_json_line(packets) + "\n" + to_json_line(line(kNoon, 2)) + "\n" +
                           to_json_line(line(kNoon, 1)) + "\n" + to_json_line(started) + "\n" +
                           to_json_line(restarted) + "\n" +
                           std::string(kLongestImportLine + 9, 'x');
  const Imported done = import(text);
  EXPECT_EQ(done.errors, 5U);
  EXPECT_EQ(done.lines, 9U);
  EXPECT_TRUE(told("readings.jsonl:2:")) << errors_[0];
  EXPECT_TRUE(told("readings.jsonl:4:1: the metric"));
  EXPECT_TRUE(told("readings.jsonl:5:1: another value than in line 1"));
  EXPECT_TRUE(told("readings.jsonl:8:1: this epoch has another start"));
  EXPECT_TRUE(told("readings.jsonl:9:1: the line is longer"));
  EXPECT_TRUE(intake_->streams()->empty());
}

// Given two hundred thousand broken lines, when they are imported, then there are as many errors
// and nothing else.
TEST_F(Import, ManyBrokenLinesGiveAsManyErrors) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "{\"agent\":" + std::to_string(i) + "\n";
  const Imported done = import(text);
  EXPECT_EQ(done.errors, 200'000U);
  EXPECT_TRUE(told("readings.jsonl:200000:"));
  EXPECT_TRUE(intake_->streams()->empty());
}

// Given a file with gaps, gauges and readings of two agents, when it is imported, then each agent
// has its stream; and a caller's agent takes the place of both.
TEST_F(Import, AgentsGapsAndGauges) {
  wire::ReadingLine other = line(kNoon, 1);
  other.agent = "stor-02";
  wire::GapLine gap{"stor-01", "netif", "netif", "", "hang: over its deadline", kNoon, kNoon};
  wire::ReadingLine held = line(kNoon, 500);
  held.metric = "pool_used_bytes";
  held.kind = wire::Kind::gauge;
  held.epoch = 0;
  wire::ReadingLine later = held;
  later.time += kMinute;
  const std::string text = to_json_line(line(kNoon, 1)) + "\n" + to_json_line(gap) + "\n" +
                           to_json_line(held) + "\n" + to_json_line(later) + "\n";
  const Imported done = import(text + to_json_line(other) + "\n");
  EXPECT_EQ(done.agents, 2U);
  EXPECT_EQ(done.gaps, 1U);
  EXPECT_EQ(intake_->streams()->size(), 2U);
  EXPECT_TRUE(total("pool_used_bytes") == static_cast<u128>(500) * kMinute);
  import(text, "old-system");
  EXPECT_EQ(intake_->streams()->at(0).agent, "old-system");
}

// Given a file that begins with a gap of a source, before any reading of it, then it is taken.
TEST_F(Import, AGapBeforeAnyReadingOfItsSource) {
  wire::GapLine gap{"stor-01", "ceph", "ceph", "ceph:1", "part: asleep", kNoon, kNoon + kMinute};
  const Imported done = import(to_json_line(gap) + "\n" + to_json_line(line(kNoon, 1)) + "\n");
  EXPECT_EQ(done.errors, 0U) << errors_[0];
  EXPECT_EQ(done.gaps, 1U);
  const auto definitions = *intake_->definitions(intake_->streams()->at(0).id);
  const auto source = std::find_if(definitions.begin(), definitions.end(), [](const auto& each) {
    return std::holds_alternative<wire::SourceDef>(each.body);
  });
  ASSERT_NE(source, definitions.end());
  EXPECT_EQ(std::get<wire::SourceDef>(source->body).scope, wire::Scope::shared);
}

// Given a counter that an agent read, that ended, and that is forgotten since, when a file says its
// readings again, then nothing counts twice: what it would add is an anomaly, for a person.
TEST_F(Import, AForgottenCounterAgainCountsNothing) {
  testing::StreamMaker maker;
  const auto give = [&](const wire::Batch& batch) {
    const auto made = maker.follow(batch);
    const auto accepted = intake_->commit_batch("stor-01", maker.life(), made.bytes);
    ASSERT_TRUE(accepted.ok() && accepted->outcome == Accepted::Outcome::applied);
  };
  wire::Batch batch{maker.head(), {}, {}};
  for (const auto& definition : testing::definitions()) batch.entries.emplace_back(definition);
  batch.entries.emplace_back(wire::Definition{6, wire::SeriesDef{2, 3, {"4"}}});
  batch.entries.emplace_back(wire::Definition{7, wire::EpochDef{6, 1, 0}});
  batch.entries.emplace_back(wire::Definition{
      8, wire::MetricDef{"pool_used_bytes", "bytes", "", wire::Kind::gauge, 0, {"ifindex"}, {}}});
  batch.entries.emplace_back(wire::Definition{9, wire::SeriesDef{2, 8, {"3"}}});
  batch.entries.emplace_back(wire::Definition{10, wire::EpochDef{9, 0, 0}});
  std::string text;
  for (int i = 0; i < 10; ++i) {
    const Ns at = kNoon + i * kMinute;
    wire::Poll poll = testing::poll(at, static_cast<std::uint64_t>(i) * 100);
    poll.values.push_back({10, 7, 0});
    batch.entries.emplace_back(poll);
    text += to_json_line(line(at, static_cast<std::uint64_t>(i) * 100)) + "\n";
    wire::ReadingLine held = line(at, 7);
    held.metric = "pool_used_bytes";
    held.kind = wire::Kind::gauge;
    held.epoch = 0;
    held.info.clear();
    text += to_json_line(held) + "\n";
  }
  wire::Poll last = testing::poll(kNoon + 10 * kMinute, 5);
  last.values = {{7, 5, 0}};
  last.ended = {5, 10};
  batch.entries.emplace_back(last);
  for (int day = 1; day < 5; ++day) {
    last.scheduled = last.wall = kNoon + day * kDay;
    last.ended.clear();
    batch.entries.emplace_back(last);
  }
  clock_.advance(10 * kDay);
  give(batch);
  EXPECT_TRUE(total() == 900);
  const u128 held = total("pool_used_bytes");
  EXPECT_TRUE(held != 0);
  EXPECT_EQ(import(text).errors, 0U);
  EXPECT_TRUE(total() == 900) << to_decimal(total());
  EXPECT_TRUE(total("pool_used_bytes") == held) << to_decimal(total("pool_used_bytes"));
}

// Given names beyond the wire's limits, when they are imported, then the line is an error.
TEST_F(Import, NamesBeyondLimitsAreErrors) {
  wire::ReadingLine wide = line(kNoon, 1);
  wide.labels["x"] = std::string(5000, 'y');
  wire::ReadingLine named = line(kNoon, 1);
  named.metric = std::string(300, 'm');
  EXPECT_EQ(import(to_json_line(wide) + "\n" + to_json_line(named) + "\n").errors, 2U);
}

// Given more definitions than one block takes, when they are imported, then every reading is there.
TEST_F(Import, ManySeriesInOnePoll) {
  std::string text;
  for (int poll = 0; poll < 2; ++poll) {
    for (int i = 0; i < 12'000; ++i) {
      wire::ReadingLine one = line(kNoon + poll * kMinute, static_cast<std::uint64_t>(poll));
      one.labels["ifindex"] = std::to_string(i) + std::string(200, 'x');
      text += to_json_line(one) + "\n";
    }
  }
  EXPECT_EQ(import(text).readings, 24'000U);
  EXPECT_TRUE(total() == 12'000);
}

// Given a reading of a time ahead of the rater's clock, then its line is an error and
// nothing is committed.
TEST_F(Import, RefusesReadingsFromTheFuture) {
  const std::string good = to_json_line(line(kNoon, 1)) + "\n";
  const auto done = import(good + to_json_line(line(clock_.wall() + 1, 2)) + "\n");
  EXPECT_EQ(done.errors, 1U);
  EXPECT_EQ(done.batches, 0U);
  EXPECT_TRUE(told(":2:1"));
  EXPECT_TRUE(told("clock"));
  EXPECT_EQ(import(good + to_json_line(line(clock_.wall(), 2)) + "\n").errors, 0U);
}

// Given no file, then the error names it.
TEST_F(Import, AFileThatIsNotThere) {
  const auto done = import_readings(*intake_, folder_.file("none"), "", {});
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().text().find("none"), std::string::npos);
}

}  // namespace
}  // namespace tallyman::rater
