#pragma once
// The slots of a period, and what several series put into them: what gauges are measured by, and
// what bounds a rate from above. Part of measure.cpp.

#include <cstdint>
#include <vector>

#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

/// One slot, of all series.
struct SlotCell {
  u128 value = 0, low = 0;
  u128 high = 0;  ///< a bound from above, unless `boundless`
  bool held = false;
  bool measured = false;  ///< in at least one series
  bool spread = false;
  bool boundless = false;
};

/// Cells of one kind of quantity. Plain value.
class SlotCells {
 public:
  /// What a slot of one series comes to: the highest value held in it; the mean of a gauge, or the
  /// growth of a counter, as of a full slot, when at least half of it is known.
  enum class Of : std::uint8_t { peaks, means, growth };

  SlotCells(Of of, const Period& period, Ns slot);

  /// A gauge that is unknown holds at most its own peak, a counter what its line carries: nobody
  /// can say for a gauge that was never read, or a line whose speed is not known.
  void add(const OwnedSeries& series);
  /// Slot by slot the higher of two.
  void take_higher(const SlotCells& other);

  /// Those that somebody holds half of, or more, ascending.
  [[nodiscard]] std::vector<SlotCell> held() const;
  /// Of those the ones that hold the instants, which lie within the period.
  [[nodiscard]] std::vector<SlotCell> held_at(const std::vector<Ns>& instants) const;

 private:
  /// What one series holds and is known of in one slot.
  struct Known {
    Ns held = 0, covered = 0, estimated = 0;
    u128 amount = 0;
    std::uint64_t peak = 0;
  };
  [[nodiscard]] std::int64_t slot_at(Ns instant) const;
  void hold(const Span& span);
  void put(const Known& known, u128 most, bool bounded, SlotCell& cell) const;

  Of of_;
  Ns slot_;
  std::int64_t first_;
  std::vector<SlotCell> cells_;
  std::vector<Known> known_;  ///< of the series that is added
};

}  // namespace tallyman::rater
