// Derivation by example: one poll every ten seconds, slots of a minute, beginning at noon.

#include "rater/derive.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "stream_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;

constexpr Ns kBeat = 10 * kSecond;
constexpr wire::DefNo kInstance = 1, kSource = 2, kCounter = 3, kGauge = 4, kSeries = 5, kHeld = 6;

/// One agent with a counter series and a gauge series; epochs are defined as they are needed.
class Derive : public ::testing::Test {
 protected:
  void SetUp() override { begin(1); }

  void begin(std::uint64_t stream) {
    stream_ = stream;
    define({kInstance, wire::InstanceDef{"netif", "netif", "1", {}, kBeat}});
    define({kSource, wire::SourceDef{wire::Scope::host, "host:h"}});
    define({kCounter, wire::MetricDef{"sent_bytes_total",
                                      "bytes",
                                      "",
                                      wire::Kind::counter,
                                      0,
                                      {"ifindex"},
                                      {"kind", "speed"}}});
    define({kGauge, wire::MetricDef{"held_bytes", "bytes", "", wire::Kind::gauge, 0, {"id"}, {}}});
    define({kSeries, wire::SeriesDef{kSource, kCounter, {"3"}}});
    define({kHeld, wire::SeriesDef{kSource, kGauge, {"1"}}});
    next_ = 10;
  }
  void define(const wire::Definition& d) { deriver_.define(stream_, d); }
  wire::DefNo epoch(std::uint64_t epoch, Ns start = 0, wire::DefNo series = kSeries) {
    define({next_, wire::EpochDef{series, epoch, start}});
    return next_++;
  }
  void info(const std::string& kind, const std::string& speed, Ns from = kNoon) {
    define({next_++, wire::InfoDef{kSeries, from, {kind, speed}}});
  }

  static wire::Poll poll(Ns at, std::vector<wire::Value> values) {
    wire::Poll out;
    out.instance = kInstance;
    out.scheduled = out.wall = at;
    out.values = std::move(values);
    return out;
  }
  void give(wire::Entry entry, Ns watermark = 0) {
    wire::Batch batch;
    batch.entries.push_back(std::move(entry));
    batch.seal.watermark = watermark;
    deriver_.apply(stream_, batch);
  }
  void give(Ns at, std::vector<wire::Value> values) { give(poll(at, std::move(values))); }
  void ends(Ns at, wire::DefNo epoch) {
    wire::Poll last = poll(at, {});
    last.ended = {epoch};
    give(last);
  }
  void gap(Ns from, Ns to, wire::DefNo subject = 0) {
    give(wire::Gap{kInstance, subject, from, to, wire::Cause::hang, "hang"});
  }

  /// Takes what was derived and adds it up.
  void take() {
    const Derived derived = deriver_.take();
    for (const auto& [view, usage] : derived.usage) {
      SlotUsage& sum = slots_[usage.slot - kNoon / kMinute];
      sum.amount += usage.amount;
      sum.covered += usage.covered;
      sum.estimated += usage.estimated;
      sum.peak = std::max(sum.peak, usage.peak);
    }
    anomalies_.insert(anomalies_.end(), derived.anomalies.begin(), derived.anomalies.end());
    presence_.insert(presence_.end(), derived.presence.begin(), derived.presence.end());
    runs_.insert(runs_.end(), derived.runs.begin(), derived.runs.end());
    info_.insert(info_.end(), derived.info.begin(), derived.info.end());
  }
  std::string amounts() {
    take();
    std::string out;
    for (const auto& [slot, usage] : slots_) {
      if (usage.amount != 0) {
        out += (out.empty() ? "" : " ") + std::to_string(slot) + ":" + to_decimal(usage.amount);
      }
    }
    return out;
  }
  Ns covered(std::int64_t slot) { return take(), slots_[slot].covered / kSecond; }
  Ns estimated(std::int64_t slot) { return take(), slots_[slot].estimated / kSecond; }

  Deriver deriver_{"h", kMinute};
  std::uint64_t stream_ = 1;
  wire::DefNo next_ = 10;
  std::map<std::int64_t, SlotUsage> slots_;
  std::vector<Anomaly> anomalies_;
  std::vector<Derived::Presence> presence_;
  std::vector<Derived::Run> runs_;
  std::vector<Derived::Info> info_;
};

