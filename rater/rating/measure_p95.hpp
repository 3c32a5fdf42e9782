#pragma once
// The 95th percentile of slots: part of measure.cpp, on its own for its length.

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

/// Fills base, base_low, base_high, slots and missing.
///
/// A slot of one series: bytes as they are when all of it is known; bytes × slot ÷ known, floored,
/// when at least half is; else missing. It counts as measured when at least half of it was seen by
/// readings at their beat; one that is known by spreading a gap's bytes over it is what `missing`
/// decides on, as is one that is missing in all series. A slot of several series is the sum of what
/// is there.
///
/// Bounds: low puts nothing in place of what was not measured, high more than all else: as long as
/// the rank billed is below those, it is a bound.
void measure_p95(const Meter& meter, const MeterInput& input, const Period& period, Ns slot,
                 Measured& m);

}  // namespace tallyman::rater
