#include "rater/rating/measure_p95.hpp"

#include <algorithm>
#include <limits>

namespace tallyman::rater {

namespace {

constexpr u128 kNoBound = ~u128{0};

/// One slot, of all series of a direction.
struct Cell {
  u128 value = 0;  ///< best estimate
  u128 low = 0;
  bool held = false;
  bool measured = false;   ///< in at least one series
  bool spread = false;     ///< in at least one, and none measured matters less
  bool uncertain = false;  ///< nothing bounds it from above
};

/// What a piece comes to when all of its slot were like what is known of it.
std::optional<u128> full_slot(const Piece& piece, Ns slot) {
  if (piece.covered * 2 < slot) return std::nullopt;
  if (piece.covered >= slot) return piece.amount;
  return mul_div(piece.amount, static_cast<u128>(slot), static_cast<u128>(piece.covered));
}

/// The slots of a period, and what the series of a direction put into them.
class Grid {
 public:
  Grid(const Period& period, Ns slot)
      : slot_(slot),
        first_(floor_div(period.start, slot)),
        cells_(static_cast<std::size_t>(floor_div(period.end - 1, slot) - first_ + 1)) {}

  void add(const OwnedSeries& series) {
    std::vector<Ns> held(cells_.size(), 0);
    for (const Span& span : series.held) hold(span, held);
    std::vector<bool> known(cells_.size(), false);
    // A slot that the owner holds in two parts is put together again first.
    for (std::size_t i = 0; i < series.pieces.size();) {
      Piece whole = series.pieces[i++];
      for (; i < series.pieces.size() && series.pieces[i].slot == whole.slot; ++i) {
        whole.amount += series.pieces[i].amount;
        whole.covered += series.pieces[i].covered;
        whole.estimated += series.pieces[i].estimated;
      }
      const auto at = static_cast<std::size_t>(whole.slot - first_);
      if (held[at] * 2 < slot_) continue;
      known[at] = put(whole, cells_[at]);
    }
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      if (held[at] * 2 < slot_) continue;
      cells_[at].held = true;
      if (!known[at]) cells_[at].uncertain = true;
    }
  }
  [[nodiscard]] const std::vector<Cell>& cells() const { return cells_; }

  /// Slot by slot the higher of two directions.
  void take_higher(const Grid& other) {
    for (std::size_t at = 0; at < cells_.size(); ++at) {
      Cell& mine = cells_[at];
      const Cell& theirs = other.cells_[at];
      mine.value = std::max(mine.value, theirs.value);
      mine.low = std::max(mine.low, theirs.low);
      mine.held |= theirs.held;
      mine.measured |= theirs.measured;
      mine.spread |= theirs.spread;
      mine.uncertain |= theirs.uncertain;
    }
  }

 private:
  static std::int64_t floor_div(Ns a, Ns b) { return a / b - (a % b < 0 ? 1 : 0); }

  void hold(const Span& span, std::vector<Ns>& held) const {
    for (Ns from = span.from; from < span.to;) {
      const std::int64_t slot = floor_div(from, slot_);
      const Ns to = std::min(span.to, (slot + 1) * slot_);
      held[static_cast<std::size_t>(slot - first_)] += to - from;
      from = to;
    }
  }

  /// True when something is known to put.
  bool put(const Piece& piece, Cell& cell) const {
    const std::optional<u128> value = full_slot(piece, slot_);
    if (!value) return false;
    const bool measured = (piece.covered - piece.estimated) * 2 >= slot_;
    cell.value += *value;
    (measured ? cell.measured : cell.spread) = true;
    if (measured) cell.low += piece.amount;
    if (!measured || piece.covered < slot_) cell.uncertain = true;
    return true;
  }

  Ns slot_;
  std::int64_t first_;
  std::vector<Cell> cells_;
};

struct Percentile {
  u128 billed = 0, low = 0;
  std::optional<u128> high;
  std::uint64_t slots = 0, missing = 0;
};

u128 at_rank(std::vector<u128>& values) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::ptrdiff_t>(p95_rank(values.size()) - 1);
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<std::size_t>(rank)];
}

Percentile percentile(const Grid& grid, Missing missing) {
  Percentile p;
  std::vector<u128> billed, low, high;
  for (const Cell& cell : grid.cells()) {
    if (!cell.held) continue;
    ++p.slots;
    if (!cell.measured) ++p.missing;
    const bool counts =
        cell.measured || (missing == Missing::spread && cell.spread) || missing == Missing::zero;
    if (counts) billed.push_back(cell.measured || missing == Missing::spread ? cell.value : 0);
    low.push_back(cell.low);
    high.push_back(cell.uncertain ? kNoBound : cell.value);
  }
  p.billed = at_rank(billed);
  p.low = std::min(at_rank(low), p.billed);
  if (!high.empty()) {
    const u128 bound = at_rank(high);
    if (bound != kNoBound) p.high = std::max(bound, p.billed);
  }
  return p;
}

Grid grid_of(const std::vector<const OwnedSeries*>& series, const Period& period, Ns slot) {
  Grid grid(period, slot);
  for (const OwnedSeries* s : series) grid.add(*s);
  return grid;
}

/// The higher of both; unbounded when one is.
Percentile higher(const Percentile& a, const Percentile& b) {
  Percentile p{std::max(a.billed, b.billed), std::max(a.low, b.low), std::nullopt,
               std::max(a.slots, b.slots), std::max(a.missing, b.missing)};
  if (a.high && b.high) p.high = std::max(*a.high, *b.high);
  return p;
}

Percentile of_direction(const Meter& meter, const MeterInput& input, const Period& period,
                        Ns slot) {
  const auto in = [&] { return grid_of(input.in, period, slot); };
  const auto out = [&] { return grid_of(input.out, period, slot); };
  switch (meter.direction) {
    case Direction::in:
      return percentile(in(), meter.missing);
    case Direction::out:
      return percentile(out(), meter.missing);
    case Direction::max_of_p95:
      return higher(percentile(in(), meter.missing), percentile(out(), meter.missing));
    case Direction::p95_of_max: {
      Grid grid = in();
      grid.take_higher(out());
      return percentile(grid, meter.missing);
    }
    case Direction::sum:
    case Direction::p95_of_sum:
      break;
  }
  std::vector<const OwnedSeries*> both = input.in;
  both.insert(both.end(), input.out.begin(), input.out.end());
  return percentile(grid_of(both, period, slot), meter.missing);
}

}  // namespace

void measure_p95(const Meter& meter, const MeterInput& input, const Period& period, Ns slot,
                 Measured& m) {
  const Percentile p = of_direction(meter, input, period, slot);
  m.base = Rational(p.billed);
  m.base_low = Rational(p.low);
  if (p.high) m.base_high = Rational(*p.high);
  m.slots = p.slots;
  m.missing = p.missing;
}

}  // namespace tallyman::rater
