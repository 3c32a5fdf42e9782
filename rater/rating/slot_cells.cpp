#include "rater/rating/slot_cells.hpp"

#include <algorithm>
#include <iterator>

namespace tallyman::rater {

SlotCells::SlotCells(Of of, const Period& period, Ns slot)
    : of_(of),
      slot_(slot),
      first_(slot_at(period.start)),
      cells_(static_cast<std::size_t>(slot_at(period.end - 1) - first_ + 1)) {}

std::int64_t SlotCells::slot_at(Ns instant) const {
  return instant / slot_ - (instant % slot_ < 0 ? 1 : 0);
}

void SlotCells::add(const OwnedSeries& series) {
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
  constexpr u128 kBytesInMbit = 125'000;
  const auto slot = static_cast<u128>(slot_);
  const u128 most = of_ == Of::peaks   ? u128{peak}
                    : of_ == Of::means ? u128{peak} * slot
                                       : kBytesInMbit * series.mbit * slot / u128{kSecond};
  const bool bounded = of_ == Of::growth ? series.mbit > 0 : read;
  for (std::size_t at = 0; at < cells_.size(); ++at) {
    if (known_[at].held * 2 >= slot_) put(known_[at], most, bounded, cells_[at]);
  }
}

void SlotCells::take_higher(const SlotCells& other) {
  for (std::size_t at = 0; at < cells_.size(); ++at) {
    SlotCell& mine = cells_[at];
    const SlotCell& theirs = other.cells_[at];
    mine.value = std::max(mine.value, theirs.value);
    mine.low = std::max(mine.low, theirs.low);
    mine.high = std::max(mine.high, theirs.high);
    mine.held |= theirs.held;
    mine.measured |= theirs.measured;
    mine.spread |= theirs.spread;
    mine.boundless |= theirs.boundless;
  }
}

std::vector<SlotCell> SlotCells::held() const {
  std::vector<SlotCell> cells;
  std::copy_if(cells_.begin(), cells_.end(), std::back_inserter(cells),
               [](const SlotCell& cell) { return cell.held; });
  return cells;
}

std::vector<SlotCell> SlotCells::held_at(const std::vector<Ns>& instants) const {
  std::vector<SlotCell> cells;
  for (const Ns instant : instants) {
    const SlotCell& cell = cells_[static_cast<std::size_t>(slot_at(instant) - first_)];
    if (cell.held) cells.push_back(cell);
  }
  return cells;
}

void SlotCells::hold(const Span& span) {
  for (Ns from = span.from; from < span.to;) {
    const std::int64_t slot = slot_at(from);
    const Ns to = std::min(span.to, (slot + 1) * slot_);
    known_[static_cast<std::size_t>(slot - first_)].held += to - from;
    from = to;
  }
}

void SlotCells::put(const Known& known, u128 most, bool bounded, SlotCell& cell) const {
  const bool some = of_ == Of::peaks ? known.covered > 0 : known.covered * 2 >= slot_;
  u128 value = 0;
  bool measured = some;
  if (some && of_ == Of::peaks) {
    value = known.peak;
    cell.low += value;
  } else if (some) {
    const auto covered = static_cast<u128>(std::min(known.covered, slot_));
    value = mul_div(known.amount, static_cast<u128>(slot_), covered).value_or(0);
    measured = (known.covered - known.estimated) * 2 >= slot_;
    if (measured) cell.low += known.amount;
  }
  // Of a counter half a slot tells nothing of the other half, and a guessed shape has any height.
  const bool complete =
      of_ == Of::growth ? measured && known.covered >= slot_ : some && known.covered >= known.held;
  cell.held = true;
  cell.measured |= measured;
  cell.spread |= some && !measured;
  cell.value += value;
  cell.high += complete ? value : std::max(value, most);
  cell.boundless |= !complete && !bounded;
}

}  // namespace tallyman::rater
