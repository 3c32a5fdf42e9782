// Agents that read one shared source, through the usage store: one is billed, and where they
// disagree the rest is an anomaly, in whatever order and steps their batches come.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <random>

#include "older_usage.hpp"
#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/derive/witness_tables.hpp"
#include "rater/rate_period.hpp"
#include "stream_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::kWordyAnomalies;
using testing::StreamMaker;

const std::vector<std::string> kMetrics{"pool_held_bytes"};
constexpr Ns kSlot = 5 * kMinute;

/// Batches of an agent that reads one gauge of a shared source each minute.
std::vector<Bytes> batches_of(StreamMaker& maker, std::size_t count, Ns beat,
                              const std::function<std::uint64_t(std::size_t)>& value,
                              Ns from = kNoon) {
  std::vector<Bytes> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Ns at = from + static_cast<Ns>(i) * beat;
    wire::Batch batch{maker.head(), {}, {at, 1}};
    if (i == 0) {
      batch.entries = {
          wire::Definition{1, wire::InstanceDef{"ceph", "ceph", "1.0", {}, beat}},
          wire::Definition{2, wire::SourceDef{wire::Scope::shared, "ceph:one"}},
          wire::Definition{
              3,
              wire::MetricDef{
                  "pool_held_bytes", "bytes", "held", wire::Kind::gauge, 0, {"pool"}, {}}},
          wire::Definition{4, wire::SeriesDef{2, 3, {"7"}}},
          wire::Definition{5, wire::EpochDef{4, 0, 0}}};
    }
    batch.entries.emplace_back(testing::poll(at, value(i)));
    out.push_back(maker.follow(batch).bytes);
  }
  return out;
}

struct Rater {
  FakeClock clock{kNoon + 2 * kDay, kHour};
  std::unique_ptr<Ledger> ledger = *Ledger::open(":memory:", clock);
  std::unique_ptr<Intake> intake = *Intake::open(*ledger, clock);
  std::unique_ptr<UsageStore> store = *UsageStore::open(*ledger, *intake, kSlot);

  void take(const StreamMaker& maker, const Bytes& batch) {
    const auto accepted = intake->commit_batch(maker.agent(), maker.life(), batch);
    ASSERT_TRUE(accepted.ok());
    ASSERT_EQ(accepted->outcome, Accepted::Outcome::applied) << accepted->text;
  }
  void derive(std::size_t most = 1000) {
    while (store->advance(most)->more) {
    }
  }
  [[nodiscard]] std::vector<AnomalyContent> anomalies() const {
    return content_of(*store->anomalies(0, wire::kMaxTime));
  }
  /// Everything that rating reads.
  [[nodiscard]] std::vector<std::string> usage() const {
    std::vector<std::string> out;
    for (const ViewUsage& view : *store->slots(kMetrics, 0, wire::kMaxTime)) {
      for (const SlotUsage& slot : view.slots) {
        out.push_back(view.view.agent + " " + std::to_string(slot.slot) + " " +
                      to_decimal(slot.amount) + " " + std::to_string(slot.covered));
      }
    }
    for (const AnomalyContent& a : anomalies()) {
      out.push_back(a.view.agent + " " + std::to_string(a.from) + " " + std::to_string(a.to) + " " +
                    to_decimal(a.value) + " " + a.why);
    }
    return out;
  }
};

// Given two agents that read one pool, one of which tells the tenfold from one o'clock to two, when
// both are derived, then of that hour the lower view alone has slots, and what the other one has
// beyond it is at risk.
TEST(WitnessStore, KeepsTheLowestAndTellsTheRest) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  const auto low = batches_of(one, 200, kMinute, [](std::size_t) { return 100; });
  const auto high =
      batches_of(two, 200, kMinute, [](std::size_t i) { return i >= 60 && i < 120 ? 1000 : 100; });
  for (const Bytes& batch : low) rater.take(one, batch);
  rater.derive();
  EXPECT_TRUE(rater.anomalies().empty());
  for (const Bytes& batch : high) rater.take(two, batch);
  rater.derive();
  const auto anomalies = rater.anomalies();
  ASSERT_FALSE(anomalies.empty());
  u128 at_risk = 0;
  for (const AnomalyContent& each : anomalies) {
    EXPECT_EQ(each.view.agent, "stor-01");
    EXPECT_EQ(each.why, "witnesses disagree: stor-02/ceph read so much more; the lowest counts");
    EXPECT_GE(each.from, kNoon + kHour);
    EXPECT_LE(each.to, kNoon + 2 * kHour);
    at_risk += each.value;
  }
  EXPECT_TRUE(at_risk == u128{900} * kHour);
  const auto usage = *rater.store->slots(kMetrics, kNoon + kHour, kNoon + 2 * kHour);
  ASSERT_EQ(usage.size(), 2U);
  EXPECT_EQ(usage[0].slots.size(), 12U);
  EXPECT_TRUE(usage[1].slots.empty());
  EXPECT_EQ(rater.store->slots(kMetrics, kNoon, kNoon + kHour)->at(1).slots.size(), 12U);
}

