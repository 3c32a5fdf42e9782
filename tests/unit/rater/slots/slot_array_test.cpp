// Given slots added in any order, then an array holds their sums, as a map of them does.

#include "rater/slots/slot_array.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tallyman::rater {
namespace {

constexpr Ns kLength = 300;

struct Plain {
  std::map<std::int64_t, SlotUsage> slots;

  void add(const SlotUsage& usage) {
    SlotUsage& sum = slots[usage.slot];
    sum.slot = usage.slot;
    sum.amount += usage.amount;
    sum.covered += usage.covered;
    sum.estimated += usage.estimated;
    sum.peak = std::max(sum.peak, usage.peak);
    sum.before = sum.before + usage.before < sum.before ? kNoEnd : sum.before + usage.before;
    sum.after = sum.after + usage.after < sum.after ? kNoEnd : sum.after + usage.after;
  }
  [[nodiscard]] std::vector<SlotUsage> list(std::int64_t from, std::int64_t to) const {
    std::vector<SlotUsage> out;
    for (const auto& [slot, usage] : slots) {
      const bool nothing = usage.amount == 0 && usage.covered == 0 && usage.estimated == 0 &&
                           usage.peak == 0 && usage.before == 0 && usage.after == 0;
      if (slot >= from && slot < to && !nothing) out.push_back(usage);
    }
    return out;
  }
};

bool same(const std::vector<SlotUsage>& a, const std::vector<SlotUsage>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const SlotUsage& x, const SlotUsage& y) {
                      return x.slot == y.slot && x.amount == y.amount && x.covered == y.covered &&
                             x.estimated == y.estimated && x.peak == y.peak &&
                             x.before == y.before && x.after == y.after;
                    });
}

TEST(SlotArray, IsAMapOfSums) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    SlotArray array(kLength), other(kLength);
    Plain plain;
    for (std::size_t n = random() % 80; n > 0; --n) {
      SlotUsage usage{.slot = static_cast<std::int64_t>(500 + random() % 90)};
      if (random() % 4 != 0) usage.amount = random() % 1000;
      if (random() % 9 == 0) usage.amount <<= 80U;
      if (random() % 3 != 0) usage.covered = random() % 2 == 0 ? kLength : 17;
      if (random() % 5 == 0) usage.estimated = 5;
      if (random() % 5 == 0) usage.peak = random();
      if (random() % 5 == 0) usage.before = random();
      if (random() % 5 == 0) usage.after = random() % 1000;
      (random() % 2 == 0 ? array : other).add(usage);
      plain.add(usage);
    }
    array.add(other);
    EXPECT_TRUE(same(array.list(), plain.list(0, 1000)));
    u128 total = 0;
    for (const auto& [slot, usage] : plain.slots) total += usage.amount;
    EXPECT_TRUE(array.total() == total);
    for (std::int64_t slot = 495; slot < 600; ++slot) {
      EXPECT_EQ(array.known(slot), !plain.list(slot, slot + 1).empty());
      EXPECT_EQ(array.at(slot).slot, slot);
    }
    const auto from = static_cast<std::int64_t>(490 + random() % 100);
    const auto to = from + static_cast<std::int64_t>(random() % 100);
    const SlotArray part = array.part(from, to);
    EXPECT_TRUE(same(part.list(), plain.list(from, to)));
    EXPECT_TRUE(part == array.trimmed().part(from, to)) << "one form of what is the same";
    EXPECT_TRUE(part.empty() || (part.known(part.first()) && part.known(part.end() - 1)));
  }
}

// Given slots that are read throughout and count nothing, then no column takes memory.
TEST(SlotArray, AnIdleSeriesHasNoColumns) {
  SlotArray array(kLength);
  for (std::int64_t slot = 0; slot < 100; ++slot) array.add(SlotUsage{slot, 0, kLength, 0, 0});
  EXPECT_EQ(array.trimmed().size(), 100U);
  EXPECT_TRUE(array.trimmed().columns() == SlotArray::Columns{});
}

}  // namespace
}  // namespace tallyman::rater
