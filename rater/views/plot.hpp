#pragma once
// What a customer's usage looked like over a period, decimated for the eye: a row of buckets, each
// with its highest slot, so that no peak is ever hidden. Pure. For showing only: nothing that is
// billed is worked out from it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

/// Of several slots next to each other, in the meter's unit: decimal texts of six places.
struct PlotPoint {
  std::string peak;  ///< the highest slot; empty = nothing is known of any
  std::string mean;  ///< of the slots known
  friend bool operator==(const PlotPoint&, const PlotPoint&) = default;
};

struct PlotLine {
  std::string name;  ///< "in", "out", "sum", "higher", "held"
  std::vector<PlotPoint> points;
  friend bool operator==(const PlotLine&, const PlotLine&) = default;
};

struct Plot {
  std::string unit;  ///< "Mbit/s", "GB" (of one slot), "GiB"
  Ns from = 0, step = 0;
  std::vector<PlotLine> lines;
  friend bool operator==(const Plot&, const Plot&) = default;
};

constexpr std::size_t kPlotPoints = 480;

/// Of the slots that [span.from, span.to) touches, in at most `points` buckets.
[[nodiscard]] Plot plot_of(const Meter& meter, const MeterInput& input, const Span& span, Ns slot,
                           std::size_t points = kPlotPoints);

}  // namespace tallyman::rater
