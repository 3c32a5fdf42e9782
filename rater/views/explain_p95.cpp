// A percentile by hand: slots of raw amounts, sorted, and the k-th of them.

#include <algorithm>
#include <map>

#include "rater/rating/measure.hpp"
#include "rater/views/explain.hpp"

namespace tallyman::rater {

namespace {

/// One slot of the whole customer.
struct Cell {
  u128 value = 0;
  bool held = false, measured = false, spread = false;
};
using Cells = std::map<Ns, Cell>;  ///< by the slot's start

/// What one series has of one slot, its parts together.
struct Known {
  u128 raw = 0;
  Ns held = 0, covered = 0, estimated = 0;
};

std::map<Ns, Known> known_of(const ExplainedSeries& series, Ns slot) {
  std::map<Ns, Known> known;
  for (const Span& span : series.held) {
    for (Ns at = span.from; at < span.to;) {
      const Ns begin = at / slot * slot, next = std::min(span.to, begin + slot);
      known[begin].held += next - at;
      at = next;
    }
  }
  for (const ExplainedSlot& part : series.slots) {
    Known& of = known[part.from / slot * slot];
    of.raw += part.raw;
    of.covered += part.covered;
    of.estimated += part.estimated;
  }
  return known;
}

/// At least half of a slot must be held, and known; what is partly known counts as if all of it
/// were like that.
void add(Cells& cells, const ExplainedSeries& series, Ns slot) {
  for (const auto& [begin, known] : known_of(series, slot)) {
    if (known.held * 2 < slot) continue;
    Cell& cell = cells[begin];
    cell.held = true;
    if (known.covered * 2 < slot) continue;
    const bool whole = known.covered >= slot;
    cell.value +=
        whole ? known.raw
              : mul_div(known.raw, static_cast<u128>(slot), static_cast<u128>(known.covered))
                    .value_or(0);
    ((known.covered - known.estimated) * 2 >= slot ? cell.measured : cell.spread) = true;
  }
}

ExplainedRank rank_of(const Cells& cells, Missing missing, std::string of) {
  ExplainedRank rank{.of = std::move(of)};
  std::vector<std::pair<u128, Ns>> values;
  for (const auto& [begin, cell] : cells) {
    if (!cell.held) continue;
    ++rank.held;
    const bool spread = missing == Missing::spread && cell.spread;
    if (cell.measured || spread) {
      values.emplace_back(cell.value, begin);
    } else if (missing == Missing::zero) {
      values.emplace_back(0, begin);
    }
  }
  std::sort(values.begin(), values.end());
  rank.slots = values.size();
  rank.left_out = rank.held - rank.slots;
  if (values.empty()) return rank;
  const std::uint64_t k = p95_rank(values.size());
  rank.discarded = values.size() - k;
  const auto place = [&](std::uint64_t at) {
    return ExplainedRank::Place{at, values[at - 1].second, values[at - 1].first};
  };
  rank.picked = place(k);
  if (k > 1) rank.below = place(k - 1);
  if (k < values.size()) rank.above = place(k + 1);
  return rank;
}

void take_higher(Cells& mine, const Cells& theirs) {
  for (const auto& [begin, cell] : theirs) {
    Cell& to = mine[begin];
    to.value = std::max(to.value, cell.value);
    to.held |= cell.held;
    to.measured |= cell.measured;
    to.spread |= cell.spread;
  }
}

}  // namespace

std::optional<u128> explain_p95(Explanation& e) {
  if (e.meter.measure != Measure::p95 || e.meter.of_gauges()) return std::nullopt;
  Cells in, out, both;
  for (const ExplainedSeries& series : e.series) {
    add(series.in ? in : out, series, e.slot);
    add(both, series, e.slot);
  }
  const Missing missing = e.meter.missing;
  switch (e.meter.direction) {
    case Direction::in:
      e.ranks = {rank_of(in, missing, "in")};
      break;
    case Direction::out:
      e.ranks = {rank_of(out, missing, "out")};
      break;
    case Direction::max_of_p95:
      e.ranks = {rank_of(in, missing, "in"), rank_of(out, missing, "out")};
      break;
    case Direction::p95_of_max:
      take_higher(in, out);
      e.ranks = {rank_of(in, missing, "the higher of in and out")};
      break;
    case Direction::sum:
    case Direction::p95_of_sum:
      e.ranks = {rank_of(both, missing, "in + out")};
      break;
  }
  u128 billed = 0;
  for (const ExplainedRank& rank : e.ranks) {
    if (rank.picked) billed = std::max(billed, rank.picked->value);
  }
  return billed;
}

}  // namespace tallyman::rater
