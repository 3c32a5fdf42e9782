#pragma once
// Why a released record was adjusted, and by whom. Private to explain.cpp and explain_adjusted.cpp.

#include "rater/views/explain.hpp"
#include "rater/views/rounds.hpp"

namespace tallyman::rater {

/// Of an adjustment of that round: what it adjusts, what came between, and who released it.
[[nodiscard]] Result<ExplainedAdjustment> adjusted_by(Snapshot& snapshot,
                                                      const StandingRound& round,
                                                      const Message& adjustment);

}  // namespace tallyman::rater