// Given a counter without a known start, then its first reading is a baseline and counts nothing.
TEST_F(Derive, FirstReadingIsABaseline) {
  const auto e = epoch(1);
  give(kNoon, {{e, 5'000'000}});
  EXPECT_EQ(amounts(), "");
  give(kNoon + kBeat, {{e, 5'000'100}});
  EXPECT_EQ(amounts(), "0:100");
  EXPECT_EQ(covered(0), 10);
}

// Given a re-created veth (same series, new epoch, counters from zero), then its bytes are added
// and never a wrap of 2^64, with and without a known start.
TEST_F(Derive, RecreatedInterfaceAddsItsBytes) {
  const auto before = epoch(1);
  give(kNoon, {{before, 9'000'000}});
  give(kNoon + kBeat, {{before, 9'000'500}});
  const auto after = epoch(2, kNoon + kBeat);
  give(kNoon + 2 * kBeat, {{after, 300}});
  EXPECT_EQ(amounts(), "0:800");
  const auto unknown = epoch(3);
  give(kNoon + 3 * kBeat, {{unknown, 40}});
  give(kNoon + 4 * kBeat, {{unknown, 50}});
  EXPECT_EQ(amounts(), "0:810");
  EXPECT_EQ(covered(0), 30);
}

// Given a counter that falls within its epoch, then it counts from zero, and that interval is
// estimated.
TEST_F(Derive, DecreaseIsAReset) {
  const auto e = epoch(1);
  give(kNoon, {{e, ~std::uint64_t{0}}});
  give(kNoon + kBeat, {{e, 7}});
  EXPECT_EQ(amounts(), "0:7");
  EXPECT_EQ(estimated(0), 10);
  give(kNoon + 2 * kBeat, {{e, 8}});
  EXPECT_EQ(estimated(0), 10);
}

// Given a gap over a slot boundary, then the total is exact, spread evenly with the remainder in
// the later part, and marked; a gap within one slot has no shape to guess.
TEST_F(Derive, GapIsSpreadAndMarked) {
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  gap(kNoon + kBeat, kNoon + 3 * kBeat);
  give(kNoon + 4 * kBeat, {{e, 1000}});
  EXPECT_EQ(estimated(0), 0);
  gap(kNoon + 5 * kBeat, kNoon + 6 * kBeat);
  give(kNoon + 7 * kBeat, {{e, 2000}});
  EXPECT_EQ(amounts(), "0:1666 1:334");
  EXPECT_EQ(covered(0), 60);
  EXPECT_EQ(estimated(0), 20);
  EXPECT_EQ(estimated(1), 10);
}

// Given one missed poll of a metric at a slot boundary, told as a gap, then the interval over it is
// estimated although it is but two beats long.
TEST_F(Derive, GapOfAMetricMarksItsCountersOnly) {
  const auto e = epoch(1);
  give(kNoon + 5 * kBeat, {{e, 0}});
  gap(kNoon + 6 * kBeat, kNoon + 6 * kBeat, kGauge);
  give(kNoon + 7 * kBeat, {{e, 10}});
  EXPECT_EQ(estimated(0), 0);
  give(kNoon + 11 * kBeat, {{e, 20}});
  slots_.clear();
  gap(kNoon + 12 * kBeat, kNoon + 12 * kBeat, kCounter);
  give(kNoon + 13 * kBeat, {{e, 30}});
  EXPECT_EQ(estimated(2), 10);
}

// Given a batch that was lost, then the interval over it is estimated and its total exact.
TEST_F(Derive, LostBatchMarksTheIntervalOverIt) {
  const auto e = epoch(1);
  give(kNoon + 5 * kBeat, {{e, 100}});
  wire::Batch lost;
  lost.head.kind = wire::BatchKind::stand_in;
  deriver_.apply(stream_, lost);
  give(kNoon + 7 * kBeat, {{e, 300}});
  EXPECT_EQ(amounts(), "0:100 1:100");
  EXPECT_EQ(estimated(0), 10);
}