// Given disagreements that a person accepted, when one of them is no more, since usage that came
// later has settled it, then it does not count any more; the others do, and decisions of other
// kinds.
TEST(WitnessStore, AnAcceptedDisagreementThatIsNoMoreDoesNotCount) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  for (const Bytes& batch : batches_of(one, 200, kMinute, [](std::size_t) { return 100; })) {
    rater.take(one, batch);
  }
  for (const Bytes& batch : batches_of(
           two, 200, kMinute, [](std::size_t i) { return i >= 60 && i < 120 ? 1000 : 100; })) {
    rater.take(two, batch);
  }
  rater.derive();
  Decisions decisions;
  for (const AnomalyContent& each : rater.anomalies()) decisions.accept(each);
  AnomalyContent other = rater.anomalies().front();
  other.value += 1;
  other.why = "witnesses disagree, says somebody";
  other.cause = AnomalyCause::disputed;
  decisions.accept(other);
  const Decisions right = decisions;
  ASSERT_GE(right.accepted.size(), 2U);
  AnomalyContent settled = rater.anomalies().front();
  settled.value += 1;
  decisions.accept(settled);
  const auto counted = standing(*rater.store, decisions, {kNoon, kNoon + 3 * kHour});
  ASSERT_TRUE(counted.ok());
  EXPECT_EQ(counted->accepted, right.accepted);
}

// Given two agents that are honest, one of them reading what was so a minute ago, when both are
// derived, then nothing is at risk and each keeps all its slots.
TEST(WitnessStore, AStaleCacheIsNoDisagreement) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  const auto truth = [](std::size_t i) { return i % 17 < 9 ? 1000 * i : 1'000'000 - 999 * i; };
  for (const Bytes& batch : batches_of(one, 300, kMinute, truth)) rater.take(one, batch);
  for (const Bytes& batch :
       batches_of(two, 300, kMinute, [&](std::size_t i) { return truth(i == 0 ? 0 : i - 1); })) {
    rater.take(two, batch);
  }
  rater.derive();
  EXPECT_TRUE(rater.anomalies().empty());
  for (const ViewUsage& view : *rater.store->slots(kMetrics, kNoon, kNoon + 5 * kHour)) {
    EXPECT_EQ(view.slots.size(), 60U);
  }
}

// Given three agents, some of them wrong for some time, and one slower than the others, when their
// batches come in any order and are derived in any steps, with restarts in between, then usage and
// anomalies are those of all batches derived at once.
TEST(WitnessStore, OrderAndStepsChangeNothing) {
  const std::uint64_t seeds = std::getenv("TALLYMAN_FULL") != nullptr ? 60 : 6;
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<StreamMaker> makers{StreamMaker("a"), StreamMaker("b"), StreamMaker("c")};
    std::vector<std::vector<Bytes>> batches;
    for (StreamMaker& maker : makers) {
      const Ns beat = random() % 4 == 0 ? 3 * kMinute : kMinute;
      const std::uint64_t wrong = random() % 3, from = random() % 200, to = from + random() % 300;
      const bool loses = random() % 2 == 0;
      batches.push_back(batches_of(maker, static_cast<std::size_t>(10 * kHour / beat), beat,
                                   [&](std::size_t i) -> std::uint64_t {
                                     const std::uint64_t truth = 1'000'000 + 1000 * i;
                                     return i >= from && i < to ? truth * wrong : truth;
                                   }));
      if (loses) batches.back().resize(batches.back().size() / 2);
    }
    Rater at_once;
    for (std::size_t m = 0; m < makers.size(); ++m) {
      for (const Bytes& batch : batches[m]) at_once.take(makers[m], batch);
    }
    at_once.derive();
    Rater mixed;
    std::vector<std::size_t> next(makers.size(), 0);
    for (;;) {
      std::vector<std::size_t> left;
      for (std::size_t m = 0; m < makers.size(); ++m) {
        if (next[m] < batches[m].size()) left.push_back(m);
      }
      if (left.empty()) break;
      const std::size_t m = left[random() % left.size()];
      for (std::uint64_t n = random() % 90; n > 0 && next[m] < batches[m].size(); --n) {
        mixed.take(makers[m], batches[m][next[m]++]);
      }
      if (random() % 3 == 0) mixed.derive(1 + random() % 50);
      if (random() % 8 == 0) {
        mixed.store = *UsageStore::open(*mixed.ledger, *mixed.intake, kSlot);
      }
    }
    mixed.derive(7);
    EXPECT_EQ(mixed.usage(), at_once.usage()) << seed;
    found += at_once.anomalies().size();
  }
  EXPECT_GT(found, 5U);
}

