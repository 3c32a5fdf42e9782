#pragma once
// What a p95 of counters comes to at most: part of measure.cpp.

#include <optional>

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

/// Bytes in a slot: the p95 by the meter's direction, had every line run at its full speed in each
/// slot of it that was not measured whole. Nothing when more slots than a p95 discards are of lines
/// whose speed is not known.
[[nodiscard]] std::optional<u128> p95_at_line_speed(const Meter& meter, const MeterInput& input,
                                                    const Period& period, Ns slot);

}  // namespace tallyman::rater
