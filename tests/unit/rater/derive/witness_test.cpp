// Witnesses of one shared source: who is only late, and who cannot be right.

#include "rater/derive/witness.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tallyman::rater {
namespace {

constexpr Ns kSlot = 300;

SlotUsage whole(std::int64_t slot, u128 amount) {
  return {.slot = slot, .amount = amount, .covered = kSlot};
}

Witness witness(const std::vector<std::uint64_t>& amounts, std::int64_t from = 1000) {
  Witness out{SlotArray(kSlot), from + static_cast<std::int64_t>(amounts.size())};
  for (const std::uint64_t amount : amounts) out.slots.add(whole(from++, amount));
  return out;
}

using Found = std::vector<Disagreement>;

Found compared(const std::vector<Witness>& witnesses, std::int64_t lag = 1) {
  return disagreements(witnesses, 1000, 1288, lag);
}

// Given two witnesses that tell the same, or a slot's growth one slot later, when they are
// compared, then they agree.
TEST(Witness, WhoIsOnlyLateAgrees) {
  EXPECT_EQ(compared({witness({5, 0, 9, 9, 0, 0}), witness({5, 0, 9, 9, 0, 0})}), Found());
  EXPECT_EQ(compared({witness({5, 0, 9, 0, 0, 7}), witness({0, 5, 0, 9, 0, 0})}), Found());
}

// Given a witness that tells of growth that another one, looking all the while, does not have
// before or after, when they are compared, then that slot alone is told, with what is at risk.
TEST(Witness, TellsTheShortestTimeInWhichBothCannotBeRight) {
  EXPECT_EQ(compared({witness({5, 5, 5, 5, 5, 5}), witness({5, 5, 5, 1000, 5, 5})}),
            (Found{{1003, 1004, 0, 1, 995}}));
  EXPECT_EQ(compared({witness({7, 7, 7, 7, 7, 7}), witness({0, 0, 0, 0, 0, 0})}),
            (Found{{1001, 1002, 1, 0, 7},
                   {1002, 1003, 1, 0, 7},
                   {1003, 1004, 1, 0, 7},
                   {1004, 1005, 1, 0, 7}}));
}

// Given a witness that always tells one per cent more, when a day is compared, then the lag at both
// ends does not hide it for long.
TEST(Witness, FindsOnePerCentWithinADay) {
  const std::vector<std::uint64_t> low(290, 1000), high(290, 1010);
  const Found found =
      disagreements(std::vector{witness(low, 999), witness(high, 999)}, 1000, 1288, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].lowest, 0U);
  EXPECT_TRUE(found[0].excess == 10 * static_cast<u128>(found[0].end - found[0].first));
  EXPECT_EQ(found[0].end - found[0].first, 201);
}

// Given slots that are estimated, partly covered or not told yet, when witnesses are compared, then
// those prove nothing.
TEST(Witness, WhatIsNotSeenWholeProvesNothing) {
  const Witness one = witness({5, 5, 5, 5, 5, 5});
  Witness other = witness({5, 5, 5, 5, 5, 5});
  other.slots.add({.slot = 1003, .amount = 1000});
  Witness partly = other, guessed = other, untold = other;
  partly.slots.add({.slot = 1003, .covered = -1});
  guessed.slots.add({.slot = 1003, .estimated = 1});
  untold.seen_to = 1003;
  EXPECT_EQ(compared({one, other}).size(), 1U);
  EXPECT_EQ(compared({one, partly}), Found());
  EXPECT_EQ(compared({one, guessed}), Found());
  EXPECT_EQ(compared({one, untold}), Found());
  EXPECT_EQ(compared({one, other}, kWitnessBlock), Found());
}

// Given beats of any length, when the lag is asked for, then three of them fit into it.
TEST(Witness, TheLagHoldsThreeBeats) {
  EXPECT_EQ(witness_lag(0, kSlot), 3);
  EXPECT_EQ(witness_lag(60, kSlot), 1);
  EXPECT_EQ(witness_lag(100, kSlot), 1);
  EXPECT_EQ(witness_lag(101, kSlot), 2);
  EXPECT_EQ(witness_lag(300, kSlot), 3);
}

