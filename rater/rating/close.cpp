#include "rater/rating/close.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "rater/rating/measure.hpp"
#include "rater/rating/price.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShownDecimals = 9;  ///< of quantities: bytes are exact in GB
constexpr unsigned kShareDecimals = 6;  ///< of coverage
constexpr unsigned kRemainderDecimals = 12;

Rational fraction_of(const Span& part, const Period& period) {
  if (part.from >= part.to) return {};
  return {static_cast<u128>(part.to - part.from), static_cast<u128>(period.end - period.start)};
}

template <typename Value>
Quantity texts(const Value& billed, const Value& low, const std::optional<Value>& high) {
  Quantity q{billed.text(kShownDecimals), low.text(kShownDecimals), std::nullopt};
  if (high) q.high = high->text(kShownDecimals);
  return q;
}

void add_series(FieldHasher& hasher, const char* role, const OwnedSeries& series) {
  const SeriesKey& key = series.key;
  hasher.field(role).field(key.source).field(key.metric).number(key.labels.size());
  for (const auto& [label, value] : key.labels) hasher.field(label).field(value);
  hasher.number(series.held.size());
  for (const Span& span : series.held) {
    hasher.number(static_cast<std::uint64_t>(span.from));
    hasher.number(static_cast<std::uint64_t>(span.to));
  }
  hasher.number(series.pieces.size());
  for (const Piece& piece : series.pieces) {
    hasher.number(static_cast<std::uint64_t>(piece.from));
    hasher.number(static_cast<std::uint64_t>(piece.to));
    hasher.field(to_big_endian(piece.amount));
    hasher.number(static_cast<std::uint64_t>(piece.covered));
    hasher.number(static_cast<std::uint64_t>(piece.estimated));
    hasher.number(static_cast<std::uint64_t>(piece.absent));
    hasher.number(piece.peak).field(series.views[piece.view]);
  }
}

Hash evidence_of(const MeterInput& input) {
  FieldHasher hasher;
  hasher.field("tallyman evidence 1");
  for (const OwnedSeries* series : input.in) add_series(hasher, "in", *series);
  for (const OwnedSeries* series : input.out) add_series(hasher, "out", *series);
  return hasher.finish();
}

/// Everything one record is made from.
struct Line {
  const Catalogue& catalogue;
  const Customer& customer;
  const Plan& plan;
  const PlanItem& item;
  const Meter& meter;
  Period period;
  Span active;
  Ns slot;
};

void describe(const Line& line, UsageRecord& record) {
  record.customer = line.customer.id;
  record.meter = line.meter.id;
  record.plan = line.plan.id;
  record.period = line.period;
  record.active = line.active;
  record.measure = measure_name(line.meter.measure);
  record.unit = line.meter.unit.name;
  record.base_unit = base_unit(line.meter.measure);
  if (line.meter.measure == Measure::time_weighted) {
    record.hours = hours_name(line.meter.hours);
  } else {
    record.direction = direction_name(line.meter.direction);
  }
  if (line.meter.measure == Measure::p95) {
    record.missing = missing_name(line.meter.missing);
    record.slot = line.slot;
  }
  record.meter_version = line.meter.version();
}

/// Decided: with part of a period, volumes and storage prorate the allowance, to the nanosecond of
/// the time active. A p95's commit is a rate, which half a month does not halve: it stays whole,
/// the percentile is that of the slots held, and the charge for what exceeds the commit is prorated
/// by the time active.
void price(const Line& line, const Measured& measured, UsageRecord& record) {
  const Rational held = fraction_of(line.active, line.period);
  const bool rate = line.meter.measure == Measure::p95;
  const Rational allowance = rate ? line.item.allowance : line.item.allowance * held;
  const Rational overuse = overuse_of(measured.quantity(), allowance);
  record.allowance = allowance.text(kShownDecimals);
  record.overuse = overuse.text(kShownDecimals);
  if (!line.item.price) return;
  const Rational exact = overuse * *line.item.price;
  const Amount amount = amount_of(rate ? exact * held : exact, line.plan.currency);
  record.money = Money{line.plan.currency, line.item.price->text(40), amount.text,
                       amount.remainder.text(kRemainderDecimals)};
}

/// Of the agents awaited, those that this record draws on.
std::vector<std::string> awaited_of(const MeterInput& input,
                                    const std::vector<std::string>& awaited) {
  std::vector<std::string> mine;
  const auto draws_on = [](const std::vector<const OwnedSeries*>& all, const std::string& agent) {
    return std::any_of(all.begin(), all.end(), [&](const OwnedSeries* series) {
      return std::any_of(series->views.begin(), series->views.end(),
                         [&](const std::string& view) { return view.starts_with(agent + "/"); });
    });
  };
  for (const std::string& agent : awaited) {
    if (draws_on(input.in, agent) || draws_on(input.out, agent)) mine.push_back(agent);
  }
  return mine;
}