// Given the full readings of a history and its thinned ones (those at slot boundaries), then the
// slots are the same.
TEST_F(Derive, ThinnedHistoryGivesTheSameSlots) {
  const auto value = [](int i) { return static_cast<std::uint64_t>(i) * 777 % 5000 + 5000U * i; };
  const auto full = epoch(1);
  for (int i = 0; i <= 60; ++i) give(kNoon + i * kBeat, {{full, value(i)}});
  const std::string amounts_full = amounts();
  const Ns estimated_full = estimated(3);
  deriver_ = Deriver("h", kMinute);
  slots_.clear();
  begin(1);
  const auto thin = epoch(1);
  for (int i = 0; i <= 60; i += 6) give(kNoon + i * kBeat, {{thin, value(i)}});
  EXPECT_EQ(amounts(), amounts_full);
  EXPECT_EQ(estimated(3), estimated_full);
  EXPECT_EQ(covered(3), 60);
}

// Given a last value that was learnt after the counter's end, then it counts up to its instant;
// what came before an instant already counted belongs to the interval that ended there.
TEST_F(Derive, LastValueLearntLate) {
  const auto e = epoch(1);
  give(kNoon, {{e, 100}});
  give(kNoon + kBeat, {{e, 200}});
  ends(kNoon + 2 * kBeat, e);
  give(kNoon + 3 * kBeat, {{e, 260, kNoon + kBeat + 5 * kSecond}});
  EXPECT_EQ(amounts(), "0:160");
  EXPECT_EQ(covered(0), 15);
  give(kNoon + 4 * kBeat, {{e, 261, kNoon + kSecond}});
  EXPECT_EQ(amounts(), "0:161");
  give(kNoon + 5 * kBeat, {{e, 150, kNoon + 2 * kSecond}});
  EXPECT_EQ(amounts(), "0:161");
  EXPECT_EQ(covered(0), 15);
}

// Given buckets of an hour that grow late and in any order, each an epoch that starts at its hour,
// then late growth belongs to its hour.
TEST_F(Derive, LateGrowthBelongsToItsHour) {
  const auto h0 = epoch(static_cast<std::uint64_t>(kNoon), kNoon);
  const auto h1 = epoch(static_cast<std::uint64_t>(kNoon + kHour), kNoon + kHour);
  give(kNoon + 3 * kHour, {{h1, 6000, kNoon + 2 * kHour}});
  give(kNoon + 3 * kHour + kBeat, {{h0, 600, kNoon + kHour}, {h1, 6000, kNoon + 2 * kHour}});
  give(kNoon + 4 * kHour, {{h0, 660, kNoon + kHour}, {h1, 6000, kNoon + 2 * kHour}});
  take();
  u128 first = 0, second = 0;
  for (const auto& [slot, usage] : slots_) (slot < 60 ? first : second) += usage.amount;
  EXPECT_TRUE(first == 660);
  EXPECT_TRUE(second == 6000);
  EXPECT_EQ(covered(0), 60);
  EXPECT_TRUE(slots_[0].amount == 11);
}

// Given two epochs of a series open at once, then usage is their sum and covered time counts once.
TEST_F(Derive, EpochsOpenAtOnceAddUp) {
  const auto a = epoch(1), b = epoch(2);
  for (int i = 0; i <= 6; ++i) {
    give(kNoon + i * kBeat, {{a, static_cast<std::uint64_t>(i) * 10}, {b, 500U + 1U * i}});
  }
  EXPECT_EQ(amounts(), "0:66");
  EXPECT_EQ(covered(0), 60);
}

// Given a wall clock that steps back, then readings stand at the last position until it has passed,
// nothing is lost and the interval is estimated.
TEST_F(Derive, ClockStepsBack) {
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  give(kNoon + 3 * kBeat, {{e, 30}});
  wire::Poll stepped = poll(kNoon + kBeat, {{e, 40}});
  stepped.stepped = true;
  give(stepped);
  give(kNoon + 2 * kBeat, {{e, 50}});
  give(kNoon + 4 * kBeat, {{e, 60}});
  EXPECT_EQ(amounts(), "0:60");
  EXPECT_EQ(covered(0), 40);
  EXPECT_EQ(estimated(0), 30);
}