// Given a ledger of the version before, with two witnesses that disagree, when it is opened and
// both are read again, then their past is compared too.
TEST(WitnessStore, ComparesThePastOfAnOlderLedger) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  const auto low = batches_of(one, 100, kMinute, [](std::size_t) { return 100; });
  const auto high =
      batches_of(two, 100, kMinute, [](std::size_t i) { return i >= 30 && i < 60 ? 900 : 100; });
  for (std::size_t i = 0; i < 90; ++i) {
    rater.take(one, low[i]);
    rater.take(two, high[i]);
  }
  rater.derive();
  const auto known = rater.anomalies();
  ASSERT_FALSE(known.empty());
  ASSERT_TRUE(rater.ledger->database()
                  .run("DROP TABLE usage_witness; DROP TABLE usage_beat;"
                       "UPDATE part SET version = 3 WHERE name = 'usage'")
                  .ok());
  ASSERT_TRUE(rater.ledger->database().run(kWordyAnomalies).ok());
  rater.store = *UsageStore::open(*rater.ledger, *rater.intake, kSlot);
  EXPECT_TRUE(rater.anomalies().empty());
  for (std::size_t i = 90; i < 100; ++i) {
    rater.take(one, low[i]);
    rater.take(two, high[i]);
  }
  rater.derive();
  EXPECT_EQ(rater.anomalies(), known);
}

// Given a ledger of either version before, whose witnesses poll once a slot, so that nothing about
// their lag is news, when it is opened, then their past is compared although no batch comes.
TEST(WitnessStore, ComparesThePastWithoutABatch) {
  for (const char* older : {"DROP TABLE usage_witness; DROP TABLE usage_beat;"
                            "UPDATE part SET version = 3 WHERE name = 'usage'",
                            "DELETE FROM usage_witness;"
                            "UPDATE part SET version = 4 WHERE name = 'usage'"}) {
    Rater rater;
    StreamMaker one("stor-01"), two("stor-02");
    for (const Bytes& batch : batches_of(one, 100, kSlot, [](std::size_t) { return 100; })) {
      rater.take(one, batch);
    }
    for (const Bytes& batch :
         batches_of(two, 100, kSlot, [](std::size_t i) { return i >= 30 && i < 60 ? 900 : 100; })) {
      rater.take(two, batch);
    }
    rater.derive();
    const auto known = rater.anomalies();
    ASSERT_FALSE(known.empty());
    EXPECT_EQ(rater.store->comparing(), 0U);
    ASSERT_TRUE(rater.ledger->database().run("DROP TABLE usage_compare").ok());
    ASSERT_TRUE(rater.ledger->database().run(kWordyAnomalies).ok());
    ASSERT_TRUE(rater.ledger->database().run(older).ok());
    rater.store = *UsageStore::open(*rater.ledger, *rater.intake, kSlot);
    EXPECT_TRUE(rater.anomalies().empty());
    EXPECT_EQ(rater.store->comparing(), 1U);
    std::vector<Span> told;
    rater.store->on_keep([&](Ns from, Ns to) {
      told.push_back({from, to});
      return Status();
    });
    rater.derive();
    EXPECT_EQ(rater.anomalies(), known);
    EXPECT_EQ(rater.store->comparing(), 0U);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_LE(told[0].from, known.front().from);
    EXPECT_GE(told[0].to, known.back().to);
  }
}

