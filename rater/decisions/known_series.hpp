#pragma once
// What the ledger knows of series that a catalogue asks for.

#include <functional>
#include <span>

#include "app/config.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// Reads a catalogue beside series that are known to be coarser than a slot.
using ReadCatalogue = std::function<Catalogue(std::span<const ViewFacts>, app::ConfigErrors&)>;

/// Reads it; once it says which metrics its p95s are about, again beside what the ledger has of
/// those, since the last closed period, that is read less often than once a slot, if there is any.
/// Of use only when `errors` stays empty. An error is the ledger's.
[[nodiscard]] Result<Catalogue> read_known(UsageStore& usage, PeriodStore& periods, Ns now,
                                           const ReadCatalogue& read, app::ConfigErrors& errors);

}  // namespace tallyman::rater