// Given more bytes than the line can carry, then they are quarantined with their value, and a
// counter that comes back to where it was counts on from there.
TEST_F(Derive, MoreThanTheLineCarriesIsAnAnomaly) {
  info("", "1000");
  const auto e = epoch(1);
  give(kNoon, {{e, 1000}});
  give(kNoon + kBeat, {{e, 2000}});
  give(kNoon + 2 * kBeat, {{e, std::uint64_t{1} << 60U}});
  EXPECT_EQ(amounts(), "0:1000");
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_TRUE(anomalies_[0].value == (std::uint64_t{1} << 60U) - 2000);
  EXPECT_EQ(anomalies_[0].from, kNoon + kBeat);
  give(kNoon + 3 * kBeat, {{e, 4000}});
  EXPECT_EQ(amounts(), "0:3000");
  EXPECT_EQ(covered(0), 30);
  EXPECT_EQ(anomalies_.size(), 1U);
}

// Given exactly what the line can carry in the time, plus a twentieth, then it counts; one byte
// more does not.
TEST_F(Derive, PlausibilityIsExact) {
  info("", "1000");
  const std::uint64_t most = 1'312'500'000;  // 1000 Mbit/s × 10 s × 1.05
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  give(kNoon + kBeat, {{e, most}});
  give(kNoon + 2 * kBeat, {{e, 2 * most + 1}});
  EXPECT_EQ(amounts(), "0:1312500000");
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_TRUE(anomalies_[0].value == most + 1);
}

// Given a veth, whose speed is nominal, then nothing is too much for it.
TEST_F(Derive, VethHasNoSpeedLimit) {
  info("veth", "10000");
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  give(kNoon + kBeat, {{e, std::uint64_t{1} << 50U}});
  EXPECT_EQ(amounts(), "0:1125899906842624");
}

// Given an info label that changes, then the counter goes on and the change stands as of its poll.
TEST_F(Derive, InfoChangesBreakNoCounter) {
  info("", "1000", kNoon);
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  give(kNoon + kBeat, {{e, 5}});
  info("bond", "1000", kNoon + 2 * kBeat);
  info("bond", "1000", kNoon + 3 * kBeat);
  give(kNoon + 2 * kBeat, {{e, 9}});
  EXPECT_EQ(amounts(), "0:9");
  ASSERT_EQ(info_.size(), 2U);
  EXPECT_EQ(info_[1].from, kNoon + 2 * kBeat);
  EXPECT_EQ(info_[1].labels.at("kind"), "bond");
}

// Given a gauge, then each value holds until the next, at most two beats, and the peak is the
// highest held in the slot.
TEST_F(Derive, GaugeHoldsForTwoBeats) {
  const auto g = epoch(0, 0, kHeld);
  give(kNoon, {{g, 100}});
  give(kNoon + kBeat, {{g, 300}});
  give(kNoon + 5 * kBeat, {{g, 50}});
  EXPECT_EQ(covered(0), 30);
  EXPECT_TRUE(slots_[0].amount == static_cast<u128>(100 * 10 + 300 * 20) * kSecond);
  EXPECT_EQ(slots_[0].peak, 300U);
  ends(kNoon + 6 * kBeat, g);
  give(kNoon + 20 * kBeat, {});
  EXPECT_EQ(covered(0), 40);
  EXPECT_EQ(covered(1), 0);
}

// Given a watermark past a gauge's last reading, then its value is held up to there without waiting
// for the next reading, and nothing counts twice.
TEST_F(Derive, WatermarkLetsGaugesHold) {
  const auto g = epoch(0, 0, kHeld);
  give(poll(kNoon, {{g, 7}}), kNoon + kBeat);
  EXPECT_EQ(covered(0), 10);
  give(poll(kNoon + kBeat, {{g, 8}}), kNoon + 9 * kBeat);
  EXPECT_EQ(covered(0), 30);
  EXPECT_TRUE(slots_[0].amount == static_cast<u128>(7 * 10 + 8 * 20) * kSecond);
}