/// What waivers left out of the record.
void note_waived(const MeterInput& input, Measure measure, UsageRecord& record) {
  u128 amount = 0, waived = 0, time = 0;
  for (const auto* side : {&input.in, &input.out}) {
    for (const OwnedSeries* series : *side) {
      amount += series->waived;
      waived += static_cast<u128>(series->waived_ns);
      time += static_cast<u128>(series->held_ns() + series->waived_ns);
    }
  }
  if (waived == 0) return;
  const bool held = measure == Measure::time_weighted;
  record.waived = Rational(amount, held ? u128{kSecond} : u128{1}).text(kShownDecimals);
  record.waived_share = Rational(waived, time).floored(kShareDecimals);
}

/// What keeps series of this customer and meter from being billed.
std::vector<std::string> problems_of(const Meter& meter, std::size_t customer,
                                     const MeterInput& input,
                                     const std::vector<Conflict>& conflicts) {
  std::set<std::string> problems(input.errors.begin(), input.errors.end());
  for (const Conflict& conflict : conflicts) {
    const std::vector<std::size_t>& theirs = conflict.customers;
    const bool mine = std::find(theirs.begin(), theirs.end(), customer) != theirs.end();
    if (mine && reads(meter, conflict.metric)) problems.insert(conflict.text);
  }
  return {problems.begin(), problems.end()};
}

/// A person's figure takes the computed one's place before it is priced.
void correct(const Correction* correction, Measured& m, UsageRecord& record) {
  if (correction == nullptr) return;
  const auto figure = Rational::from_text(correction->quantity);
  if (!figure) return;
  record.computed = m.quantity().text(kShownDecimals);
  record.corrected_by = correction->decision;
  m.base = *figure * m.per_unit;
}

UsageRecord make_record(const Line& line, const MeterInput& input, const Correction* correction) {
  Measured m = measure(line.meter, input, line.period, line.customer.zone, line.slot);
  UsageRecord record;
  describe(line, record);
  correct(correction, m, record);
  record.quantity = texts(m.quantity(), m.low(), m.high());
  record.base = texts(m.base, m.base_low, m.base_high);
  record.coverage = m.coverage.floored(kShareDecimals);
  record.estimated = m.estimated.text(kShareDecimals);
  record.series = m.series;
  record.slots = m.slots;
  record.slots_missing = m.missing;
  price(line, m, record);
  record.evidence = evidence_of(input);
  return record;
}

}  // namespace

Hash Cut::hash() const {
  FieldHasher hasher;
  hasher.field("tallyman cut 1").field(tz).number(marks.size());
  for (const StreamMark& mark : marks) {
    hasher.field(mark.agent).field(mark.incarnation).number(mark.sequence).field(mark.hash);
  }
  hasher.number(closed_without.size());
  for (const std::string& agent : closed_without) hasher.field(agent);
  if (decision.n > 0) hasher.field("decision").field(decision.hash);
  return hasher.finish();
}

Span usage_span(const Catalogue& catalogue, const Period& period) {
  Span span{period.start, period.end};
  for (const Customer& customer : catalogue.customers) {
    const Period theirs = catalogue.period_of(customer, period);
    span.from = std::min(span.from, theirs.start);
    span.to = std::max(span.to, theirs.end);
  }
  return span;
}

std::vector<std::string> awaited(std::span<const StreamMark> marks, Ns end) {
  std::map<std::string, Ns> newest;
  for (const StreamMark& mark : marks) {
    if (mark.imported || mark.empty) continue;
    Ns& watermark = newest[mark.agent];
    watermark = std::max(watermark, mark.watermark);
  }
  std::vector<std::string> agents;
  for (const auto& [agent, watermark] : newest) {
    if (watermark < end) agents.push_back(agent);
  }
  return agents;
}

Rating rate(const Catalogue& catalogue, const Period& period, Ns slot,
            std::span<const ViewUsage> usage, const std::vector<std::string>& closed_without,
            Ns until, const Decisions& decisions) {
  Attribution attribution = attribute(catalogue, period, slot, usage, until, decisions.waivers);
  Rating rating;
  rating.unattributed = std::move(attribution.unattributed);
  std::set<std::string> problems;
  for (const Conflict& conflict : attribution.conflicts) problems.insert(conflict.text);
  const Hash version = catalogue.version();
  for (std::size_t c = 0; c < catalogue.customers.size(); ++c) {
    const Customer& customer = catalogue.customers[c];
    const Plan* plan = catalogue.plan(customer.plan);
    const Period theirs = catalogue.period_of(customer, period);
    const Span active{std::max(theirs.start, customer.from), std::min(theirs.end, customer.to)};
    if (plan == nullptr || active.from >= active.to) continue;
    for (const PlanItem& item : plan->items) {
      const Meter* meter = catalogue.meter(item.meter);
      if (meter == nullptr) continue;
      const MeterInput input = select(*meter, attribution.customers[c], slot);
      problems.insert(input.errors.begin(), input.errors.end());
      UsageRecord record =
          make_record({catalogue, customer, *plan, item, *meter, theirs, active, slot}, input,
                      decisions.correction(customer.id, meter->id, period.id));
      record.catalogue_version = version;
      record.closed_without = awaited_of(input, closed_without);
      record.problems = problems_of(*meter, c, input, attribution.conflicts);
      note_waived(input, meter->measure, record);
      rating.records.push_back(std::move(record));
    }
  }
  rating.problems.assign(problems.begin(), problems.end());
  return rating;
}

}  // namespace tallyman::rater
