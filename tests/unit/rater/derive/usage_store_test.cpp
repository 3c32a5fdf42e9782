// The usage store: what is derived step by step, with crashes and failures in between, is what is
// derived from scratch, and what a slow model says.

#include "rater/derive/usage_store.hpp"

#include <gtest/gtest.h>

#include <random>

#include "derive_history.hpp"
#include "derive_model.hpp"
#include "rater/derive/usage_store_rows.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::Delivered;
using testing::History;
using testing::kNoon;
using testing::SlowModel;
using testing::StreamMaker;
using testing::TempFolder;

const std::vector<std::string> kMetrics{"sent_bytes_total", "held_bytes"};

std::vector<std::string> lines(const std::vector<ViewUsage>& usage, bool all = true) {
  std::vector<std::string> out;
  for (const ViewUsage& view : usage) {
    const std::string name = SlowModel::name(view.view.instance, view.view.series);
    for (const SlotUsage& u : view.slots) {
      out.push_back(name + " slot " + std::to_string(u.slot) + " " + to_decimal(u.amount) + " " +
                    std::to_string(u.covered) + " " + std::to_string(u.estimated) + " " +
                    std::to_string(u.peak));
    }
    if (!all) continue;
    for (const Span& span : view.absent) {
      out.push_back(name + " absent " + std::to_string(span.from) + " " + std::to_string(span.to));
    }
    for (const InfoSpan& info : view.info) {
      std::string text = name + " info " + std::to_string(info.from);
      for (const auto& [label, value] : info.labels) text.append(" " + label + "=" + value);
      out.push_back(text);
    }
  }
  return out;
}

/// A ledger with intake and usage store that can be closed and opened again.
struct Rater {
  Rater(const std::string& path, const Clock& clock, Ns slot)
      : ledger(*Ledger::open(path, clock)),
        intake(*Intake::open(*ledger, clock)),
        store(*UsageStore::open(*ledger, *intake, slot)) {}
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<UsageStore> store;
};

void advance_all(UsageStore& store, std::size_t step = 64) {
  for (;;) {
    const auto progress = store.advance(step);
    ASSERT_TRUE(progress.ok()) << progress.error().text();
    if (!progress->more) return;
  }
}

/// Commits a history's batches, as agents would send them.
class Sender {
 public:
  void send(Rater& to, const Delivered& each) {
    auto [it, fresh] =
        makers_.try_emplace(each.stream, "h", static_cast<std::uint8_t>(each.stream));
    StreamMaker& maker = it->second;
    if (!each.definitions.empty()) {
      Transaction transaction(to.ledger->database());
      const auto stream = to.intake->open_stream("h", maker.life());
      const auto accepted = to.intake->accept_definitions(stream->id, each.definitions);
      ASSERT_TRUE(accepted.ok());
      ASSERT_EQ(accepted->outcome, Accepted::Outcome::applied) << accepted->text;
      ASSERT_TRUE(transaction.commit().ok());
    }
    wire::Batch batch = each.batch;
    const wire::BatchKind kind = batch.head.kind;
    batch.head = maker.head();
    batch.head.kind = kind;
    if (kind == wire::BatchKind::stand_in) {
      batch.head.original.fill(7);
      batch.head.why = "lost";
    }
    const auto made = maker.follow(batch);
    const auto accepted = to.intake->commit_batch("h", maker.life(), made.bytes);
    ASSERT_TRUE(accepted.ok());
    ASSERT_EQ(accepted->outcome, Accepted::Outcome::applied) << accepted->text;
  }

 private:
  std::map<std::uint64_t, StreamMaker> makers_;
};

