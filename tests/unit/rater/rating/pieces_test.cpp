// Given pieces put in one by one or as whole slots, then what is read are those pieces, and equal
// sequences are equal runs.

#include "rater/rating/pieces.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tallyman::rater {
namespace {

constexpr Ns kLength = 300;

/// Slots as a series has them: mostly whole, with gaps, halves and estimates in between.
std::vector<Piece> random_pieces(std::mt19937_64& random) {
  std::vector<Piece> out;
  std::int64_t slot = 1000;
  for (std::size_t n = random() % 60; n > 0; --n) {
    slot += random() % 8 == 0 ? 2 : 1;
    Piece piece{slot, slot * kLength, (slot + 1) * kLength, random() % 100, kLength, 0, 0, 0, 0};
    if (random() % 4 == 0) piece.amount <<= 64U;
    if (random() % 4 == 0) piece.peak = random() % 5;
    switch (random() % 12) {
      case 0:
        piece.covered = 200;
        break;
      case 1:
        piece.estimated = 1;
        break;
      case 2:
        piece.absent = kLength;
        break;
      case 3:
        piece.view = 1;
        break;
      case 4: {  // in two parts
        Piece first = piece;
        first.to = piece.from + 100;
        first.covered = first.estimated = 100;
        out.push_back(first);
        piece.from += 100;
        piece.covered = piece.estimated = 200;
        break;
      }
      default:
        break;
    }
    out.push_back(piece);
  }
  return out;
}

std::vector<Piece> seen(const Pieces& pieces) {
  std::vector<Piece> out;
  pieces.visit(
      [&](const WholeSlots& slots) {
        for (std::size_t i = 0; i < slots.size(); ++i) out.push_back(slots.piece(i));
      },
      [&](const Piece& piece) { out.push_back(piece); });
  return out;
}

TEST(Pieces, AreWhatWasPutIn) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    const std::vector<Piece> expected = random_pieces(random);
    Pieces pieces;
    Ns covered = 0;
    u128 total = 0;
    for (const Piece& piece : expected) {
      pieces.push_back(piece);
      covered += piece.covered;
      total += piece.amount;
    }
    ASSERT_EQ(pieces.size(), expected.size());
    EXPECT_EQ(pieces.empty(), expected.empty());
    PieceSums sums{total, covered, 0, 0, false};
    for (const Piece& piece : expected) {
      sums.estimated += piece.estimated;
      sums.peak = std::max(sums.peak, piece.peak);
      sums.measured |= piece.covered > piece.absent;
    }
    EXPECT_EQ(pieces.sums(), sums);
    Pieces summed = pieces;
    summed.sum_up();
    EXPECT_TRUE(summed.empty());
    EXPECT_EQ(summed.sums(), sums);
    EXPECT_EQ(seen(pieces), expected);
    std::vector<Piece> iterated(pieces.begin(), pieces.end());
    EXPECT_EQ(iterated, expected);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(pieces[i], expected[i]);
  }
}

// Given the same whole slots appended as parts of arrays, split anywhere, then the runs are those
// of one by one: as long as can be.
TEST(Pieces, EqualSequencesMakeEqualRuns) {
  std::mt19937_64 random(8);
  const auto runs = [](const Pieces& pieces) {
    std::vector<std::size_t> lengths;
    pieces.visit([&](const WholeSlots& slots) { lengths.push_back(slots.size()); },
                 [&](const Piece&) { lengths.push_back(0); });
    return lengths;
  };
  for (int round = 0; round < 300; ++round) {
    SlotArray array(kLength);
    Pieces one_by_one, parts;
    const auto count = static_cast<std::int64_t>(1 + random() % 200);
    for (std::int64_t slot = 1000; slot < 1000 + count; ++slot) {
      u128 amount = random() % 10;
      if (random() % 50 == 0) amount <<= 70U;
      const std::uint64_t peak = random() % 40 == 0 ? 9 : 0;
      array.add(SlotUsage{slot, amount, kLength, 0, peak});
      one_by_one.push_back(
          {slot, slot * kLength, (slot + 1) * kLength, amount, kLength, 0, peak, 3, 0});
    }
    for (std::int64_t slot = 1000; slot < 1000 + count;) {
      const std::int64_t to =
          std::min<std::int64_t>(1000 + count, slot + static_cast<std::int64_t>(random() % 60));
      parts.append_whole(array, slot, to, 3);
      slot = to;
    }
    EXPECT_EQ(seen(parts), seen(one_by_one));
    EXPECT_EQ(runs(parts), runs(one_by_one));
    EXPECT_EQ(runs(parts).size(), 1U);
  }
}

}  // namespace
}  // namespace tallyman::rater
