#pragma once
// What a record draws on, series by series: rating's slots, and raw readings beside them. Private
// to explain.cpp and explain_draw.cpp.

#include "rater/views/explain.hpp"

namespace tallyman::rater {

/// Fills meter, series, streams, figures and correction of an explanation whose record, period, cut
/// and slot are known. `usage` is the cut's.
[[nodiscard]] Status draw(Snapshot& snapshot, UsageStore& usage, const Catalogue& catalogue,
                          const Decisions& decisions, Explanation& explanation, Ns intervals_at,
                          const RerateProgress& progress);

}  // namespace tallyman::rater
