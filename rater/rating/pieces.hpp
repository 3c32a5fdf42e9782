#pragma once
// What is known of a series as one owner holds it, piece by piece. Plain values.

#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/u128.hpp"
#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

/// What is known of one slot, or of the part of it that one owner holds.
struct Piece {
  std::int64_t slot = 0;
  Ns from = 0, to = 0;     ///< the part; within the slot
  u128 amount = 0;         ///< units, or units × nanoseconds
  Ns covered = 0;          ///< of the part: measured, spread, or known not to exist
  Ns estimated = 0;        ///< of those: spread over a gap, or split within the slot
  std::uint64_t peak = 0;  ///< gauge
  std::uint32_t view = 0;  ///< index into OwnedSeries::views
  Ns absent = 0;           ///< of `covered`: known not to exist
  friend bool operator==(const Piece&, const Piece&) = default;
};

/// Neighbouring slots that one owner holds whole, each covered from end to end by readings of one
/// view at their beat: nothing estimated, nothing absent.
struct WholeSlots {
  std::int64_t slot = 0;  ///< the first
  Ns length = 0;          ///< of a slot
  std::uint32_t view = 0;
  std::span<const std::uint64_t> low, high;  ///< halves of the amounts; no `high` = zeros
  std::span<const std::uint64_t> peak;       ///< none = zeros

  [[nodiscard]] std::size_t size() const { return low.size(); }
  [[nodiscard]] u128 amount(std::size_t i) const {
    return u128{high.empty() ? 0 : high[i]} << 64U | low[i];
  }
  [[nodiscard]] Piece piece(std::size_t i) const;
};

/// What pieces come to, taken together.
struct PieceSums {
  u128 amount = 0;
  Ns covered = 0, estimated = 0;
  std::uint64_t peak = 0;  ///< the highest
  bool measured = false;   ///< some of it is read or spread, not only known to be absent
  friend bool operator==(const PieceSums&, const PieceSums&) = default;
};

/// Pieces, ascending. Looks like a sequence of Piece, which it makes as they are read. What it
/// keeps are runs: whole slots, nearly all of them, as columns (8 bytes a slot of a counter, where
/// a Piece takes 96), and everything else as it is. Who has to be fast reads the runs: visit().
/// Equal sequences make equal runs, however they were put together. Plain value.
class Pieces {
 public:
  class Iterator;

  void push_back(const Piece& piece);
  /// The slots [first, end) of an array in which each is covered and none estimated.
  void append_whole(const SlotArray& slots, std::int64_t first, std::int64_t end,
                    std::uint32_t view);

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] Piece operator[](std::size_t at) const;  ///< below size(); slow
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;

  /// whole(const WholeSlots&) for every run of such slots, as long as can be, and other(const
  /// Piece&) for each other piece, ascending.
  template <typename Whole, typename Other>
  void visit(Whole&& whole, Other&& other) const {
    for (const Run& run : runs_) {
      if (run.whole) {
        whole(slots_of(run));
      } else {
        for (std::size_t i = 0; i < run.count; ++i) other(others_[run.at + i]);
      }
    }
  }

  [[nodiscard]] PieceSums sums() const;
  /// Keeps the sums alone, in the memory of one piece: there are no pieces any more, nor will be.
  void sum_up();

 private:
  struct Run {
    std::int64_t slot = 0;
    std::size_t at = 0, count = 0;  ///< in the columns, or in others_
    std::uint32_t view = 0;
    bool whole = false;
  };
  [[nodiscard]] WholeSlots slots_of(const Run& run) const;
  [[nodiscard]] Piece piece_of(const Run& run, std::size_t i) const;
  /// The run that takes whole slots from `slot` on.
  Run& whole_run(std::int64_t slot, Ns length, std::uint32_t view);

  std::vector<Run> runs_;
  std::vector<std::uint64_t> low_, high_, peak_;  ///< high_, peak_: none = zeros
  std::vector<Piece> others_;
  std::size_t count_ = 0;
  Ns length_ = 0;
  std::optional<PieceSums> summed_;
};

class Pieces::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Piece;
  using difference_type = std::ptrdiff_t;
  using pointer = const Piece*;
  using reference = Piece;

  Iterator() = default;
  [[nodiscard]] Piece operator*() const { return pieces_->piece_of(pieces_->runs_[run_], i_); }
  Iterator& operator++() {
    if (++i_ == pieces_->runs_[run_].count) ++run_, i_ = 0;
    return *this;
  }
  Iterator operator++(int) {
    Iterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) {
    return a.run_ == b.run_ && a.i_ == b.i_;
  }

 private:
  friend class Pieces;
  Iterator(const Pieces* pieces, std::size_t run) : pieces_(pieces), run_(run) {}
  const Pieces* pieces_ = nullptr;
  std::size_t run_ = 0, i_ = 0;
};

inline Pieces::Iterator Pieces::begin() const { return {this, 0}; }
inline Pieces::Iterator Pieces::end() const { return {this, runs_.size()}; }

}  // namespace tallyman::rater
