// Given slots of any kind, then a chunk of them gives them back exactly; damaged bytes are an
// error, and the usual series take what the layout promises.

#include "rater/slots/slot_codec.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "rater/slots/slot_block.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kLength = 5 * kMinute;

u128 random_amount(std::mt19937_64& random, unsigned shape) {
  switch (shape) {
    case 0:
      return random() % 1'000'000'001;
    case 1:
      return 0;
    case 2:
      return (u128{random()} << 64U) | random();
    case 3:
      return u128{random() % 100} * 10'000'000'000U;
    case 4:
      return random() % 200 == 0 ? ~u128{0} : u128{7};
    default:
      return u128{random()} << (random() % 65);
  }
}

SlotArray random_slots(std::mt19937_64& random) {
  SlotArray slots(kLength);
  const auto shape = static_cast<unsigned>(random() % 6);
  const unsigned odd = random() % 3 == 0 ? 2 : 40;
  const auto first = static_cast<std::int64_t>(random() % 2 == 0 ? 5'900'000 : -100);
  for (std::int64_t slot = first, n = static_cast<std::int64_t>(random() % 1200); n > 0; --n) {
    slot += random() % odd == 0 ? static_cast<std::int64_t>(random() % 20) : 1;
    SlotUsage usage{.slot = slot, .amount = random_amount(random, shape), .covered = kLength};
    if (random() % odd == 0) usage.covered = static_cast<Ns>(random() % (2 * kLength));
    if (random() % odd == 0) usage.estimated = static_cast<Ns>(random() % kLength);
    if (shape > 2) usage.peak = random();
    if (shape > 3) usage.before = random() % (shape == 4 ? 1000 : kNoEnd);
    if (shape > 4) usage.after = random() % 1'000'000;
    slots.add(usage);
  }
  return slots.trimmed();
}

TEST(SlotCodec, GivesBackWhatWasEncoded) {
  std::mt19937_64 random(20261123);
  for (int round = 0; round < 400; ++round) {
    const SlotArray slots = random_slots(random);
    const Bytes chunk = encode_slots(slots);
    const Result<SlotArray> again = decode_slots(chunk);
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_TRUE(again->trimmed() == slots) << round;
    EXPECT_EQ(encode_slots(*again), chunk);
  }
}

TEST(SlotCodec, BlocksOfEveryWidthGiveBackTheirValues) {
  std::mt19937_64 random(5);
  for (unsigned width = 0; width <= 128; ++width) {
    for (const std::size_t count : {1U, 2U, 7U, 255U, 256U}) {
      const u128 mask = width == 128 ? ~u128{0} : (u128{1} << width) - 1;
      std::vector<u128> values(count);
      for (u128& value : values) value = ((u128{random()} << 64U) | random()) & mask;
      if (random() % 2 == 0) values[random() % count] = ~u128{0};
      Bytes bytes;
      ByteWriter out(bytes);
      put_block(out, values);
      ByteReader in(bytes);
      std::vector<std::uint64_t> low(count), high(count);
      bool wide = false;
      take_block(in, low, high, wide);
      ASSERT_TRUE(in.ok() && in.at_end()) << width;
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_TRUE(((u128{high[i]} << 64U) | low[i]) == values[i]) << width << " at " << i;
      }
    }
  }
}

SlotArray month(const std::function<SlotUsage(std::int64_t)>& slot) {
  SlotArray slots(kLength);
  for (std::int64_t i = 0; i < 8928; ++i) {
    SlotUsage usage = slot(i);
    usage.slot = 5'900'000 + i;
    slots.add(usage);
  }
  return slots;
}

// Given a month of each usual kind of series, then it takes no more than the header of the codec
// says.
TEST(SlotCodec, IsAsSmallAsItSays) {
  std::mt19937_64 random(1);
  const auto uniform = month([&](std::int64_t) {
    return SlotUsage{.amount = random() % 1'000'000'001, .covered = kLength};
  });
  EXPECT_LT(encode_slots(uniform).size(), 8928 * 3.79);
  const auto idle = month([](std::int64_t) { return SlotUsage{.covered = kLength}; });
  EXPECT_LE(encode_slots(idle).size(), 24U);
  const auto outage = month(
      [&](std::int64_t i) { return i % 1000 > 300 ? SlotUsage{.covered = kLength} : SlotUsage{}; });
  EXPECT_LT(encode_slots(outage).size(), 8928 / 8);
  const auto gauge = month([&](std::int64_t) {
    u128 held = 0;
    for (int poll = 0; poll < 30; ++poll) held += (u128{1} << 40U) + random() % (1U << 30U);
    return SlotUsage{.amount = held * 10 * kSecond, .covered = kLength};
  });
  EXPECT_LT(encode_slots(gauge).size(), 8928 * 4.7);
}

TEST(SlotCodec, AnyFlippedBitAndAnyCutIsAnError) {
  std::mt19937_64 random(9);
  const SlotArray slots = month([&](std::int64_t i) {
    return SlotUsage{.amount = i % 3 == 0 ? random() % 1000 : 0, .covered = kLength};
  });
  const Bytes chunk = encode_slots(slots.part(5'900'000, 5'900'400));
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    EXPECT_FALSE(decode_slots(ByteView(chunk).first(i)).ok());
    Bytes flipped = chunk;
    flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ (1U << random() % 8));
    EXPECT_FALSE(decode_slots(flipped).ok()) << i;
  }
}

}  // namespace
}  // namespace tallyman::rater
