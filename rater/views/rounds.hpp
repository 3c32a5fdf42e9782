#pragma once
// A released period's rounds of adjustments, rated again: what a round stores is a function of its
// own cut and catalogue, and of what stood before it.

#include <string>
#include <vector>

#include "rater/decisions/adjustment_store.hpp"
#include "rater/rerate.hpp"

namespace tallyman::rater {

/// A round, and the records as they stood when it was drafted.
struct StandingRound {
  AdjustmentRound round;
  std::vector<RecordVersion> before;
  Cut previous;  ///< that those were rated under: the period's, or the last released round's
};

/// All of a period, by revision; a draft comes last.
[[nodiscard]] Result<std::vector<StandingRound>> rounds_of(Snapshot& snapshot,
                                                           const std::string& period);

/// The period as a round rated it: by the round's catalogue.
[[nodiscard]] ClosedPeriod period_of(const ClosedPeriod& closed, const AdjustmentRound& round);

/// What the round stores when its cut comes to these records. `source` is record_source(). Pure.
[[nodiscard]] std::vector<Message> round_messages(const StandingRound& round, const Period& period,
                                                  const std::vector<Message>& records,
                                                  const std::string& source);

}  // namespace tallyman::rater