// Given random histories, when they are derived in random steps, with the rater closed or a write
// failing in between, then the tables equal those derived from scratch, and the slow model.
TEST(UsageStore, StepByStepIsFromScratch) {
  constexpr Ns kSlot = 50;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const TempFolder folder;
    FakeClock clock(kNoon, kHour);
    std::mt19937_64 random(seed);
    const History history(seed, 150);
    SlowModel model(kSlot);
    Sender sender;
    auto rater = std::make_unique<Rater>(folder.file("ledger.db"), clock, kSlot);
    for (const Delivered& each : history.delivered) {
      // Receipt has its own order: the clock may stand, and be set back.
      if (random() % 3 != 0) clock.advance(kMillisecond);
      if (random() % 16 == 0) clock.step_wall(-3 * kMillisecond);
      sender.send(*rater, each);
      for (const auto& d : each.definitions) model.define(each.stream, d);
      model.apply(each.stream, each.batch);
      const std::uint64_t event = random() % 8;
      if (event == 0) {
        advance_all(*rater->store, 1 + random() % 4);
      } else if (event == 1) {
        ASSERT_TRUE(rater->store->advance(1).ok());
        rater.reset();
        rater = std::make_unique<Rater>(folder.file("ledger.db"), clock, kSlot);
      } else if (event == 2) {
        Database& db = rater->ledger->database();
        ASSERT_TRUE(db.run("CREATE TRIGGER broken BEFORE INSERT ON usage_stream BEGIN"
                           " SELECT RAISE(ABORT, 'broken'); END")
                        .ok());
        const auto failed = rater->store->advance(3);
        EXPECT_TRUE(!failed.ok() || failed->batches == 0);
        ASSERT_TRUE(db.run("DROP TRIGGER broken").ok());
      }
    }
    advance_all(*rater->store);
    const auto marks = *rater->store->marks();
    const auto stepped = lines(*rater->store->slots(kMetrics, 0, wire::kMaxTime));

    const auto scratch = *Ledger::open(":memory:", clock);
    const auto again = *UsageStore::open(*scratch, *rater->intake, kSlot);
    while (again->advance_to(marks, 1000)->more) {
    }
    EXPECT_EQ(stepped, lines(*again->slots(kMetrics, 0, wire::kMaxTime))) << "seed " << seed;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const auto mark = again->marks()->at(i);
      EXPECT_EQ(mark.sequence, marks[i].sequence);
      EXPECT_EQ(mark.hash, marks[i].hash);
      EXPECT_EQ(mark.watermark, marks[i].watermark);
    }

    std::vector<std::string> expected;
    for (const auto& [view, slots] : model.usage()) {
      for (const auto& [slot, u] : slots) {
        if (u.covered == 0 && u.amount == 0) continue;
        expected.push_back(view + " slot " + std::to_string(slot) + " " + to_decimal(u.amount) +
                           " " + std::to_string(u.covered) + " " + std::to_string(u.estimated) +
                           " " + std::to_string(u.peak));
      }
    }
    auto got = lines(*rater->store->slots(kMetrics, 0, wire::kMaxTime), false);
    std::sort(got.begin(), got.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(got, expected) << "seed " << seed;
  }
}

// Given marks in the middle of the log, when derived up to them, then no further.
TEST(UsageStore, AdvancesToMarks) {
  FakeClock clock(kNoon + kDay, kHour);
  Rater rater(":memory:", clock, 5 * kMinute);
  StreamMaker maker;
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        rater.intake->commit_batch("stor-01", maker.life(), maker.next(i * 100).bytes).ok());
  }
  StreamMark mark{"stor-01", maker.life(), 4, kNoHash, 0};
  const auto progress = rater.store->advance_to(std::vector{mark}, 100);
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->batches, 4U);
  EXPECT_FALSE(progress->more);
  const std::vector<std::string> metric{"netif_transmit_bytes_total"};
  const auto usage = *rater.store->slots(metric, 0, wire::kMaxTime);
  ASSERT_EQ(usage.size(), 1U);
  EXPECT_TRUE(usage[0].slots[0].amount == 300);
  EXPECT_EQ(rater.store->marks()->at(0).sequence, 4U);
  mark.agent = "nobody";
  EXPECT_FALSE(rater.store->advance_to(std::vector{mark}, 100).ok());
}

// Given a part of the time asked for, then the slots it touches come, and nothing else.
TEST(UsageStore, GivesTheSlotsAskedFor) {
  FakeClock clock(kNoon + kDay, kHour);
  Rater rater(":memory:", clock, kMinute);
  StreamMaker maker;
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        rater.intake->commit_batch("stor-01", maker.life(), maker.next(i * 100).bytes).ok());
  }
  advance_all(*rater.store);
  const std::vector<std::string> metric{"netif_transmit_bytes_total"};
  const auto usage = *rater.store->slots(metric, kNoon + 2 * kMinute + 1, kNoon + 4 * kMinute + 1);
  ASSERT_EQ(usage.size(), 1U);
  ASSERT_EQ(usage[0].slots.size(), 3U);
  EXPECT_EQ(usage[0].slots[0].slot, kNoon / kMinute + 2);
  EXPECT_TRUE(rater.store->slots(metric, 0, kNoon)->empty());
  EXPECT_TRUE(rater.store->slots(std::vector<std::string>{"other"}, 0, wire::kMaxTime)->empty());
}

// Given a ledger that counts in five minutes, when it is opened with another slot length, then that
// is an error that names both.
TEST(UsageStore, RefusesAnotherSlotLength) {
  FakeClock clock(kNoon, kHour);
  Rater rater(":memory:", clock, 5 * kMinute);
  const auto other = UsageStore::open(*rater.ledger, *rater.intake, kMinute);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().text().find("5m"), std::string::npos);
  EXPECT_NE(other.error().text().find("1m"), std::string::npos);
  EXPECT_FALSE(UsageStore::open(*rater.ledger, *rater.intake, 0).ok());
}

