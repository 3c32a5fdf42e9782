#include "rater/rating/record.hpp"

#include <algorithm>
#include <set>

#include "rater/bus/record_routing.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/rating/price.hpp"

namespace tallyman::rater {

namespace {

void add(FieldHasher& hasher, Ns instant) { hasher.number(static_cast<std::uint64_t>(instant)); }

void add(FieldHasher& hasher, const Period& period) {
  hasher.field(period.id);
  add(hasher, period.start);
  add(hasher, period.end);
}

void add(FieldHasher& hasher, const Quantity& quantity) {
  hasher.field(quantity.billed).field(quantity.low);
  hasher.number(quantity.high ? 1 : 0).field(quantity.high.value_or(""));
}

void add(FieldHasher& hasher, const std::vector<std::string>& texts) {
  hasher.number(texts.size());
  for (const std::string& text : texts) hasher.field(text);
}

void add(FieldHasher& hasher, const Segment& segment) {
  hasher.field(segment.plan).field(segment.share);
  add(hasher, segment.active.from);
  add(hasher, segment.active.to);
  for (const Quantity* q : {&segment.measured, &segment.quantity, &segment.base}) add(hasher, *q);
  hasher.number(segment.slots).number(segment.slots_missing).number(segment.rules.size());
  for (const RuleStep& step : segment.rules) {
    hasher.field(step.rule).field(step.value).field(step.before).field(step.after);
  }
  hasher.field(segment.allowance).field(segment.overuse).field(segment.pricing);
  hasher.number(segment.tiers.size());
  for (const TierLine& line : segment.tiers) {
    hasher.field(line.quantity).field(line.price).field(line.amount);
  }
  hasher.field(segment.amount);
}

void add(FieldHasher& hasher, const Money& money) {
  hasher.field(money.currency).field(money.price).field(money.amount).field(money.remainder);
  hasher.field(money.rounding).field(money.low);
  hasher.number(money.high ? 1 : 0).field(money.high.value_or(""));
}

PeriodRecord sum_up(const std::vector<UsageRecord>& records, const std::string& customer,
                    const Period& period) {
  PeriodRecord sum;
  sum.customer = customer;
  sum.period = period;
  std::map<std::string, Rational> sums;
  FieldHasher ids;
  std::set<std::string> without;
  for (const UsageRecord& record : records) {
    if (!customer.empty() && record.customer != customer) continue;
    if (!customer.empty()) sum.period = record.period;
    without.insert(record.closed_without.begin(), record.closed_without.end());
    ++sum.records;
    ids.field(to_hex(record.id()));
    if (!record.money) continue;
    const Rational amount = Rational::from_text(record.money->amount).value_or(Rational());
    Rational& total = sums[record.money->currency];
    total = total + amount;
  }
  sum.ids = ids.finish();
  sum.closed_without.assign(without.begin(), without.end());
  for (const auto& [currency, total] : sums) {
    sum.sums[currency] = total.fixed(minor_unit_decimals(currency));
  }
  return sum;
}

}  // namespace

Hash UsageRecord::id() const {
  FieldHasher h;
  h.field("tallyman.usage.record.v1").field(customer).field(meter).field(plan);
  add(h, period);
  h.number(revision);
  add(h, active.from);
  add(h, active.to);
  h.field(measure).field(unit).field(direction).field(missing).field(hours);
  h.field(aggregate).field(snapshot).field(stored).field(copies).field(plan_change);
  add(h, slot);
  add(h, measured);
  add(h, quantity);
  h.field(base_unit);
  add(h, base);
  h.field(coverage).field(estimated).number(series).number(slots).number(slots_missing);
  h.field(allowance).field(overuse).number(segments.size());
  for (const Segment& segment : segments) add(h, segment);
  h.number(money ? 1 : 0);
  if (money) add(h, *money);
  h.field(catalogue_version).field(meter_version).field(evidence);
  add(h, closed_without);
  add(h, problems);
  if (!waived.empty()) h.field("waived").field(waived).field(waived_share);
  if (computed) h.field("corrected").field(*computed).field(corrected_by);
  return h.finish();
}

Hash PeriodRecord::id() const {
  FieldHasher h;
  h.field("tallyman.usage.period.v1").field(customer);
  add(h, period);
  h.number(revision).number(records).number(sums.size());
  for (const auto& [currency, sum] : sums) h.field(currency).field(sum);
  h.field(ids).field(catalogue_version).field(cut);
  add(h, closed_without);
  return h.finish();
}

std::vector<PeriodRecord> period_records(const std::vector<UsageRecord>& records,
                                         const Period& period, const Hash& catalogue,
                                         const Hash& cut, const std::vector<std::string>& without) {
  std::vector<PeriodRecord> sums;
  for (const UsageRecord& record : records) {
    if (sums.empty() || sums.back().customer != record.customer) {
      sums.push_back(sum_up(records, record.customer, period));
    }
  }
  sums.push_back(sum_up(records, "", period));
  for (PeriodRecord& sum : sums) {
    sum.catalogue_version = catalogue;
    sum.cut = cut;
    if (sum.customer.empty()) sum.closed_without = without;
  }
  return sums;
}

}  // namespace tallyman::rater
