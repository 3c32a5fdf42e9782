#pragma once
// Levels by hand: percentiles, peaks and daily snapshots of slots. Private to raw_measure.cpp and
// raw_level.cpp. Pure.

#include <vector>

#include "rater/views/raw_measure.hpp"

namespace tallyman::rater {

struct RawLevel {
  Rational base;  ///< as Measured::base
  std::uint64_t held = 0, missing = 0;
  std::vector<ExplainedRank> ranks;
};

/// Of `series`, whose slots lie in the period. The meter measures a level.
[[nodiscard]] RawLevel raw_level(const Line& line, const std::vector<RawHolding>& series);

}  // namespace tallyman::rater