// Given the clock of an agent that runs ahead, then its watermark never passes the rater's clock.
TEST(UsageStore, WatermarkStaysBehindTheRatersClock) {
  FakeClock clock(kNoon + 3 * kMinute + kSecond, kHour);
  Rater rater(":memory:", clock, 5 * kMinute);
  StreamMaker maker;
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(rater.intake->commit_batch("stor-01", maker.life(), maker.next(i).bytes).ok());
  }
  advance_all(*rater.store);
  EXPECT_EQ(rater.store->marks()->at(0).watermark, kNoon + 3 * kMinute + kSecond);
}

// Given an import for an agent whose own data is not all in, and a peer that only said hello, then
// the marks tell both from what a close has to wait for.
TEST(UsageStore, MarksTellImportsAndEmptyStreams) {
  FakeClock clock(kNoon + kDay, kHour);
  Rater rater(":memory:", clock, 5 * kMinute);
  StreamMaker live("stor-01", 1);
  StreamMaker file("stor-01", 2);
  ASSERT_TRUE(rater.intake->commit_batch("stor-01", live.life(), live.next(1).bytes).ok());
  for (std::uint64_t i = 0; i < 9; ++i) {
    const Bytes bytes = file.next(i).bytes;
    ASSERT_TRUE(rater.intake->commit_batch("stor-01", file.life(), bytes, StreamKind::import).ok());
  }
  ASSERT_TRUE(rater.intake->open_stream("stranger", live.life()).ok());
  advance_all(*rater.store);
  const auto marks = *rater.store->marks();
  ASSERT_EQ(marks.size(), 3U);
  EXPECT_FALSE(marks[0].imported || marks[0].empty);
  EXPECT_TRUE(marks[1].imported && !marks[1].empty);
  EXPECT_TRUE(marks[2].empty && !marks[2].imported);
}

const std::vector<std::string> kSent{"netif_transmit_bytes_total"};

/// Commits one batch of these entries, and derives it.
void give(Rater& to, StreamMaker& maker, std::vector<wire::Entry> entries) {
  const wire::Batch batch{maker.head(), std::move(entries), {}};
  const auto accepted =
      to.intake->commit_batch(maker.agent(), maker.life(), maker.follow(batch).bytes);
  ASSERT_TRUE(accepted.ok());
  ASSERT_EQ(accepted->outcome, Accepted::Outcome::applied) << accepted->text;
  advance_all(*to.store);
}

std::vector<wire::Entry> first_entries() {
  std::vector<wire::Entry> out;
  for (const auto& definition : testing::definitions()) out.emplace_back(definition);
  return out;
}

wire::Poll empty_poll(Ns at) {
  wire::Poll out = testing::poll(at, 0);
  out.values.clear();
  return out;
}

// Given a series that nobody has heard of for a whole period and that is not known to have ended,
// then it is there, without a slot: its usage is unknown. One silent for longer than a year, not
// yet seen, or known to have ended is not.
TEST(UsageStore, ASilentSeriesIsExpected) {
  FakeClock clock(kNoon + kDay, kHour);
  Rater rater(":memory:", clock, kMinute);
  StreamMaker maker;
  auto entries = first_entries();
  entries.emplace_back(testing::poll(kNoon, 100));
  give(rater, maker, std::move(entries));
  const auto later = *rater.store->slots(kSent, kNoon + kDay, kNoon + 2 * kDay);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_TRUE(later[0].slots.empty() && later[0].absent.empty());
  EXPECT_EQ(rater.store->slots(kSent, kNoon + 400 * kDay, kNoon + 401 * kDay)->size(), 1U);
  EXPECT_TRUE(rater.store->slots(kSent, kNoon + 401 * kDay, kNoon + 402 * kDay)->empty());
  EXPECT_TRUE(rater.store->slots(kSent, 0, kNoon)->empty());
  wire::Poll last = empty_poll(kNoon + 10 * kSecond);
  last.ended = {5};
  give(rater, maker, {last});
  EXPECT_TRUE(rater.store->slots(kSent, kNoon + kDay, kNoon + 2 * kDay)->empty());
}

