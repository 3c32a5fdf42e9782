#pragma once
// A period rated out of derived usage: what a close, running figures, replay and all other views
// have in common. A function of usage, catalogue, period, cut and the
// decisions that the cut ends with; it writes nothing.

#include <memory>
#include <string>

#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// The period's figures, or with `until` those of a running one. `usage` holds what the cut says
/// and may hold more; of the cut itself only marks and agents awaited count.
[[nodiscard]] Result<Rating> rate_period(UsageStore& usage, const Catalogue& catalogue,
                                         const Period& period, const Cut& cut,
                                         const Decisions& decisions, Ns until = kForever);

/// What a close stores under this cut. `source` names the ledger: record_source().
[[nodiscard]] Result<Drafts> drafts_of(UsageStore& usage, const Catalogue& catalogue,
                                       const Period& period, Cut cut, const Decisions& decisions,
                                       const std::string& source);

/// The `source` of a ledger's events: "/tallyman/<ledger id>".
[[nodiscard]] std::string record_source(const Ledger& ledger);

/// The decisions as they count in a span: without accepted disagreements of witnesses that reach
/// into it and are no more (usage that came later has settled them, and counts itself), and with
/// the parts of accepted runs.
[[nodiscard]] Result<Decisions> standing(UsageStore& usage, Decisions decisions, const Span& span);

/// What the period's rating reads, with what accepted anomalies come to. The store outlives it, and
/// derives nothing meanwhile.
[[nodiscard]] Result<std::unique_ptr<UsageSource>> rated_usage(UsageStore& usage,
                                                               const Catalogue& catalogue,
                                                               const Period& period,
                                                               const Decisions& decisions,
                                                               Ns until = kForever);

}  // namespace tallyman::rater
