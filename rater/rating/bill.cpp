#include "rater/rating/bill.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "rater/rating/price.hpp"
#include "rater/rating/segment.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShownDecimals = 9;  ///< of quantities: bytes are exact in GB
constexpr unsigned kShareDecimals = 6;  ///< of coverage
constexpr unsigned kRemainderDecimals = 12;

/// A quantity as it is billed, and its bounds.
struct Bounded {
  Rational billed, low;
  std::optional<Rational> high;
};

Bounded operator+(const Bounded& a, const Bounded& b) {
  Bounded sum{a.billed + b.billed, a.low + b.low, std::nullopt};
  if (a.high && b.high) sum.high = *a.high + *b.high;
  return sum;
}

Quantity texts(const Bounded& value) {
  Quantity q{value.billed.text(kShownDecimals), value.low.text(kShownDecimals), std::nullopt};
  if (value.high) q.high = value.high->text(kShownDecimals);
  return q;
}

Quantity base_texts(const Measured& m) { return texts({m.base, m.base_low, m.base_high}); }

Rational after_rules(const QuantityRules& rules, const Rational& quantity, const Rational& scale) {
  const std::vector<AppliedRule> applied = apply_rules(rules, quantity, scale);
  return applied.empty() ? quantity : applied.back().after;
}

Bounded measured_of(const Measured& m) { return {m.quantity(), m.low(), m.high()}; }

Bounded after_rules(const QuantityRules& rules, const Bounded& q, const Rational& scale) {
  Bounded out{after_rules(rules, q.billed, scale), after_rules(rules, q.low, scale), std::nullopt};
  if (q.high) out.high = after_rules(rules, *q.high, scale);
  return out;
}

/// A part with its figures, still exact.
struct Part {
  BilledPart of;
  Rational share;  ///< of the period
  Measured measured;
  Bounded quantity;
  Rational allowance, overuse;
  std::vector<ChargeLine> lines;
  Bounded amount;  ///< prorated; of no matter without prices
};

/// What of a line is prorated: scale of what adds up over time, share of a level's charge.
struct Proration {
  Rational scale, charge;
};

Proration proration_of(const Meter& meter, const Rational& share) {
  return meter.level() ? Proration{Rational(1), share} : Proration{share, Rational(1)};
}

Part part_of(const Line& line, const BilledPart& of, Measured measured) {
  Part part{of, {}, std::move(measured), {}, {}, {}, {}, {}};
  part.share = Rational(static_cast<u128>(of.active.to - of.active.from),
                        static_cast<u128>(line.period.end - line.period.start));
  const Proration prorated = proration_of(line.meter, part.share);
  part.quantity = after_rules(line.meter.rules, measured_of(part.measured), prorated.scale);
  return part;
}

void price(const Line& line, Part& part) {
  const PlanItem& item = *part.of.item;
  const Proration prorated = proration_of(line.meter, part.share);
  part.allowance = item.allowance * prorated.scale;
  part.overuse = overuse_of(part.quantity.billed, part.allowance);
  if (!item.priced()) return;
  const auto cost = [&](const Rational& quantity) {
    Rational sum;
    const Rational overuse = overuse_of(quantity, part.allowance);
    for (const ChargeLine& each : charge_of(item, overuse, prorated.scale)) {
      sum = sum + each.amount();
    }
    return sum * prorated.charge;
  };
  part.lines = charge_of(item, part.overuse, prorated.scale);
  part.amount = {cost(part.quantity.billed), cost(part.quantity.low), std::nullopt};
  if (part.quantity.high) part.amount.high = cost(*part.quantity.high);
}

Segment segment_of(const Line& line, const Part& part) {
  Segment segment;
  segment.plan = part.of.plan->id;
  segment.active = part.of.active;
  segment.share = part.share.exact_decimal();
  segment.measured = texts(measured_of(part.measured));
  segment.quantity = texts(part.quantity);
  segment.base = base_texts(part.measured);
  segment.slots = part.measured.slots;
  segment.slots_missing = part.measured.missing;
  const Proration prorated = proration_of(line.meter, part.share);
  for (const AppliedRule& step :
       apply_rules(line.meter.rules, part.measured.quantity(), prorated.scale)) {
    segment.rules.push_back({step.rule, step.value.text(kShownDecimals),
                             step.before.text(kShownDecimals), step.after.text(kShownDecimals)});
  }
  segment.allowance = part.allowance.text(kShownDecimals);
  segment.overuse = part.overuse.text(kShownDecimals);
  if (!part.of.item->priced()) return segment;
  segment.pricing = pricing_name(part.of.item->pricing);
  for (const ChargeLine& each : part.lines) {
    segment.tiers.push_back(
        {each.quantity.exact_decimal(), each.price.exact_decimal(), each.amount().exact_decimal()});
  }
  segment.amount = part.amount.billed.exact_decimal();
  return segment;
}