// Given a series that is born while its instance is polled, then it is known not to have existed
// before, as far as the polls tell.
TEST(UsageStore, ASeriesIsAbsentBeforeItsBirth) {
  FakeClock clock(kNoon + kDay, kHour);
  Rater rater(":memory:", clock, kMinute);
  StreamMaker maker;
  auto entries = first_entries();
  for (int i = 0; i < 12; ++i) entries.emplace_back(empty_poll(kNoon + i * 10 * kSecond));
  const Ns birth = kNoon + 110 * kSecond;
  entries.emplace_back(wire::Definition{6, wire::EpochDef{4, 88, birth}});
  wire::Poll first = empty_poll(kNoon + 2 * kMinute);
  first.values = {{6, 7, 0}};
  entries.emplace_back(first);
  give(rater, maker, std::move(entries));
  const auto usage = *rater.store->slots(kSent, kNoon - kHour, kNoon + kHour);
  ASSERT_EQ(usage.size(), 1U);
  ASSERT_EQ(usage[0].absent.size(), 1U);
  EXPECT_EQ(usage[0].absent[0], (Span{kNoon, birth}));
}

// Given a known absence and a poll that could not see the series' metric, then the absence is known
// up to that poll, and again from the next one that could.
TEST(UsageStore, APartGapEndsAnAbsence) {
  FakeClock clock(kNoon + kDay, kHour);
  for (const wire::DefNo subject : {2U, 3U, 4U}) {
    Rater rater(":memory:", clock, kMinute);
    StreamMaker maker;
    auto entries = first_entries();
    entries.emplace_back(testing::poll(kNoon, 100));
    for (int i = 1; i < 10; ++i) {
      const Ns at = kNoon + i * 10 * kSecond;
      wire::Poll next = empty_poll(at);
      if (i == 1) next.ended = {5};
      if (i == 4) entries.emplace_back(wire::Gap{1, subject, at, at, wire::Cause::part, "part"});
      entries.emplace_back(next);
    }
    give(rater, maker, std::move(entries));
    const auto usage = *rater.store->slots(kSent, kNoon, kNoon + kHour);
    ASSERT_EQ(usage.size(), 1U);
    ASSERT_EQ(usage[0].absent.size(), 2U);
    EXPECT_EQ(usage[0].absent[0], (Span{kNoon + 10 * kSecond, kNoon + 40 * kSecond}));
    EXPECT_EQ(usage[0].absent[1], (Span{kNoon + 50 * kSecond, kNoon + 90 * kSecond}));
  }
}

// Given one agent whose batch, definitions or state cannot be read, then that agent alone stands
// still and says why; when mended, it goes on.
TEST(UsageStore, OneUnreadableAgentStopsNoOther) {
  const TempFolder folder;
  FakeClock clock(kNoon + kDay, kHour);
  auto rater = std::make_unique<Rater>(folder.file("ledger.db"), clock, kMinute);
  StreamMaker bad("bad"), good("good");
  const auto commit = [&](StreamMaker& maker, std::uint64_t value) {
    ASSERT_TRUE(
        rater->intake->commit_batch(maker.agent(), maker.life(), maker.next(value).bytes).ok());
  };
  commit(bad, 0), commit(good, 0);
  advance_all(*rater->store);
  for (const char* table :
       {"usage_agent SET state", "definition SET body", "raw_20261123 SET bytes"}) {
    SCOPED_TRACE(table);
    commit(bad, bad.last() * 10), commit(good, good.last() * 10);
    const std::string text(table);
    const std::string name = text.substr(0, text.find(' ')), column = text.substr(name.size() + 5);
    const std::string where =
        name == "usage_agent"  ? " WHERE agent = 'bad'"
        : name == "definition" ? " WHERE stream = 1"
                               : " WHERE stream = 1 AND sequence = " + std::to_string(bad.last());
    Database& db = rater->ledger->database();
    ASSERT_TRUE(db.run("CREATE TABLE kept AS SELECT * FROM " + name + where).ok());
    ASSERT_TRUE(db.run("UPDATE " + text + " = x'07'" + where).ok());
    rater.reset();
    rater = std::make_unique<Rater>(folder.file("ledger.db"), clock, kMinute);
    advance_all(*rater->store);
    const auto marks = *rater->store->marks();
    EXPECT_EQ(marks.at(0).sequence, bad.last() - 1);
    EXPECT_EQ(marks.at(1).sequence, good.last());
    ASSERT_EQ(rater->store->stuck().count("bad"), 1U);
    EXPECT_FALSE(rater->store->stuck().at("bad").text().empty());
    EXPECT_EQ(rater->store->stuck().size(), 1U);
    EXPECT_FALSE(
        rater->store
            ->advance_to(std::vector{marks[1], StreamMark{"bad", bad.life(), bad.last()}}, 9)
            .ok());
    Database& again = rater->ledger->database();
    ASSERT_TRUE(
        again.run("INSERT OR REPLACE INTO " + name + " SELECT * FROM kept; DROP TABLE kept").ok());
    advance_all(*rater->store);
    EXPECT_TRUE(rater->store->stuck().empty());
    EXPECT_EQ(rater->store->marks()->at(0).sequence, bad.last());
  }
}

}  // namespace
}  // namespace tallyman::rater
