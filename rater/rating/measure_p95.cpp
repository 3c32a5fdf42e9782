#include "rater/rating/measure_p95.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <vector>

namespace tallyman::rater {

namespace {

constexpr u128 kNoBound = ~u128{0};

/// What a piece comes to when all of its slot were like what is known of it.
std::optional<u128> full_slot(const Piece& piece, Ns slot) {
  if (piece.covered * 2 < slot) return std::nullopt;
  if (piece.covered >= slot) return piece.amount;
  return mul_div(piece.amount, static_cast<u128>(slot), static_cast<u128>(piece.covered));
}

/// The slots of a period, and what the series of a direction put into them: columns, since most of
/// the work is to add up neighbours.
class Grid {
 public:
  enum : unsigned {
    kHeld = 1,
    kMeasured = 2,   ///< in at least one series
    kSpread = 4,     ///< in at least one, and none measured matters less
    kUncertain = 8,  ///< nothing bounds it from above
  };

  Grid(const Period& period, Ns slot)
      : slot_(slot),
        first_(floor_div(period.start, slot)),
        value_(static_cast<std::size_t>(floor_div(period.end - 1, slot) - first_ + 1)),
        low_(value_.size()),
        flags_(value_.size()) {}

  void add(const OwnedSeries& series) {
    held_.assign(size(), 0);
    known_.assign(size(), 0);
    for (const Span& span : series.held) hold(span);
    // A slot that the owner holds in two parts is put together again first.
    std::optional<Piece> open;
    const auto finish = [&] {
      if (open) put(*open);
      open.reset();
    };
    series.pieces.visit(
        [&](const WholeSlots& slots) {
          finish();
          put(slots);
        },
        [&](const Piece& piece) {
          if (open && open->slot == piece.slot) {
            open->amount += piece.amount;
            open->covered += piece.covered;
            open->estimated += piece.estimated;
          } else {
            finish();
            open = piece;
          }
        });
    finish();
    for (std::size_t at = 0; at < size(); ++at) {
      if (held_[at] * 2 < slot_) continue;
      mark(at, kHeld);
      if (known_[at] == 0) mark(at, kUncertain);
    }
  }

  /// Slot by slot the higher of two directions.
  void take_higher(const Grid& other) {
    for (std::size_t at = 0; at < size(); ++at) {
      value_[at] = std::max(value_[at], other.value_[at]);
      low_[at] = std::max(low_[at], other.low_[at]);
      mark(at, other.flags_[at]);
    }
  }

  [[nodiscard]] std::size_t size() const { return value_.size(); }
  [[nodiscard]] u128 value(std::size_t at) const { return value_[at]; }  ///< best estimate
  [[nodiscard]] u128 low(std::size_t at) const { return low_[at]; }
  [[nodiscard]] bool has(std::size_t at, unsigned flag) const { return (flags_[at] & flag) != 0; }

 private:
  void mark(std::size_t at, unsigned flag) {
    flags_[at] = static_cast<std::uint8_t>(flags_[at] | flag);
  }
  static std::int64_t floor_div(Ns a, Ns b) { return a / b - (a % b < 0 ? 1 : 0); }

  void hold(const Span& span) {
    auto at = static_cast<std::size_t>(floor_div(span.from, slot_) - first_);
    for (Ns from = span.from; from < span.to; ++at) {
      const Ns to = std::min(span.to, (first_ + static_cast<std::int64_t>(at) + 1) * slot_);
      held_[at] += to - from;
      from = to;
    }
  }

  void put(const WholeSlots& slots) {
    auto at = static_cast<std::size_t>(slots.slot - first_);
    for (std::size_t i = 0; i < slots.size(); ++i, ++at) {
      if (held_[at] * 2 < slot_) continue;
      const u128 amount = slots.amount(i);
      value_[at] += amount;
      low_[at] += amount;
      mark(at, kMeasured);
      known_[at] = 1;
    }
  }

  void put(const Piece& piece) {
    const auto at = static_cast<std::size_t>(piece.slot - first_);
    if (held_[at] * 2 < slot_) return;
    const std::optional<u128> value = full_slot(piece, slot_);
    if (!value) return;
    const bool measured = (piece.covered - piece.estimated) * 2 >= slot_;
    value_[at] += *value;
    mark(at, measured ? kMeasured : kSpread);
    if (measured) low_[at] += piece.amount;
    if (!measured || piece.covered < slot_) mark(at, kUncertain);
    known_[at] = 1;
  }

  Ns slot_;
  std::int64_t first_;
  std::vector<u128> value_, low_;
  std::vector<std::uint8_t> flags_;
  std::vector<Ns> held_;             ///< of the series that is added
  std::vector<std::uint8_t> known_;  ///< of it, whether it has put something
};

struct Percentile {
  u128 billed = 0, low = 0;
  std::optional<u128> high;
  std::uint64_t slots = 0, missing = 0;
};

/// The value that `rank` others, from 0, are not above: those that share its upper bits are found
/// by counting, and only they are put in order.
std::uint64_t nth(const std::vector<std::uint64_t>& values, std::size_t rank) {
  constexpr unsigned kBits = 10;
  const std::uint64_t most = *std::max_element(values.begin(), values.end());
  const auto width = static_cast<unsigned>(std::bit_width(most));
  const unsigned shift = width > kBits ? width - kBits : 0;
  std::array<std::size_t, std::size_t{1} << kBits> counts{};
  for (const std::uint64_t value : values) ++counts[value >> shift];
  std::size_t bucket = 0;
  for (; rank >= counts[bucket]; ++bucket) rank -= counts[bucket];
  std::vector<std::uint64_t> near;
  near.reserve(counts[bucket]);
  for (const std::uint64_t value : values) {
    if (value >> shift == bucket) near.push_back(value);
  }
  const auto at = near.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(near.begin(), at, near.end());
  return *at;
}

u128 at_rank(std::vector<u128>& values) {
  if (values.empty()) return 0;
  const std::size_t rank = p95_rank(values.size()) - 1;
  u128 bits = 0;
  for (const u128 value : values) bits |= value;
  if (bits >> 64U == 0) {
    std::vector<std::uint64_t> narrow(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      narrow[i] = static_cast<std::uint64_t>(values[i]);
    }
    return nth(narrow, rank);
  }
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Percentile percentile(const Grid& grid, Missing missing) {
  Percentile p;
  std::vector<u128> billed, low, high;
  bool exact = true;  // what is billed is its own bounds
  for (std::vector<u128>* values : {&billed, &low, &high}) values->reserve(grid.size());
  for (std::size_t at = 0; at < grid.size(); ++at) {
    if (!grid.has(at, Grid::kHeld)) continue;
    const bool measured = grid.has(at, Grid::kMeasured);
    const bool uncertain = grid.has(at, Grid::kUncertain);
    ++p.slots;
    if (!measured) ++p.missing;
    const bool counts = measured || missing == Missing::zero ||
                        (missing == Missing::spread && grid.has(at, Grid::kSpread));
    const u128 value = grid.value(at);
    if (counts) billed.push_back(measured || missing == Missing::spread ? value : 0);
    low.push_back(grid.low(at));
    high.push_back(uncertain ? kNoBound : value);
    exact = exact && measured && !uncertain && grid.low(at) == value;
  }
  p.billed = at_rank(billed);
  p.low = exact ? p.billed : std::min(at_rank(low), p.billed);
  if (!high.empty()) {
    const u128 bound = exact ? p.billed : at_rank(high);
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
