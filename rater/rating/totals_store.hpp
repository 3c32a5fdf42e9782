#pragma once
// Where all usage of a closed period has gone, in the ledger: what conservation was checked on.
//
// Table: period_total(period, metric, source, unit, read, customers, nobody, elsewhere): quantities
// of sixteen bytes each, as in MetricTotal. The first version had one row for all sources of a
// metric: two that fail it in opposite directions conserve nothing, and agree.

#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rater/ledger/ledger.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

/// Makes its table; not inside a transaction.
[[nodiscard]] Status prepare_totals(Ledger& ledger);
/// Replaces a period's totals, inside the caller's transaction.
[[nodiscard]] Status store_totals(Database& db, const std::string& period,
                                  std::span<const MetricTotal> totals);
/// Ascending by metric and source; none of a period that was closed before they were kept.
[[nodiscard]] Result<std::vector<MetricTotal>> totals_of(Database& db, const std::string& period);

}  // namespace tallyman::rater
