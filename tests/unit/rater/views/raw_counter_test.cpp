// Given readings of one counter or gauge, then slots are what lies between them, and what is kept
// out is in none.

#include "rater/views/raw_counter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tallyman::rater {
namespace {

class RawCounterTest : public ::testing::Test {
 protected:
  static RawReading at(Ns second, std::uint64_t value) { return {second * kSecond, value, 0, 1}; }
  void read(bool gauge, Ns start, const std::vector<RawReading>& readings) {
    RawCounter counter(view_, rule_, &kept_out_, 7, start, gauge);
    for (const RawReading& reading : readings) counter.read(reading, false, 10 * kSecond);
    counter.finish();
  }
  std::vector<std::string> amounts() const {
    std::vector<std::string> out;
    for (std::int64_t slot = 10; slot < 14; ++slot) {
      out.push_back(to_decimal(view_.slot(slot).amount));
    }
    return out;
  }

  const RawCounter::Rule rule_{{100 * kSecond, 140 * kSecond}, 10 * kSecond, 0};
  RawView view_;
  std::set<RawAmount> kept_out_;
};

using Amounts = std::vector<std::string>;

/// Given a slip that is kept out, then the reading after it counts from the one before it, in
/// proportion, and last minus first comes to the same.
TEST_F(RawCounterTest, ASlipIsJumpedOver) {
  kept_out_ = {{110 * kSecond, 120 * kSecond, 9'990}};
  read(false, 0, {at(100, 0), at(110, 10), at(120, 10'000), at(130, 50), at(140, 57)});
  EXPECT_EQ(amounts(), (Amounts{"10", "20", "20", "7"}));
  ASSERT_EQ(view_.segments.size(), 1U);
  EXPECT_EQ(to_decimal(view_.total()), "57");
  EXPECT_TRUE(view_.intervals.at(1).kept_out);
}

/// Given growth that is kept out and goes on from there, then it is missing, and only it.
TEST_F(RawCounterTest, AJumpIsLeftOut) {
  kept_out_ = {{110 * kSecond, 120 * kSecond, 9'990}};
  read(false, 0, {at(100, 0), at(110, 10), at(120, 10'000), at(130, 10'003), at(140, 10'004)});
  EXPECT_EQ(amounts(), (Amounts{"10", "0", "3", "1"}));
  EXPECT_EQ(to_decimal(view_.total()), "14");
  EXPECT_EQ(to_decimal(view_.segments.at(0).kept_out), "9990");
}

/// Given the same bounds and another amount, then nothing is left out.
TEST_F(RawCounterTest, OnlyTheVeryIntervalIsLeftOut) {
  kept_out_ = {{110 * kSecond, 120 * kSecond, 9'991}, {110 * kSecond, 121 * kSecond, 9'990}};
  read(false, 0, {at(100, 0), at(110, 10), at(120, 10'000)});
  EXPECT_EQ(amounts(), (Amounts{"10", "9990", "0", "0"}));
}

/// Given a fall, then what stands there counts from zero; a first reading with a known start too.
TEST_F(RawCounterTest, CountsFromZero) {
  read(false, 90 * kSecond, {at(110, 200), at(120, 5), at(130, 6)});
  EXPECT_EQ(amounts(), (Amounts{"100", "5", "1", "0"}));
  EXPECT_EQ(view_.segments.size(), 2U);
  EXPECT_EQ(to_decimal(view_.segments[0].before), "100");
}

/// Given a gauge, then it holds for two beats at most, with the slot's highest value as its peak;
/// a value that is kept out is in no slot.
TEST_F(RawCounterTest, AGaugeHolds) {
  kept_out_ = {{110 * kSecond, 115 * kSecond, u128{1'000'000} * 5 * kSecond}};
  read(true, 0, {at(100, 3), at(110, 1'000'000), at(115, 4), at(140, 1)});
  const auto held = [](std::uint64_t value, Ns seconds) {
    return to_decimal(u128{value} * static_cast<u128>(seconds * kSecond));
  };
  EXPECT_EQ(amounts(), (Amounts{held(3, 10), held(4, 5), held(4, 10), held(4, 5)}));
  EXPECT_EQ(view_.slot(11).peak, 4U);
  EXPECT_EQ(view_.slot(10).peak, 3U);
}

}  // namespace
}  // namespace tallyman::rater
