#include "rater/rating/rate_bound.hpp"

#include <algorithm>
#include <vector>

#include "rater/rating/slot_cells.hpp"

namespace tallyman::rater {

namespace {

std::optional<u128> bound_of(const SlotCells& cells) {
  std::vector<u128> high;
  for (const SlotCell& cell : cells.held()) {
    high.push_back(cell.boundless ? ~u128{0} : cell.high);
  }
  if (high.empty()) return std::nullopt;
  const auto rank = high.begin() + static_cast<std::ptrdiff_t>(p95_rank(high.size()) - 1);
  std::nth_element(high.begin(), rank, high.end());
  return *rank == ~u128{0} ? std::nullopt : std::optional(*rank);
}

}  // namespace

std::optional<u128> p95_at_line_speed(const Meter& meter, const MeterInput& input,
                                      const Period& period, Ns slot) {
  const auto cells_of = [&](const std::vector<const OwnedSeries*>& all) {
    SlotCells cells(SlotCells::Of::growth, period, slot);
    for (const OwnedSeries* series : all) cells.add(*series);
    return cells;
  };
  switch (meter.direction) {
    case Direction::in:
      return bound_of(cells_of(input.in));
    case Direction::out:
      return bound_of(cells_of(input.out));
    case Direction::max_of_p95: {
      const auto in = bound_of(cells_of(input.in)), out = bound_of(cells_of(input.out));
      return in && out ? std::optional(std::max(*in, *out)) : std::nullopt;
    }
    case Direction::p95_of_max: {
      SlotCells cells = cells_of(input.in);
      cells.take_higher(cells_of(input.out));
      return bound_of(cells);
    }
    case Direction::sum:
    case Direction::p95_of_sum:
      break;
  }
  std::vector<const OwnedSeries*> both = input.in;
  both.insert(both.end(), input.out.begin(), input.out.end());
  return bound_of(cells_of(both));
}

}  // namespace tallyman::rater
