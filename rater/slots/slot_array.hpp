#pragma once
// Slots of one view as columns: what the ledger's chunks decode to, and what rating walks.

#include <cstdint>
#include <span>
#include <vector>

#include "rater/derive/derive.hpp"

namespace tallyman::rater {

/// Whether a slot says nothing.
[[nodiscard]] inline bool is_nothing(const SlotUsage& usage) {
  return usage.amount == 0 && usage.covered == 0 && usage.estimated == 0 && usage.peak == 0 &&
         usage.before == 0 && usage.after == 0;
}

/// Neighbouring slots, dense. A slot all of whose figures are zero is one nothing is known of. The
/// usual slot is covered from end to end by readings at their beat, of a counter that is read when
/// slots begin: then all columns but the first are empty, which stands for zeros. Plain value;
/// every function gives the exact figures that were added, whatever they are.
class SlotArray {
 public:
  /// Slot length in nanoseconds, above zero.
  explicit SlotArray(Ns length, std::int64_t first = 0) : length_(length), first_(first) {}
  /// From whole columns; each is empty (all zeros) or `count` long.
  struct Columns {
    std::vector<std::uint64_t> low;        ///< of the amount
    std::vector<std::uint64_t> high;       ///< of the amount: its upper 64 bits
    std::vector<std::uint64_t> uncovered;  ///< slot length − covered, modulo 2⁶⁴
    std::vector<std::uint64_t> estimated;  ///< modulo 2⁶⁴
    std::vector<std::uint64_t> peak;
    std::vector<std::uint64_t> before;
    std::vector<std::uint64_t> after;
    friend bool operator==(const Columns&, const Columns&) = default;
  };

  [[nodiscard]] Ns length() const { return length_; }
  [[nodiscard]] std::int64_t first() const { return first_; }
  [[nodiscard]] std::int64_t end() const { return first_ + static_cast<std::int64_t>(count_); }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] const Columns& columns() const { return columns_; }

  /// Any slot: zeros outside of what is held.
  [[nodiscard]] SlotUsage at(std::int64_t slot) const;
  [[nodiscard]] bool known(std::int64_t slot) const;
  /// All that is known, ascending.
  [[nodiscard]] std::vector<SlotUsage> list() const;
  [[nodiscard]] u128 total() const;  ///< of the amounts

  /// Adds up: amounts, covered, estimated, and what crosses a start; the higher peak. Grows to hold
  /// the slot, and what lies between: keep slots near each other.
  void add(const SlotUsage& usage);
  void add(const SlotArray& more);
  /// Only [first, end) of it, without unknown slots at either end, and no column of zeros: arrays
  /// that hold the same are then equal.
  [[nodiscard]] SlotArray part(std::int64_t first, std::int64_t end) const;
  [[nodiscard]] SlotArray trimmed() const { return part(first_, end()); }

  /// `columns` as they are.
  [[nodiscard]] static SlotArray of(Ns length, std::int64_t first, std::size_t count,
                                    Columns columns);
  friend bool operator==(const SlotArray&, const SlotArray&) = default;

 private:
  void grow(std::int64_t first, std::int64_t end);
  void append(const SlotArray& more);  ///< which begins at end() or later

  Ns length_;
  std::int64_t first_;
  std::size_t count_ = 0;
  Columns columns_;
};

}  // namespace tallyman::rater
