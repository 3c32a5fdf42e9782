// Derivation by example: what a counter's readings come to.

#include "derive_example.hpp"

namespace tallyman::rater {
namespace {

using testing::kBeat;
using testing::kCounter;
using testing::kGauge;
using testing::kNoon;

class Derive : public testing::DeriveExample {};

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
  const auto value = [](int i) {
    return static_cast<std::uint64_t>(i) * 777 % 5000 + static_cast<std::uint64_t>(i) * 5000;
  };
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
    give(kNoon + i * kBeat,
         {{a, static_cast<std::uint64_t>(i) * 10}, {b, 500 + static_cast<std::uint64_t>(i)}});
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

// Given definitions that ran ahead of their batches, then what is derived is the same to the byte
// as when each came just before its poll: a later speed does not apply to earlier intervals.
TEST_F(Derive, DefinitionsAheadOfBatchesChangeNothing) {
  const auto run = [&](bool ahead) {
    deriver_ = Deriver("h", kMinute);
    slots_.clear(), info_.clear(), anomalies_.clear();
    begin(1);
    const auto e = epoch(1);
    const auto change = [&] {
      info("", "10", kNoon + 2 * kBeat);
      info("", "", kNoon + 4 * kBeat);
      info("", "100", kNoon + 6 * kBeat);
    };
    info("", "", kNoon);
    if (ahead) change();
    give(kNoon, {{e, 0}});
    give(kNoon + kBeat, {{e, 1'000'000'000}});
    if (!ahead) change();
    give(kNoon + 2 * kBeat, {{e, 1'000'000'001}});
    give(kNoon + 3 * kBeat, {{e, 1'900'000'000}});
    give(kNoon + 5 * kBeat, {{e, 1'900'000'010}});
    give(kNoon + 6 * kBeat, {{e, 2'900'000'000}});
    give(kNoon + 7 * kBeat, {{e, 3'900'000'000}});
    take();
    return deriver_.snapshot();
  };
  const Bytes in_step = run(false);
  const std::string amounts_in_step = amounts();
  const auto info_in_step = info_.size();
  EXPECT_EQ(anomalies_.size(), 2U);
  EXPECT_EQ(info_in_step, 4U);
  EXPECT_EQ(run(true), in_step);
  EXPECT_EQ(amounts(), amounts_in_step);
  EXPECT_EQ(anomalies_.size(), 2U);
  EXPECT_EQ(info_.size(), info_in_step);
}

// Given a line whose speed flaps while a counter is not read, then what the counter grew by is
// judged by the fastest of all of them.
TEST_F(Derive, SpeedsAreKeptAsLongAsACounterNeedsThem) {
  info("", "10000");
  const auto old = epoch(1), busy = epoch(2);
  give(kNoon, {{old, 0}, {busy, 0}});
  for (int i = 1; i <= 40; ++i) {
    info("", i % 2 == 0 ? "10" : "11", kNoon + i * kBeat);
    give(kNoon + i * kBeat, {{busy, 0}});
  }
  give(kNoon + 41 * kBeat, {{old, 400'000'000'000}});
  EXPECT_TRUE((take(), anomalies_.empty()));
}

// Given a line that became faster between two polls, then what it carried is judged by the speed
// that the later poll tells, not by the earlier one alone.
TEST_F(Derive, SpeedToldByTheClosingPollIsNoAnomaly) {
  info("", "10", kNoon);
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  info("", "1000", kNoon + kBeat);
  give(kNoon + kBeat, {{e, 500'000'000}});
  EXPECT_EQ(amounts(), "0:500000000");
  EXPECT_TRUE(anomalies_.empty());
}

// Given a line that became slower long ago, and a counter that is new but known to have begun while
// it was fast, then what that one counted is judged by the fast line too.
TEST_F(Derive, SpeedsAreKeptForACounterThatBeganInTheirTime) {
  info("", "10000", kNoon);
  const auto old = epoch(1);
  give(kNoon, {{old, 0}});
  info("", "10", kNoon + kBeat);
  Ns at = kNoon;
  for (int i = 0; i < 3 * 8640; ++i) {
    at += kBeat;
    give(at, {{old, 0}});
  }
  const auto begun = epoch(2, kNoon);
  give(at + kBeat, {{old, 0}, {begun, 400'000'000'000}});
  EXPECT_TRUE((take(), anomalies_.empty()));
}

// Given two readings in a row that cannot be believed, the second below the first, then growth
// learnt late at the second's instant makes nothing of the quarantined time known.
TEST_F(Derive, QuarantinedTimeIsNotCoveredByGrowthLearntLate) {
  info("", "1");
  const auto e = epoch(1);
  give(kNoon, {{e, 0}});
  give(kNoon + 12 * kBeat, {{e, 1'000'000'000'000}});
  give(kNoon + 24 * kBeat, {{e, 500'000'000'000}});
  wire::Poll again = poll(kNoon + 23 * kBeat, {{e, 500'000'000'007}});
  again.stepped = true;
  give(again);
  take();
  EXPECT_EQ(anomalies_.size(), 2U);
  Ns covered = 0;
  for (const auto& [slot, usage] : slots_) covered += usage.covered;
  EXPECT_LE(covered, 1);
}

}  // namespace
}  // namespace tallyman::rater
