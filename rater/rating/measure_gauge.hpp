#pragma once
// Levels of stored bytes: peak, p95 and daily snapshots of gauges. Part of measure.cpp, on its own
// for its length.

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

/// Fills base, base_low, base_high, slots and missing; all in bytes.
///
/// The grain is the slot. A slot of one series: for `peak` the highest value held in it; else the
/// mean over what is known, floored as byte-nanoseconds of a full slot, when at least half is; else
/// missing. Who holds half of a slot or more has it. A slot of several series is the sum of what is
/// there; it is missing when it is in all of them.
///
/// peak: the highest slot. p95: the slot of that rank; `missing` as for counters. daily_snapshot:
/// the mean of the slots that hold the local instants; those that are missing are left out.
///
/// Bounds: low counts what is unknown as nothing. high takes a series where it is unknown to hold
/// as much as its peak; nobody can say for one that was never read.
void measure_gauge(const Meter& meter, const std::vector<const OwnedSeries*>& series,
                   const Period& period, const std::string& zone, Ns slot, Measured& m);

}  // namespace tallyman::rater