// Given a ledger of the version that knew no beats, of witnesses that poll every second slot and
// one after the other, when it is opened, then their past is compared by the beats they told, and
// what they are late by is no disagreement for a moment.
TEST(WitnessStore, RecallsBeatsBeforeThePastIsCompared) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  constexpr Ns kBeat = 5 * kSlot;
  const auto truth = [](std::size_t i) { return i % 8 < 4 ? 1000 : 9'000'000; };
  for (const Bytes& batch : batches_of(one, 60, kBeat, truth)) rater.take(one, batch);
  for (const Bytes& batch : batches_of(two, 60, kBeat, truth, kNoon + 4 * kSlot)) {
    rater.take(two, batch);
  }
  rater.derive();
  EXPECT_TRUE(rater.anomalies().empty());
  ASSERT_TRUE(rater.ledger->database()
                  .run("DROP TABLE usage_witness; DROP TABLE usage_beat; DROP TABLE usage_compare;"
                       "UPDATE part SET version = 3 WHERE name = 'usage'")
                  .ok());
  ASSERT_TRUE(rater.ledger->database().run(kWordyAnomalies).ok());
  rater.store = *UsageStore::open(*rater.ledger, *rater.intake, kSlot);
  int changed = 0;
  rater.store->on_keep([&](Ns, Ns) {
    ++changed;
    return Status();
  });
  ASSERT_EQ(rater.store->comparing(), 1U);
  rater.derive();
  EXPECT_EQ(rater.store->comparing(), 0U);
  EXPECT_EQ(changed, 0);
  EXPECT_TRUE(rater.anomalies().empty());
}

// Given a ledger of the version before, which compared the past of such witnesses without knowing
// their beats, when it is opened, then that is compared anew.
TEST(WitnessStore, ComparesAnewWhatWasComparedWithoutBeats) {
  Rater rater;
  StreamMaker one("stor-01"), two("stor-02");
  constexpr Ns kBeat = 5 * kSlot;
  const auto truth = [](std::size_t i) { return i % 8 < 4 ? 1000 : 9'000'000; };
  for (const Bytes& batch : batches_of(one, 60, kBeat, truth)) rater.take(one, batch);
  for (const Bytes& batch : batches_of(two, 60, kBeat, truth, kNoon + 4 * kSlot)) {
    rater.take(two, batch);
  }
  rater.derive();
  // As if each polled once a slot: the past is compared with what is not so.
  ASSERT_TRUE(rater.ledger->database().run("UPDATE usage_beat SET beat = 1").ok());
  {
    WitnessTables wrong(rater.ledger->database(), kSlot);
    ASSERT_TRUE(compare_all_anew(rater.ledger->database()).ok());
    ASSERT_TRUE(wrong.compare_past([](Ns, Ns) {}).ok());
  }
  ASSERT_FALSE(rater.anomalies().empty());
  ASSERT_TRUE(rater.ledger->database()
                  .run("DELETE FROM usage_compare; DELETE FROM usage_beat;"
                       "UPDATE part SET version = 5 WHERE name = 'usage'")
                  .ok());
  ASSERT_TRUE(rater.ledger->database().run(kWordyAnomalies).ok());
  rater.store = *UsageStore::open(*rater.ledger, *rater.intake, kSlot);
  rater.derive();
  EXPECT_EQ(rater.store->comparing(), 0U);
  EXPECT_TRUE(rater.anomalies().empty());
}

// Given two months of two witnesses that disagree now and then, when one of them begins to poll too
// slowly for anybody to tell, then all the past is compared again a part at a time, over restarts,
// and until that is done it is said so.
TEST(WitnessStore, AChangedBeatIsComparedInSteps) {
  constexpr std::size_t kHours = 60 * 24;
  Rater rater;
  rater.clock.advance(90 * kDay);
  StreamMaker one("stor-01"), two("stor-02"), later("stor-02", 9);
  const auto wrong = [](std::size_t i) { return i % 240 < 12 ? 5000 : 100; };
  for (const Bytes& batch : batches_of(one, kHours, kHour, [](std::size_t) { return 100; })) {
    rater.take(one, batch);
  }
  for (const Bytes& batch : batches_of(two, kHours, kHour, wrong)) rater.take(two, batch);
  rater.derive();
  const std::size_t found = rater.anomalies().size();
  EXPECT_GT(found, 4U);
  EXPECT_EQ(rater.store->comparing(), 0U);
  const Ns end = kNoon + static_cast<Ns>(kHours) * kHour;
  const auto slow = batches_of(
      later, 1, 10 * kHour, [](std::size_t) { return 100; }, end);
  rater.take(later, slow.front());
  int steps = 0;
  bool partly = false;
  for (bool more = true; more; ++steps) {
    const auto progress = rater.store->advance(1000);
    ASSERT_TRUE(progress.ok());
    more = progress->more;
    EXPECT_EQ(more, rater.store->comparing() > 0);
    const std::size_t left = rater.anomalies().size();
    partly |= left > 0 && left < found;
    rater.store = *UsageStore::open(*rater.ledger, *rater.intake, kSlot);
  }
  EXPECT_GT(steps, 1);
  EXPECT_TRUE(partly);
  EXPECT_TRUE(rater.anomalies().empty());
}

}  // namespace
}  // namespace tallyman::rater
