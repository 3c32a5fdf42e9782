#include "rater/decisions/known_series.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace tallyman::rater {

Result<Catalogue> read_known(UsageStore& usage, PeriodStore& periods, Ns now,
                             const ReadCatalogue& read, app::ConfigErrors& errors) {
  Catalogue catalogue = read({}, errors);
  if (!errors.empty()) return catalogue;
  std::set<std::string> metrics;
  for (const Meter& meter : catalogue.meters) {
    if (meter.measure == Measure::p95) metrics.insert({meter.metric, meter.in, meter.out});
  }
  metrics.erase("");
  if (metrics.empty()) return catalogue;
  const std::vector<std::string> names(metrics.begin(), metrics.end());
  const auto closed = periods.latest();
  if (!closed.ok()) return closed.error();
  const Ns since = *closed ? (*closed)->period.end : 0;
  const auto known = usage.source(names, since, std::max(now, since) + kDay);
  if (!known.ok()) return known.error();
  std::vector<ViewFacts> coarse;
  for (const ViewFacts& view : (*known)->views()) {
    if (view.resolution > usage.slot()) coarse.push_back(view);
  }
  if (coarse.empty()) return catalogue;
  return read(coarse, errors);
}

}  // namespace tallyman::rater
