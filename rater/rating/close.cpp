#include "rater/rating/close.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "rater/rating/bill.hpp"
#include "rater/rating/measure.hpp"

namespace tallyman::rater {

namespace {

constexpr unsigned kShownDecimals = 9;  ///< of quantities
constexpr unsigned kShareDecimals = 6;

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
void note_waived(const MeterInput& input, bool gauges, UsageRecord& record) {
  u128 amount = 0, waived = 0, time = 0;
  for (const auto* side : {&input.in, &input.out}) {
    for (const OwnedSeries* series : *side) {
      amount += series->waived;
      waived += static_cast<u128>(series->waived_ns);
      time += static_cast<u128>(series->held_ns() + series->waived_ns);
    }
  }
  if (waived == 0) return;
  record.waived = Rational(amount, gauges ? u128{kSecond} : u128{1}).text(kShownDecimals);
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
    const Period theirs = catalogue.period_of(customer, period);
    for (const Meter* meter : billed_meters(catalogue, customer, theirs)) {
      const MeterInput input = select(*meter, attribution.customers[c], slot);
      problems.insert(input.errors.begin(), input.errors.end());
      const Line line{catalogue, customer, *meter, theirs, slot};
      UsageRecord record = bill(line, billed_parts(line), input,
                                decisions.correction(customer.id, meter->id, period.id));
      record.catalogue_version = version;
      record.evidence = evidence_of(input);
      record.closed_without = awaited_of(input, closed_without);
      record.problems = problems_of(*meter, c, input, attribution.conflicts);
      note_waived(input, meter->of_gauges(), record);
      rating.records.push_back(std::move(record));
    }
  }
  rating.problems.assign(problems.begin(), problems.end());
  return rating;
}

}  // namespace tallyman::rater