void describe(const Line& line, UsageRecord& record) {
  const Meter& meter = line.meter;
  record.customer = line.customer.id;
  record.meter = meter.id;
  record.period = line.period;
  record.measure = measure_name(meter.measure);
  record.unit = meter.unit.name;
  record.base_unit = base_unit(meter);
  const bool p95 = meter.measure == Measure::p95;
  if (meter.of_gauges()) {
    record.stored = stored_name(meter.stored);
    if (meter.copies) record.copies = meter.copies->exact_decimal();
  } else {
    record.direction = direction_name(meter.direction);
  }
  if (meter.measure == Measure::time_weighted) record.hours = hours_name(meter.hours);
  if (meter.measure == Measure::daily_snapshot) {
    record.snapshot = (meter.snapshot_hour < 10 ? "0" : "") + std::to_string(meter.snapshot_hour);
    record.snapshot += ":00 " + line.customer.zone;
  }
  if (p95) record.missing = missing_name(meter.missing);
  if (p95 || meter.measure == Measure::peak) record.aggregate = aggregate_name(meter.aggregate);
  if (meter.level()) {
    record.plan_change = plan_change_name(meter.plan_change);
    record.slot = line.slot;
  }
  record.meter_version = meter.version();
}

/// Of all parts; of levels the mean by time.
Rational together(const std::vector<Part>& parts, bool level, Rational Part::*figure) {
  Rational sum, time;
  for (const Part& part : parts) {
    sum = sum + (level ? part.*figure * part.share : part.*figure);
    time = time + part.share;
  }
  return level ? sum / time : sum;
}

void charge(const std::vector<Part>& parts, UsageRecord& record) {
  Bounded exact{{}, {}, Rational()};
  const Part* priced = nullptr;
  for (const Part& part : parts) {
    if (!part.of.item->priced()) continue;
    exact = exact + part.amount;
    priced = &part;
  }
  if (priced == nullptr) return;
  const Plan& plan = *priced->of.plan;
  const auto rounded = [&](const Rational& amount) {
    return amount_of(amount, plan.currency, plan.rounding);
  };
  Money money;
  money.currency = plan.currency;
  if (parts.size() == 1 && priced->of.item->pricing == Pricing::flat) {
    money.price = priced->of.item->price->exact_decimal();
  }
  const Amount amount = rounded(exact.billed);
  money.amount = amount.text;
  money.remainder = amount.remainder.text(kRemainderDecimals);
  money.rounding = rounding_name(plan.rounding);
  money.low = rounded(exact.low).text;
  if (exact.high) money.high = rounded(*exact.high).text;
  record.money = std::move(money);
}

/// Those of a customer's plans that are in force within the period.
std::vector<std::pair<const Plan*, Span>> plans_in(const Catalogue& catalogue,
                                                   const Customer& customer, const Period& period) {
  std::vector<std::pair<const Plan*, Span>> plans;
  for (const PlanSpan& span : customer.plans) {
    const Span active{std::max({span.from, customer.from, period.start}),
                      std::min({span.to, customer.to, period.end})};
    const Plan* plan = catalogue.plan(span.plan);
    if (plan != nullptr && active.from < active.to) plans.emplace_back(plan, active);
  }
  return plans;
}

/// What the record bills.
Bounded quantity_of(const Line& line, const std::vector<Part>& parts, const Measured& whole) {
  if (parts.size() > 1 && line.meter.level()) {
    return after_rules(line.meter.rules, measured_of(whole), Rational(1));
  }
  Bounded sum = parts.front().quantity;
  for (std::size_t i = 1; i < parts.size(); ++i) sum = sum + parts[i].quantity;
  return sum;
}