// Given a batch of an older incarnation that comes late, then it adds nothing to what the newer one
// has counted over, and is no reset.
TEST_F(Derive, OlderIncarnationComesLate) {
  const auto old = epoch(1);
  give(kNoon, {{old, 100}});
  begin(2);
  const auto fresh = epoch(1);
  give(kNoon + 4 * kBeat, {{fresh, 500}});
  stream_ = 1;
  give(kNoon + 2 * kBeat, {{old, 300}});
  stream_ = 2;
  give(kNoon + 5 * kBeat, {{fresh, 510}});
  EXPECT_EQ(amounts(), "0:410");
  EXPECT_EQ(covered(0), 50);
}

// Given a series that ended and came back, then it is known to be absent in between, as far as its
// instance polled without interruption.
TEST_F(Derive, KnownEndsAreAbsence) {
  const auto e = epoch(1);
  give(kNoon, {{e, 1}});
  ends(kNoon + kBeat, e);
  give(kNoon + 2 * kBeat, {});
  gap(kNoon + 3 * kBeat, kNoon + 3 * kBeat);
  give(kNoon + 4 * kBeat, {});
  const auto back = epoch(2, kNoon + 5 * kBeat);
  give(kNoon + 6 * kBeat, {{back, 1}});
  take();
  ASSERT_EQ(presence_.size(), 3U);
  EXPECT_FALSE(presence_[1].present);
  EXPECT_EQ(presence_[1].at, kNoon + kBeat);
  EXPECT_TRUE(presence_[2].present);
  EXPECT_EQ(presence_[2].at, kNoon + 5 * kBeat);
  ASSERT_EQ(runs_.size(), 2U);
  EXPECT_EQ(runs_[0].to, kNoon + 2 * kBeat);
  EXPECT_EQ(runs_[1].from, kNoon + 4 * kBeat);
}

// Given ten thousand interfaces that come and go in ten days, then the state stays small; and a
// counter from the forgotten past is an anomaly, not counted again.
TEST_F(Derive, EndedCountersAreForgotten) {
  Ns at = kNoon;
  for (std::uint64_t i = 0; i < 10'000; ++i, at += 80 * kSecond) {
    const auto e = epoch(i, at - kBeat);
    give(at, {{e, 10}});
    ends(at + kBeat, e);
  }
  take();
  EXPECT_LT(deriver_.snapshot().size(), 200'000U);
  const auto again = epoch(5, kNoon + 5 * 80 * kSecond - kBeat);
  give(at, {{again, 10, kNoon + 5 * 80 * kSecond}});
  take();
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_TRUE(anomalies_[0].value == 10);
}

// Given a start decades ago, then the work is bounded and the total exact.
TEST_F(Derive, AStartLongAgoIsBounded) {
  const auto e = epoch(1, 1);
  give(kNoon, {{e, 123'456'789}});
  take();
  u128 sum = 0;
  for (const auto& [slot, usage] : slots_) sum += usage.amount;
  EXPECT_TRUE(sum == 123'456'789);
  EXPECT_LE(slots_.size(), 20'001U);
}

// Given instances that beat differently, then the watermark is where the slowest has come, and a
// batch sealed after a crash moves nothing.
TEST_F(Derive, WatermarkIsWhereTheSlowestIs) {
  define({100, wire::InstanceDef{"slow", "slow", "1", {}, kMinute}});
  wire::Poll slow = poll(kNoon, {});
  slow.instance = 100;
  give(slow);
  give(poll(kNoon + 3 * kBeat, {}), kNoon + 4 * kBeat);
  EXPECT_EQ(deriver_.watermark(1), kNoon);
  give(poll(kNoon + 4 * kBeat, {}), 0);
  EXPECT_EQ(deriver_.watermark(1), kNoon);
  slow.scheduled = slow.wall = kNoon + kMinute;
  give(poll(kNoon + 6 * kBeat, {}));
  give(slow, kNoon + 7 * kBeat);
  EXPECT_EQ(deriver_.watermark(1), kNoon + kMinute);
  EXPECT_EQ(deriver_.watermark(9), 0);
}

// Given readings whose numbers nobody defined, then they are counted as unknown and change nothing.
TEST_F(Derive, UnknownNumbersAreToldNotGuessed) {
  give(kNoon, {{4711, 5}, {kSeries, 6}});
  const Derived derived = deriver_.take();
  EXPECT_EQ(derived.unknown, 2U);
  EXPECT_TRUE(derived.usage.empty());
}

}  // namespace
}  // namespace tallyman::rater
