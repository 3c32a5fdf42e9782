#include "rater/rating/measure_gauge.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

namespace tallyman::rater {

namespace {

/// One slot, of all series.
struct Cell {
  u128 value = 0, low = 0;
  u128 high = 0;  ///< a bound from above, unless `boundless`
  bool held = false;
  bool measured = false;  ///< in at least one series
  bool spread = false;
  bool boundless = false;
};

/// What one series holds and is known of in one slot.
struct Known {
  Ns held = 0, covered = 0, estimated = 0;
  u128 amount = 0;
  std::uint64_t peak = 0;
};

/// The slots of a period.
class Cells {
 public:
  Cells(const Meter& meter, const Period& period, Ns slot)
      : of_peaks_(meter.measure == Measure::peak),
        slot_(slot),
        first_(slot_at(period.start)),
        cells_(static_cast<std::size_t>(slot_at(period.end - 1) - first_ + 1)) {}

  void add(const OwnedSeries& series) {
    known_.assign(cells_.size(), {});
    for (const Span& span : series.held) hold(span);
    std::uint64_t peak = 0;
    bool read = false;
    for (const Piece& piece : series.pieces) {
      read |= piece.covered > piece.absent;
      peak = std::max(peak, piece.peak);
      Known& known = known_[static_cast<std::size_t>(piece.slot - first_)];
      known.amount += piece.amount;
      known.covered += piece.covered;
      known.estimated += piece.estimated;
      known.peak = std::max(known.peak, piece.peak);
    }
    const u128 most = of_peaks_ ? peak : u128{peak} * static_cast<u128>(slot_);
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      if (known_[at].held * 2 >= slot_) put(known_[at], most, read, cells_[at]);
    }
  }

  /// Those that somebody holds half of, or more, ascending.
  [[nodiscard]] std::vector<Cell> held() const {
    std::vector<Cell> cells;
    std::copy_if(cells_.begin(), cells_.end(), std::back_inserter(cells),
                 [](const Cell& cell) { return cell.held; });
    return cells;
  }
  /// Of those the ones that hold the instants.
  [[nodiscard]] std::vector<Cell> held_at(const std::vector<Ns>& instants) const {
    std::vector<Cell> cells;
    for (const Ns instant : instants) {
      const Cell& cell = cells_[static_cast<std::size_t>(slot_at(instant) - first_)];
      if (cell.held) cells.push_back(cell);
    }
    return cells;
  }

 private:
  [[nodiscard]] std::int64_t slot_at(Ns instant) const {
    return instant / slot_ - (instant % slot_ < 0 ? 1 : 0);
  }

  void hold(const Span& span) {
    for (Ns from = span.from; from < span.to;) {
      const std::int64_t slot = slot_at(from);
      const Ns to = std::min(span.to, (slot + 1) * slot_);
      known_[static_cast<std::size_t>(slot - first_)].held += to - from;
      from = to;
    }
  }

  void put(const Known& known, u128 most, bool read, Cell& cell) const {
    const bool some = of_peaks_ ? known.covered > 0 : known.covered * 2 >= slot_;
    u128 value = 0;
    if (some && of_peaks_) {
      value = known.peak;
      cell.low += value;
      cell.measured = true;
    } else if (some) {
      const auto covered = static_cast<u128>(std::min(known.covered, slot_));
      value = mul_div(known.amount, static_cast<u128>(slot_), covered).value_or(0);
      const bool measured = (known.covered - known.estimated) * 2 >= slot_;
      (measured ? cell.measured : cell.spread) = true;
      if (measured) cell.low += known.amount;
    }
    const bool complete = some && known.covered >= known.held;
    cell.held = true;
    cell.value += value;
    cell.high += complete ? value : std::max(value, most);
    cell.boundless |= !complete && !read;
  }

  bool of_peaks_;
  Ns slot_;
  std::int64_t first_;
  std::vector<Cell> cells_;
  std::vector<Known> known_;  ///< of the series that is added
};

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

Level peak_of(const std::vector<Cell>& cells) {
  u128 billed = 0, high = 0;
  bool boundless = cells.empty();
  for (const Cell& cell : cells) {
    if (cell.measured) billed = std::max(billed, cell.value);
    high = std::max(high, cell.high);
    boundless |= cell.boundless;
  }
  Level level{Rational(billed), Rational(billed), std::nullopt};
  if (!boundless) level.high = Rational(std::max(high, billed));
  return level;
}

Level p95_of(const std::vector<Cell>& cells, Missing missing) {
  std::vector<u128> billed, low, high;
  std::size_t boundless = 0;
  for (const Cell& cell : cells) {
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

Level mean_of(const std::vector<Cell>& cells) {
  u128 sum = 0, low = 0, high = 0;
  std::uint64_t known = 0;
  bool boundless = cells.empty();
  for (const Cell& cell : cells) {
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
  Cells by_slot(meter, period, slot);
  for (const OwnedSeries* each : series) by_slot.add(*each);
  const bool daily = meter.measure == Measure::daily_snapshot;
  const std::vector<Cell> cells =
      daily ? by_slot.held_at(daily_at(zone, meter.snapshot_hour, period.start, period.end))
            : by_slot.held();
  m.slots = cells.size();
  m.missing = static_cast<std::uint64_t>(
      std::count_if(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.measured; }));
  const Level level = meter.measure == Measure::peak ? peak_of(cells)
                      : daily                        ? mean_of(cells)
                                                     : p95_of(cells, meter.missing);
  const Rational per_byte(meter.measure == Measure::peak ? u128{1} : static_cast<u128>(slot));
  m.base = level.billed / per_byte;
  m.base_low = level.low / per_byte;
  if (level.high) m.base_high = *level.high / per_byte;
}

}  // namespace tallyman::rater
