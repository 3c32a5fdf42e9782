// Derivation by example: gauges, ends, incarnations, watermarks, and what is forgotten.

#include "derive_example.hpp"

namespace tallyman::rater {
namespace {

using testing::kBeat;
using testing::kHeld;
using testing::kNoon;

class DeriveTime : public testing::DeriveExample {};

// Given a gauge, then each value holds until the next, at most two beats, and the peak is the
// highest held in the slot.
TEST_F(DeriveTime, GaugeHoldsForTwoBeats) {
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
TEST_F(DeriveTime, WatermarkLetsGaugesHold) {
  const auto g = epoch(0, 0, kHeld);
  give(poll(kNoon, {{g, 7}}), kNoon + kBeat);
  EXPECT_EQ(covered(0), 10);
  give(poll(kNoon + kBeat, {{g, 8}}), kNoon + 9 * kBeat);
  EXPECT_EQ(covered(0), 30);
  EXPECT_TRUE(slots_[0].amount == static_cast<u128>(7 * 10 + 8 * 20) * kSecond);
}

// Given a batch of an older incarnation that comes late, then it adds nothing to what the newer one
// has counted over, and is no reset.
TEST_F(DeriveTime, OlderIncarnationComesLate) {
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

// Given another incarnation that tells another value for the very instant the counter stands at,
// then it is no reset: nothing counts, and the value is told once as an anomaly; the same value
// says nothing.
TEST_F(DeriveTime, AnotherValueAtTheSameInstantIsAnAnomaly) {
  const auto live = epoch(1);
  give(kNoon, {{live, 100}});
  give(kNoon + kBeat, {{live, 5000}});
  begin(2);
  const auto other = epoch(1);
  give(kNoon + kBeat, {{other, 5000}});
  take();
  EXPECT_TRUE(anomalies_.empty());
  give(kNoon + kBeat, {{other, 4000}});
  give(kNoon + kBeat, {{other, 4000}});
  stream_ = 1;
  give(kNoon + 2 * kBeat, {{live, 5010}});
  EXPECT_EQ(amounts(), "0:4910");
  EXPECT_EQ(estimated(0), 0);
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_EQ(to_decimal(anomalies_[0].value), "4000");
}

// Given one reading from the far future, then it stands where it was received, estimated, and the
// counter goes on from there, also for the next incarnation.
TEST_F(DeriveTime, AReadingFromTheFutureStandsWhereItWasReceived) {
  const auto e = epoch(1);
  give_at(kNoon, poll(kNoon, {{e, 0}}));
  give_at(kNoon + kBeat, poll(kNoon + 100 * kDay, {{e, 10}}));
  give_at(kNoon + 2 * kBeat, poll(kNoon + 2 * kBeat, {{e, 20}}));
  begin(2);
  const auto next = epoch(1);
  give_at(kNoon + 3 * kBeat, poll(kNoon + 3 * kBeat, {{next, 35}}));
  EXPECT_EQ(amounts(), "0:35");
  EXPECT_EQ(covered(0), 30);
  EXPECT_EQ(estimated(0), 10);
  EXPECT_TRUE(anomalies_.empty());
}

// Given a bucket that falls at its own instant, then that is no reset: nothing counts, and what it
// grows to is told as an anomaly until it passes what is counted.
TEST_F(DeriveTime, ABucketThatFallsIsAnAnomaly) {
  const auto e = epoch(1, kNoon);
  give(kNoon + 2 * kMinute, {{e, 600, kNoon + kMinute}});
  give(kNoon + 3 * kMinute, {{e, 200, kNoon + kMinute}});
  give(kNoon + 4 * kMinute, {{e, 200, kNoon + kMinute}});
  give(kNoon + 5 * kMinute, {{e, 250, kNoon + kMinute}});
  give(kNoon + 6 * kMinute, {{e, 610, kNoon + kMinute}});
  EXPECT_EQ(amounts(), "0:610");
  ASSERT_EQ(anomalies_.size(), 2U);
  EXPECT_EQ(to_decimal(anomalies_[0].value), "200");
  EXPECT_EQ(to_decimal(anomalies_[1].value), "50");
}

// Given a series that ended and came back, then it is known to be absent in between, as far as its
// instance polled without interruption.
TEST_F(DeriveTime, KnownEndsAreAbsence) {
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
TEST_F(DeriveTime, EndedCountersAreForgotten) {
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

// Given a counter with a known start that ended, was forgotten and comes back under the same epoch,
// then what it counted before is not counted again: its value is an anomaly and a baseline.
TEST_F(DeriveTime, AForgottenCounterThatComesBackIsABaseline) {
  const auto e = epoch(1, kNoon - kHour);
  give(kNoon, {{e, 1000}});
  ends(kNoon + kBeat, e);
  give(kNoon + 2 * kDay, {});
  give(kNoon + 2 * kDay + kBeat, {{e, 1500}});
  give(kNoon + 2 * kDay + 2 * kBeat, {{e, 1600}});
  take();
  u128 sum = 0;
  for (const auto& [slot, usage] : slots_) sum += usage.amount;
  EXPECT_EQ(to_decimal(sum), "1100");
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_EQ(to_decimal(anomalies_[0].value), "1500");
  EXPECT_EQ(covered(2880), 10);
}

// Given an agent that was silent for longer than counters are kept, then its first poll counts what
// they grew by, once.
TEST_F(DeriveTime, ACounterSilentForAHundredDaysGoesOn) {
  const auto e = epoch(1, kNoon - kHour);
  give(kNoon, {{e, 1000}});
  give(kNoon + 101 * kDay, {{e, 1500}});
  give(kNoon + 101 * kDay + kBeat, {{e, 1600}});
  take();
  u128 sum = 0;
  for (const auto& [slot, usage] : slots_) sum += usage.amount;
  EXPECT_EQ(to_decimal(sum), "1600");
  EXPECT_TRUE(anomalies_.empty());
}

// Given a start decades ago, then the work is bounded and the total exact.
TEST_F(DeriveTime, AStartLongAgoIsBounded) {
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
TEST_F(DeriveTime, WatermarkIsWhereTheSlowestIs) {
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
TEST_F(DeriveTime, UnknownNumbersAreToldNotGuessed) {
  give(kNoon, {{4711, 5}, {testing::kSeries, 6}});
  const Derived derived = deriver_.take();
  EXPECT_EQ(derived.unknown, 2U);
  EXPECT_TRUE(derived.usage.empty());
}

}  // namespace
}  // namespace tallyman::rater