// Given one truth and witnesses that see it with delays of less than the lag, when they are
// compared, then none disagrees, however the truth moves.
TEST(Witness, HonestWitnessesNeverDisagree) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const std::int64_t lag = 1 + static_cast<std::int64_t>(random() % 3);
    const std::int64_t parts = 10;  // of a slot
    std::vector<std::uint64_t> truth{0};
    for (std::int64_t i = 0; i < 300 * parts; ++i) {
      const bool busy = random() % 3 == 0;
      truth.push_back(truth.back() + (busy ? random() % (1ULL << (random() % 30)) : 0));
    }
    std::vector<Witness> witnesses;
    for (int w = 0; w < 3; ++w) {
      std::vector<std::uint64_t> amounts;
      std::int64_t at = 0;
      for (std::int64_t slot = 5; slot < 300; ++slot) {
        const auto delay =
            static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(lag * parts));
        const std::int64_t now = std::max(at, slot * parts - delay);
        if (at > 0) {
          amounts.push_back(truth[static_cast<std::size_t>(now)] -
                            truth[static_cast<std::size_t>(at)]);
        }
        at = now;
      }
      witnesses.push_back(witness(amounts, 995));
    }
    EXPECT_EQ(compared(witnesses, lag), Found()) << seed;
  }
}

/// By trying every stretch of slots.
Found by_hand(const std::vector<Witness>& witnesses, std::int64_t first, std::int64_t end,
              std::int64_t lag) {
  const auto is_whole = [](const Witness& w, std::int64_t slot) {
    const SlotUsage usage = w.slots.at(slot);
    return slot < w.seen_to && usage.covered == kSlot && usage.estimated == 0;
  };
  const auto sum = [](const Witness& w, std::int64_t a, std::int64_t b) {
    u128 total = 0;
    for (; a < b; ++a) total += w.slots.at(a).amount;
    return total;
  };
  Found out;
  std::int64_t begin = first;
  for (std::int64_t to = first + 1; to <= end; ++to) {
    for (std::int64_t from = to - 1; from >= begin; --from) {
      std::vector<std::size_t> who;
      bool same = true;
      for (std::size_t w = 0; w < witnesses.size(); ++w) {
        std::int64_t seen = 0;
        for (std::int64_t s = from - lag; s < to + lag; ++s) seen += is_whole(witnesses[w], s);
        if (seen == to - from + 2 * lag) who.push_back(w);
        same &= seen == 0 || seen == to - from + 2 * lag;
      }
      if (!same || who.size() < 2) break;
      std::size_t low = who[0], high = who[0];
      bool differ = false;
      for (const std::size_t v : who) {
        if (sum(witnesses[v], from, to) < sum(witnesses[low], from, to)) low = v;
        if (sum(witnesses[v], from, to) > sum(witnesses[high], from, to)) high = v;
        for (const std::size_t w : who) {
          differ |= sum(witnesses[v], from, to) > sum(witnesses[w], from - lag, to + lag);
        }
      }
      if (!differ) continue;
      out.push_back(
          {from, to, low, high, sum(witnesses[high], from, to) - sum(witnesses[low], from, to)});
      begin = to;
      break;
    }
  }
  return out;
}

// Given random witnesses with holes, when they are compared, then what is found is what trying
// every stretch of slots finds.
TEST(Witness, FindsWhatTryingEverythingFinds) {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    const std::int64_t lag = 1 + static_cast<std::int64_t>(random() % 2);
    std::vector<Witness> witnesses;
    for (std::uint64_t w = 0, count = 2 + random() % 3; w < count; ++w) {
      Witness one{SlotArray(kSlot), 1040 - static_cast<std::int64_t>(random() % 5)};
      const std::uint64_t wrong = random() % 2 ? 1 : 1 + random() % 4;
      for (std::int64_t slot = 1000; slot < 1040; ++slot) {
        if (random() % 30 == 0) continue;
        SlotUsage usage = whole(slot, u128{8 + random() % 5} * wrong);
        if (random() % 40 == 0) usage.amount <<= 60;
        if (random() % 40 == 0) usage.estimated = 1;
        one.slots.add(usage);
      }
      witnesses.push_back(std::move(one));
    }
    const Found want = by_hand(witnesses, 1000, 1030, lag);
    EXPECT_EQ(disagreements(witnesses, 1000, 1030, lag), want) << seed;
    found += want.size();
  }
  EXPECT_GT(found, 300U);
}

}  // namespace
}  // namespace tallyman::rater
