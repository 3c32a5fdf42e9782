// What is stored against what there is room for.

#include "rater/derive/capacity.hpp"

#include "derive_example.hpp"

namespace tallyman::rater {
namespace {

using testing::kHeld;
using testing::kNoon;

class Capacity : public testing::DeriveExample {};

// Given info labels of any content, when the capacity is read, then a decimal number of bytes is
// one and everything else is unknown.
TEST(CapacityLabel, IsADecimalNumberOfBytes) {
  EXPECT_EQ(capacity_bytes({{"capacity", "18446744073709551615"}}), UINT64_MAX);
  EXPECT_EQ(capacity_bytes({{"capacity", "1000"}, {"pool", "rbd"}}), 1000U);
  for (const char* text : {"", "0", "-1", "1e9", "10 GiB", " 7", "7 ", "18446744073709551616"}) {
    EXPECT_EQ(capacity_bytes({{"capacity", text}}), 0U) << text;
  }
  EXPECT_EQ(capacity_bytes({{"speed", "1000"}}), 0U);
}

// Given a pool of a thousand bytes, when a reading says more, then what it would have held until
// the next one is an anomaly with its value, and unknown: neither billed nor covered.
TEST_F(Capacity, MoreThanThereIsRoomForIsAnAnomaly) {
  capacity("1000");
  const wire::DefNo held = epoch(0, 0, kHeld);
  give(kNoon, {{held, 1000, 0}});
  give(kNoon + 10 * kSecond, {{held, 1001, 0}});
  give(kNoon + 20 * kSecond, {{held, 500, 0}});
  give(kNoon + 30 * kSecond, {{held, 500, 0}});
  EXPECT_EQ(amounts(), "0:15000000000000");
  EXPECT_EQ(covered(0), 20);
  ASSERT_EQ(anomalies_.size(), 1U);
  EXPECT_EQ(anomalies_[0].from, kNoon + 10 * kSecond);
  EXPECT_EQ(anomalies_[0].to, kNoon + 20 * kSecond);
  EXPECT_TRUE(anomalies_[0].value == u128{1001} * 10 * kSecond);
  EXPECT_EQ(anomalies_[0].cause, AnomalyCause::room);
  EXPECT_EQ(slots_[0].peak, 1000U);
}

// Given a pool whose capacity grows, when a reading between the two polls that tell of it holds
// more than the old one had room for, then it counts: nobody knows since when the new one was
// there.
TEST_F(Capacity, TheMostThatWasToldAtEitherEndHolds) {
  capacity("1000");
  const wire::DefNo held = epoch(0, 0, kHeld);
  give(kNoon, {{held, 1500, 0}});
  capacity("2000", kNoon + 10 * kSecond);
  give(kNoon + 10 * kSecond, {{held, 1500, 0}});
  EXPECT_EQ(amounts(), "0:15000000000000");
  EXPECT_TRUE(anomalies_.empty());
}

// Given a pool whose capacity nobody tells any more, when a reading says anything, then it counts.
TEST_F(Capacity, AnUnknownCapacityBoundsNothing) {
  capacity("1000");
  const wire::DefNo held = epoch(0, 0, kHeld);
  give(kNoon, {{held, 10, 0}});
  capacity("", kNoon + 10 * kSecond);
  give(kNoon + 10 * kSecond, {{held, UINT64_MAX, 0}});
  give(kNoon + 20 * kSecond, {{held, 0, 0}});
  take();
  EXPECT_TRUE(anomalies_.empty());
  EXPECT_EQ(slots_[0].peak, UINT64_MAX);
}

}  // namespace
}  // namespace tallyman::rater