/// A person's figure takes the computed one's place before it is priced.
void correct(const Line& line, const Correction* correction, std::vector<Part>& parts,
             Bounded& quantity, UsageRecord& record) {
  if (correction == nullptr) return;
  const auto figure = Rational::from_text(correction->quantity);
  if (!figure) return;
  record.computed = quantity.billed.text(kShownDecimals);
  record.corrected_by = correction->decision;
  Rational time;
  for (const Part& part : parts) time = time + part.share;
  for (Part& part : parts) {
    Rational& mine = part.quantity.billed;
    if (line.meter.level()) {
      mine = *figure;
    } else if (quantity.billed.zero()) {
      mine = *figure * part.share / time;
    } else {
      mine = *figure * mine / quantity.billed;
    }
  }
  quantity.billed = *figure;
}

/// Without series that waivers leave out whole: they are none to be measured, nor unknown.
MeterInput held_of(MeterInput input) {
  const auto out = [](const OwnedSeries* series) { return series->held.empty(); };
  std::erase_if(input.in, out);
  std::erase_if(input.out, out);
  return input;
}

/// The figures of every part, and of the whole time of all of them.
std::vector<Part> measure_parts(const Line& line, const std::vector<BilledPart>& of,
                                const MeterInput& input, Measured& whole) {
  const Meter& meter = line.meter;
  std::optional<Span> month;
  if (line.catalogue.period.monthly()) month = Span{line.period.start, line.period.end};
  const auto measured = [&](const MeterInput& of_time) {
    return measure(meter, of_time, line.period, line.customer.zone, line.slot, month);
  };
  std::vector<Span> spans;
  for (const BilledPart& part : of) spans.push_back(part.active);
  whole = measured(throughout(line, of) ? held_of(input) : CutInput(input, spans).view());
  const bool apart = of.size() > 1 && !(meter.level() && meter.plan_change == PlanChange::whole);
  std::vector<Part> parts;
  for (const BilledPart& part : of) {
    parts.push_back(
        part_of(line, part, apart ? measured(CutInput(input, {part.active}).view()) : whole));
  }
  return parts;
}

}  // namespace

bool throughout(const Line& line, const std::vector<BilledPart>& of) {
  return of.front().active.from <= std::max(line.period.start, line.customer.from) &&
         of.back().active.to >= std::min(line.period.end, line.customer.to) &&
         std::adjacent_find(of.begin(), of.end(), [](const BilledPart& a, const BilledPart& b) {
           return a.active.to != b.active.from;
         }) == of.end();
}

std::vector<BilledPart> billed_parts(const Line& line) {
  std::vector<BilledPart> parts;
  for (const auto& [plan, active] : plans_in(line.catalogue, line.customer, line.period)) {
    const PlanItem* item = plan->item(line.meter.id);
    if (item != nullptr) parts.push_back({plan, item, active});
  }
  return parts;
}

std::vector<const Meter*> billed_meters(const Catalogue& catalogue, const Customer& customer,
                                        const Period& period) {
  std::map<std::string, const Meter*> meters;
  for (const auto& [plan, active] : plans_in(catalogue, customer, period)) {
    for (const PlanItem& item : plan->items) {
      if (const Meter* meter = catalogue.meter(item.meter)) meters.emplace(meter->id, meter);
    }
  }
  std::vector<const Meter*> all;
  for (const auto& [id, meter] : meters) all.push_back(meter);
  return all;
}

UsageRecord bill(const Line& line, const std::vector<BilledPart>& of, const MeterInput& input,
                 const Correction* correction) {
  Measured whole;
  std::vector<Part> parts = measure_parts(line, of, input, whole);
  UsageRecord record;
  describe(line, record);
  record.plan = of.back().plan->id;
  record.active = {of.front().active.from, of.back().active.to};
  record.coverage = whole.coverage.floored(kShareDecimals);
  record.estimated = whole.estimated.text(kShareDecimals);
  record.series = whole.series;
  record.slots = whole.slots;
  record.slots_missing = whole.missing;
  record.measured = texts(measured_of(whole));
  Bounded quantity = quantity_of(line, parts, whole);
  correct(line, correction, parts, quantity, record);
  record.quantity = texts(quantity);
  if (record.computed) whole.base = quantity.billed * whole.per_unit;
  record.base = base_texts(whole);
  for (Part& part : parts) price(line, part);
  const bool level = line.meter.level();
  record.allowance = together(parts, level, &Part::allowance).text(kShownDecimals);
  record.overuse = together(parts, level, &Part::overuse).text(kShownDecimals);
  for (const Part& part : parts) record.segments.push_back(segment_of(line, part));
  charge(parts, record);
  return record;
}

}  // namespace tallyman::rater
