#include "rater/rating/catalogue.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

template <typename T>
const T* with_id(const std::vector<T>& sorted, std::string_view id) {
  const auto at =
      std::lower_bound(sorted.begin(), sorted.end(), id,
                       [](const T& item, std::string_view key) { return item.id < key; });
  return at != sorted.end() && at->id == id ? &*at : nullptr;
}

void hash_instant(FieldHasher& hasher, Ns instant) {
  hasher.number(static_cast<std::uint64_t>(instant));
}

}  // namespace

const Meter* Catalogue::meter(std::string_view id) const { return with_id(meters, id); }
const Plan* Catalogue::plan(std::string_view id) const { return with_id(plans, id); }
const Customer* Catalogue::customer(std::string_view id) const { return with_id(customers, id); }

std::vector<std::string> Catalogue::metrics() const {
  std::vector<std::string> names;
  for (const Meter& meter : meters) {
    for (const std::string* name : {&meter.in, &meter.out, &meter.metric}) {
      if (!name->empty()) names.push_back(*name);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Period Catalogue::period_of(const Customer& customer, const Period& of_all) const {
  if (!period.monthly()) return of_all;
  return period_named(period, customer.zone, of_all.id).value_or(of_all);
}

Hash Catalogue::version() const {
  FieldHasher hasher;
  hasher.field("tallyman catalogue 1").field(currency).field(zone);
  hash_instant(hasher, period.length);
  hasher.number(meters.size());
  for (const Meter& meter : meters) hasher.field(meter.version());
  hasher.number(plans.size());
  for (const Plan& plan : plans) {
    hasher.field(plan.id).field(plan.currency).number(plan.items.size());
    for (const PlanItem& item : plan.items) {
      hasher.field(item.meter).field(item.allowance.exact());
      hasher.field(item.price ? item.price->exact() : "");
    }
  }
  hasher.number(customers.size());
  for (const Customer& customer : customers) {
    hasher.field(customer.id).field(customer.name).field(customer.plan).field(customer.zone);
    hash_instant(hasher, customer.from);
    hash_instant(hasher, customer.to);
  }
  hasher.number(resources.size());
  for (const Resource& resource : resources) {
    hasher.field(resource.customer).number(resource.match.globs.size());
    for (const auto& [label, glob] : resource.match.globs) hasher.field(label).field(glob);
    hash_instant(hasher, resource.from);
    hash_instant(hasher, resource.to);
  }
  return hasher.finish();
}

}  // namespace tallyman::rater
