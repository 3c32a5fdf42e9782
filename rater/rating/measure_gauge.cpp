#include "rater/rating/measure_gauge.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "rater/rating/slot_cells.hpp"

namespace tallyman::rater {

namespace {

u128 at_rank(std::vector<u128>& values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[p95_rank(values.size()) - 1];
}

/// Of slots of byte-nanoseconds or, for peaks, of bytes.
struct Level {
  Rational billed, low;
  std::optional<Rational> high;
};

Level peak_of(const std::vector<SlotCell>& cells) {
  u128 billed = 0, high = 0;
  bool boundless = cells.empty();
  for (const SlotCell& cell : cells) {
    if (cell.measured) billed = std::max(billed, cell.value);
    high = std::max(high, cell.high);
    boundless |= cell.boundless;
  }
  Level level{Rational(billed), Rational(billed), std::nullopt};
  if (!boundless) level.high = Rational(std::max(high, billed));
  return level;
}

Level p95_of(const std::vector<SlotCell>& cells, Missing missing) {
  std::vector<u128> billed, low, high;
  std::size_t boundless = 0;
  for (const SlotCell& cell : cells) {
    const bool spread = missing == Missing::spread && cell.spread;
    if (cell.measured || spread) {
      billed.push_back(cell.value);
    } else if (missing == Missing::zero) {
      billed.push_back(0);
    }
    low.push_back(cell.low);
    high.push_back(cell.boundless ? ~u128{0} : cell.high);
    boundless += cell.boundless ? 1 : 0;
  }
  const u128 rank = at_rank(billed);
  Level level{Rational(rank), Rational(std::min(at_rank(low), rank)), std::nullopt};
  const std::size_t above = high.size() - (high.empty() ? 0 : p95_rank(high.size()));
  if (!high.empty() && boundless <= above) level.high = Rational(std::max(at_rank(high), rank));
  return level;
}

Level mean_of(const std::vector<SlotCell>& cells) {
  u128 sum = 0, low = 0, high = 0;
  std::uint64_t known = 0;
  bool boundless = cells.empty();
  for (const SlotCell& cell : cells) {
    if (cell.measured) sum += cell.value, ++known;
    low += cell.low;
    high += cell.high;
    boundless |= cell.boundless;
  }
  const auto over = [](u128 total, std::uint64_t count) {
    return count == 0 ? Rational() : Rational(total, count);
  };
  Level level{over(sum, known), over(low, cells.size()), std::nullopt};
  if (level.billed < level.low) level.low = level.billed;
  if (!boundless) level.high = std::max(over(high, cells.size()), level.billed);
  return level;
}

}  // namespace

void measure_gauge(const Meter& meter, const std::vector<const OwnedSeries*>& series,
                   const Period& period, const std::string& zone, Ns slot, Measured& m) {
  const bool peaks = meter.measure == Measure::peak;
  SlotCells by_slot(peaks ? SlotCells::Of::peaks : SlotCells::Of::means, period, slot);
  for (const OwnedSeries* each : series) by_slot.add(*each);
  const bool daily = meter.measure == Measure::daily_snapshot;
  const std::vector<SlotCell> cells =
      daily ? by_slot.held_at(daily_at(zone, meter.snapshot_hour, period.start, period.end))
            : by_slot.held();
  m.slots = cells.size();
  m.missing = static_cast<std::uint64_t>(std::count_if(
      cells.begin(), cells.end(), [](const SlotCell& cell) { return !cell.measured; }));
  const Level level = peaks   ? peak_of(cells)
                      : daily ? mean_of(cells)
                              : p95_of(cells, meter.missing);
  const Rational per_byte(peaks ? u128{1} : static_cast<u128>(slot));
  m.base = level.billed / per_byte;
  m.base_low = level.low / per_byte;
  if (level.high) m.base_high = *level.high / per_byte;
}

}  // namespace tallyman::rater
