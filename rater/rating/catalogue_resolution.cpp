// A p95 on series that are read less often than once a slot: slots of them would be made up.

#include <algorithm>
#include <map>
#include <set>

#include "base/time_text.hpp"
#include "rater/rating/catalogue_draft.hpp"
#include "rater/rating/catalogue_known.hpp"
#include "rater/rating/claims.hpp"

namespace tallyman::rater {

namespace {

/// The key of a meter by which it reads a metric; null when it does not.
const char* key_of(const Meter& meter, const std::string& metric) {
  if (meter.of_gauges()) return metric == meter.metric ? "metric" : nullptr;
  if (meter.direction != Direction::out && metric == meter.in) return "in";
  return meter.direction != Direction::in && metric == meter.out ? "out" : nullptr;
}

/// Ids of the customers that have a plan with the meter.
std::set<std::string> metered_by(const CatalogueDraft& draft, const std::string& meter) {
  std::set<std::string> plans, customers;
  for (const Placed<Plan>& plan : draft.plans) {
    if (plan.value.item(meter) != nullptr) plans.insert(plan.value.id);
  }
  for (const Placed<Customer>& customer : draft.customers) {
    const auto& theirs = customer.value.plans;
    const bool has = std::any_of(theirs.begin(), theirs.end(),
                                 [&](const PlanSpan& span) { return plans.contains(span.plan); });
    if (has) customers.insert(customer.value.id);
  }
  return customers;
}

/// Who claims the view, by whatever labels it had: of these customers one; null when none does.
const Resource* claim_of(const CatalogueDraft& draft, const ViewFacts& view,
                         const std::set<std::string>& customers) {
  static const std::map<std::string, std::string> kNone;
  for (const Placed<Resource>& resource : draft.resources) {
    if (!customers.contains(resource.value.customer)) continue;
    const Selector& match = resource.value.match;
    const bool matches = match.matches(view.view.series, kNone) ||
                         std::any_of(view.info.begin(), view.info.end(), [&](const InfoSpan& info) {
                           return match.matches(view.view.series, info.labels);
                         });
    if (matches) return &resource.value;
  }
  return nullptr;
}

}  // namespace

void check_resolution(CatalogueDraft& draft, std::span<const ViewFacts> coarse, Ns slot) {
  for (Placed<Meter>& meter : draft.meters) {
    if (meter.value.measure != Measure::p95) continue;
    const std::set<std::string> customers = metered_by(draft, meter.value.id);
    std::set<std::string> told;
    for (const ViewFacts& view : coarse) {
      const char* key = key_of(meter.value, view.view.series.metric);
      if (key == nullptr || view.resolution <= slot || told.contains(key)) continue;
      const Resource* claim = claim_of(draft, view, customers);
      if (claim == nullptr) continue;
      told.insert(key);
      meter.table.complain(key,
                           "meter `" + meter.value.id + "` is a p95, and " +
                               series_text(view.view.series) + ", which `" + claim->customer +
                               "` claims, has one value in " + to_duration_text(view.resolution),
                           "a metric with a value in every slot of " + to_duration_text(slot) +
                               ", or another measure");
    }
  }
}

}  // namespace tallyman::rater
