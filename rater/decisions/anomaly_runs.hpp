#pragma once
// Anomalies as people decide on them, pure: a pool that holds more than there is room for does so
// at every reading, and nobody decides a thousand times on one fault. Rejected: to keep runs in the
// ledger (one that was decided on may not grow any more, and only decisions tell which; the figures
// of each reading would be lost as well).

#include <string>
#include <vector>

#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage_store.hpp"

namespace tallyman::rater {

/// Anomalies that follow each other, taken as one: from the first to the last, their values summed
/// up.
struct AnomalyRun {
  AnomalyContent content;
  std::vector<AnomalyContent> parts;  ///< ascending; at least one
};

/// Ascending. Of one view, readings without a break that tell of more than there is room for are a
/// run; everything else stands for itself. A run that was decided on stays as it was then, and what
/// came later begins another. Readings of several counters of one time are never joined: nothing
/// tells whose goes on.
[[nodiscard]] std::vector<AnomalyRun> runs_of(const std::vector<KeptAnomaly>& kept,
                                              const Decisions& decisions);

/// Those whose id begins so. A whole id names an open one also as it was when less was known; the
/// beginning of one would meet some of all those by chance.
[[nodiscard]] std::vector<AnomalyContent> runs_named(const std::vector<AnomalyRun>& runs,
                                                     const Decisions& decisions,
                                                     const std::string& id);

/// The decisions, with those parts of accepted runs in their place that reach into the span: each
/// counts where it was read.
[[nodiscard]] Decisions in_parts(Decisions decisions, const std::vector<AnomalyRun>& runs,
                                 const Span& span);

}  // namespace tallyman::rater
