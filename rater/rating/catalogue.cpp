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

void hash_amount(FieldHasher& hasher, const std::optional<Rational>& amount) {
  hasher.field(amount ? amount->exact() : "");
}

void hash_instant(FieldHasher& hasher, Ns instant) {
  hasher.number(static_cast<std::uint64_t>(instant));
}

void hash_plan(FieldHasher& hasher, const Plan& plan) {
  hasher.field(plan.id).field(plan.currency).field(rounding_name(plan.rounding));
  hasher.number(plan.items.size());
  for (const PlanItem& item : plan.items) {
    hasher.field(item.meter).field(item.allowance.exact()).field(pricing_name(item.pricing));
    hash_amount(hasher, item.price);
    hasher.field(item.package.exact()).number(item.tiers.size());
    for (const Tier& tier : item.tiers) {
      hash_amount(hasher, tier.up_to);
      hasher.field(tier.price.exact());
    }
  }
}

void hash_customer(FieldHasher& hasher, const Customer& customer) {
  hasher.field(customer.id).field(customer.name).field(customer.zone);
  hasher.number(customer.anchor.day).number(customer.anchor.hour);
  hasher.number(customer.plans.size());
  for (const PlanSpan& span : customer.plans) {
    hasher.field(span.plan);
    hash_instant(hasher, span.from);
    hash_instant(hasher, span.to);
  }
  hash_instant(hasher, customer.from);
  hash_instant(hasher, customer.to);
}

}  // namespace

const Meter* Catalogue::meter(std::string_view id) const { return with_id(meters, id); }
const Plan* Catalogue::plan(std::string_view id) const { return with_id(plans, id); }
const PlanItem* Plan::item(std::string_view meter) const {
  const auto at = std::find_if(items.begin(), items.end(),
                               [&](const PlanItem& item) { return item.meter == meter; });
  return at == items.end() ? nullptr : &*at;
}

const char* pricing_name(Pricing pricing) {
  switch (pricing) {
    case Pricing::flat:
      return "flat";
    case Pricing::graduated:
      return "graduated";
    case Pricing::volume:
      return "volume";
    case Pricing::package:
      break;
  }
  return "package";
}

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
  return period_named(period, customer.zone, of_all.id, customer.anchor).value_or(of_all);
}

Period Catalogue::running_period(const Customer& customer, Ns instant) const {
  Period all = period_at(period, zone, instant);
  while (period_of(customer, all).end <= instant) all = period_at(period, zone, all.end);
  while (period_of(customer, all).start > instant) all = period_at(period, zone, all.start - 1);
  return all;
}

Hash Catalogue::version() const {
  FieldHasher hasher;
  hasher.field("tallyman catalogue 2").field(currency).field(zone);
  hash_instant(hasher, period.length);
  hasher.number(meters.size());
  for (const Meter& meter : meters) hasher.field(meter.version());
  hasher.number(plans.size());
  for (const Plan& plan : plans) hash_plan(hasher, plan);
  hasher.number(customers.size());
  for (const Customer& customer : customers) hash_customer(hasher, customer);
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
