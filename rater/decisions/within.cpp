#include "rater/decisions/within.hpp"

#include <algorithm>
#include <set>

#include "rater/rating/close.hpp"

namespace tallyman::rater {

namespace {

Catalogue within(Catalogue catalogue, const Period& period) {
  const Span all = usage_span(catalogue, period);
  const auto clip = [](auto& item, const Span& span) {
    item.from = std::max(item.from, span.from);
    item.to = std::min(item.to, span.to);
    return item.from >= item.to;
  };
  std::set<std::string> customers, plans;
  std::erase_if(catalogue.customers, [&](Customer& customer) {
    const Period theirs = catalogue.period_of(customer, period);
    customer.name.clear();  // no record has it
    std::erase_if(customer.plans, [&](PlanSpan& plan) {
      return clip(plan, {theirs.start, theirs.end});
    });
    return clip(customer, {theirs.start, theirs.end});
  });
  for (const Customer& customer : catalogue.customers) {
    customers.insert(customer.id);
    for (const PlanSpan& plan : customer.plans) plans.insert(plan.plan);
  }
  std::erase_if(catalogue.resources, [&](Resource& resource) {
    return clip(resource, all) || !customers.contains(resource.customer);
  });
  std::erase_if(catalogue.plans, [&](const Plan& plan) { return !plans.contains(plan.id); });
  std::set<std::string> meters;
  for (const Plan& plan : catalogue.plans) {
    for (const PlanItem& item : plan.items) meters.insert(item.meter);
  }
  std::erase_if(catalogue.meters, [&](const Meter& meter) { return !meters.contains(meter.id); });
  return catalogue;
}

}  // namespace

bool same_within(const Catalogue& a, const Catalogue& b, const Period& period) {
  return within(a, period).version() == within(b, period).version();
}

}  // namespace tallyman::rater
