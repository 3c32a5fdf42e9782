#include "rater/views/raw_measure.hpp"

#include <algorithm>
#include <utility>

#include "rater/views/raw_level.hpp"

namespace tallyman::rater {

namespace {

Ns length_of(const Span& span) { return span.to - span.from; }

/// The part of a slot that a span cuts out of it, in proportion; what is cut is estimated.
ExplainedSlot part_of(const ExplainedSlot& slot, const Span& span) {
  ExplainedSlot part = slot;
  part.from = std::max(slot.from, span.from);
  part.to = std::min(slot.to, span.to);
  if (part.from == slot.from && part.to == slot.to) return part;
  const Ns whole = slot.to - slot.from;
  const auto share = [&](u128 amount) {
    return share_of(amount, part.from - slot.from, part.to - slot.from, whole);
  };
  const auto time = [&](Ns ns) { return static_cast<Ns>(share(static_cast<u128>(ns))); };
  part.raw = share(slot.raw);
  part.amount = share(slot.amount);
  part.absent = time(slot.absent);
  part.estimated = time(slot.covered - slot.absent);
  part.covered = part.absent + part.estimated;
  return part;
}

std::vector<RawHolding> within(const std::vector<RawHolding>& series,
                               const std::vector<Span>& spans) {
  std::vector<RawHolding> out;
  for (const RawHolding& each : series) {
    RawHolding mine{each.source, each.labels, each.in, {}, {}};
    for (const Span& span : spans) {
      for (const Span& held : each.held) {
        const Span part{std::max(held.from, span.from), std::min(held.to, span.to)};
        if (part.from < part.to) mine.held.push_back(part);
      }
      for (const ExplainedSlot& slot : each.slots) {
        if (slot.from < span.to && slot.to > span.from) mine.slots.push_back(part_of(slot, span));
      }
    }
    if (!mine.held.empty()) out.push_back(std::move(mine));
  }
  return out;
}

/// Up to the next whole increment, then at least the minimum, then at most the cap.
Rational by_rules(const QuantityRules& rules, Rational quantity, const Rational& scale) {
  if (rules.increment) quantity = (quantity / *rules.increment).ceiling() * *rules.increment;
  if (rules.minimum) quantity = std::max(quantity, *rules.minimum * scale);
  if (rules.cap) quantity = std::min(quantity, *rules.cap * scale);
  return quantity;
}

/// Base units in one of the meter's unit.
Rational per_unit(const Line& line) {
  const Meter& meter = line.meter;
  Rational scale(meter.unit.scale);
  if (meter.measure == Measure::time_weighted) {
    Ns month = 730 * kHour;
    if (meter.hours == Hours::actual && line.catalogue.period.monthly()) {
      month = line.period.end - line.period.start;
    } else if (meter.hours == Hours::actual) {
      const Ns middle = line.period.start + (line.period.end - line.period.start) / 2;
      month = length_of(month_at(line.customer.zone, middle));
    }
    scale = scale * Rational(static_cast<u128>(month / kSecond));
  } else if (meter.measure == Measure::p95 && !meter.of_gauges()) {
    // Bits per second are bytes of a slot × 8 ÷ its seconds.
    scale = scale * Rational(static_cast<u128>(line.slot), u128{8} * kSecond);
  }
  return meter.copies ? scale / *meter.copies : scale;
}

/// Base units of all of it.
RawLevel figure(const Line& line, const std::vector<RawHolding>& series) {
  if (line.meter.level()) return raw_level(line, series);
  u128 sum = 0;
  for (const RawHolding& each : series) {
    for (const ExplainedSlot& slot : each.slots) sum += slot.raw;
  }
  const bool weighted = line.meter.measure == Measure::time_weighted;
  return {weighted ? Rational(sum, u128{kSecond}) : Rational(sum), 0, 0, {}};
}

/// Whether the meter was in the customer's plans all the time that the customer was one.
bool throughout(const Line& line, const std::vector<Span>& spans) {
  Ns from = std::max(line.period.start, line.customer.from);
  for (const Span& span : spans) {
    if (span.from > from) return false;
    from = span.to;
  }
  return from >= std::min(line.period.end, line.customer.to);
}

RawPart part_figures(const Line& line, const BilledPart& of, const RawLevel& level,
                     const Rational& unit) {
  const Rational share(static_cast<u128>(length_of(of.active)),
                       static_cast<u128>(line.period.end - line.period.start));
  RawPart part{of.plan->id, of.active,  level.base,   level.base / unit,
               {},          level.held, level.missing};
  part.quantity =
      by_rules(line.meter.rules, part.measured, line.meter.level() ? Rational(1) : share);
  return part;
}

void add_ranks(RawFigures& out, RawLevel level, const std::string& of) {
  for (ExplainedRank& rank : level.ranks) {
    if (!of.empty()) rank.of = of + ": " + rank.of;
    out.ranks.push_back(std::move(rank));
  }
}

}  // namespace

RawFigures raw_figures(const Line& line, const std::vector<BilledPart>& parts,
                       const std::vector<RawHolding>& series) {
  RawFigures out;
  if (parts.empty()) return out;
  std::vector<Span> spans;
  for (const BilledPart& part : parts) spans.push_back(part.active);
  const bool level = line.meter.level();
  out.per_unit = per_unit(line);
  const RawLevel whole = figure(line, throughout(line, spans) ? series : within(series, spans));
  out.base = whole.base;
  out.measured = whole.base / out.per_unit;
  out.held = whole.held;
  out.missing = whole.missing;
  add_ranks(out, whole, "");
  const bool apart = parts.size() > 1 && !(level && line.meter.plan_change == PlanChange::whole);
  for (const BilledPart& part : parts) {
    const RawLevel own = apart ? figure(line, within(series, {part.active})) : whole;
    out.parts.push_back(part_figures(line, part, own, out.per_unit));
    if (apart) add_ranks(out, own, "plan " + part.plan->id);
  }
  if (level && parts.size() > 1) {
    out.quantity = by_rules(line.meter.rules, out.measured, Rational(1));
  } else {
    for (const RawPart& part : out.parts) out.quantity = out.quantity + part.quantity;
  }
  return out;
}

}  // namespace tallyman::rater
