#include "rater/views/explain.hpp"

#include <algorithm>
#include <utility>

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kShortestId = 8;

Result<Message> find_record(Snapshot& snapshot, const RecordName& name) {
  std::string period = name.period;
  if (!name.id.empty()) {
    if (name.id.size() < kShortestId) {
      return Error{"a record's id has at least eight digits", name.id,
                   "or give customer, meter and period"};
    }
    const auto found = snapshot.periods().period_of_record(name.id);
    if (!found.ok()) return found.error();
    period = *found;
  }
  const auto messages = snapshot.periods().messages(period);
  if (!messages.ok()) return messages.error();
  for (const Message& message : *messages) {
    if (message.meter.empty()) continue;
    const bool asked = name.id.empty()
                           ? message.customer == name.customer && message.meter == name.meter
                           : message.id.starts_with(name.id);
    if (asked) return message;
  }
  return Error{"no usage record of that name",
               name.id.empty() ? name.customer + " " + name.meter + " " + name.period : name.id,
               "see `tallyman-rater records PERIOD --json`"};
}

ExplainedSeries series_of(const OwnedSeries& owned, bool in, const std::vector<ViewFacts>& usage) {
  ExplainedSeries out;
  out.key = owned.key;
  out.in = in;
  out.held = owned.held;
  out.held_ns = owned.held_ns();
  for (const std::string& name : owned.views) {
    const auto view = std::find_if(usage.begin(), usage.end(), [&](const ViewFacts& each) {
      return each.view.series == owned.key && each.view.agent + "/" + each.view.instance == name;
    });
    out.views.push_back(view == usage.end() ? ViewKey{owned.key, name, {}} : view->view);
  }
  for (const Piece& piece : owned.pieces) {
    out.slots.push_back({piece.from, piece.to, piece.amount, 0, piece.covered, piece.estimated,
                         piece.absent, piece.view});
    out.slots_sum += piece.amount;
    out.covered_ns += piece.covered;
    out.estimated_ns += piece.estimated;
    out.absent_ns += piece.absent;
  }
  return out;
}

/// Puts the raw figures beside the rater's.
void hold_against(ExplainedSeries& series, const RawWalk& walk, Ns slot) {
  for (const ViewKey& view : series.views) {
    const auto it = walk.views.find(view);
    series.raw.push_back(it == walk.views.end() ? RawView{} : it->second);
  }
  bool whole = series.views.size() == 1;
  for (ExplainedSlot& part : series.slots) {
    const Ns begin = part.from / slot * slot;
    part.raw = share_of(series.raw[part.view].slot(begin / slot), part.from - begin,
                        part.to - begin, slot);
    series.raw_sum += part.raw;
    if (part.raw != part.amount) ++series.slots_differ;
    whole &= part.to - part.from == slot;
  }
  if (series.key.kind == wire::Kind::gauge || !whole || series.held.size() != 1) return;
  // Else what lies beside the held time would be in it.
  const Span& held = series.held.front();
  const auto& slots = series.raw.front().slots;
  const bool all_held = std::all_of(slots.begin(), slots.end(), [&](const auto& each) {
    return each.first * slot >= held.from && (each.first + 1) * slot <= held.to;
  });
  if (all_held) series.last_minus_first = series.raw.front().total();
}

void find_faults(Explanation& e) {
  if (!e.again) {
    e.faults.push_back("the record does not come out of the log again");
  } else if (*e.again != e.record.body) {
    e.faults.push_back("the record comes out of the log otherwise than it is stored");
  }
  for (const ExplainedSeries& series : e.series) {
    const std::string name = series_text(series.key);
    if (!series.agrees()) {
      e.faults.push_back(name + ": slots come to " + to_decimal(series.slots_sum) +
                         ", raw readings to " + to_decimal(series.raw_sum) + ", in " +
                         std::to_string(series.slots_differ) + " slots otherwise" +
                         (series.anomalies.empty()
                              ? std::string()
                              : "; " + std::to_string(series.anomalies.size()) +
                                    " anomalies are kept out, " + to_decimal(series.at_risk)));
    }
    if (series.last_minus_first && *series.last_minus_first != series.raw_sum) {
      e.faults.push_back(name + ": last minus first comes to " +
                         to_decimal(*series.last_minus_first) + ", slot by slot to " +
                         to_decimal(series.raw_sum));
    }
  }
}

/// Usage that was kept out explains what rating does not count.
void forgive_anomalies(Explanation& e) {
  for (ExplainedSeries& series : e.series) {
    if (series.at_risk == 0 || series.raw_sum != series.slots_sum + series.at_risk) continue;
    series.slots_differ = 0;
    series.raw_sum = series.slots_sum;
  }
}

void raw_quantity(Explanation& e) {
  u128 sum = 0;
  for (const ExplainedSeries& series : e.series) sum += series.raw_sum;
  const bool plain = !e.meter.copies && e.meter.aggregate == Aggregate::sum;
  if (!plain) {
    e.without = "copies and ports of their own are reproduced by rating alone";
  } else if (e.meter.measure == Measure::volume) {
    e.raw_base = Rational(sum);
  } else if (e.meter.measure == Measure::time_weighted) {
    e.raw_base = Rational(sum, u128{kSecond});
  } else if (const auto billed = explain_p95(e)) {
    e.raw_base = Rational(*billed);
  } else {
    e.without = std::string("the measure ") + measure_name(e.meter.measure) +
                " is reproduced by rating alone; its slots are summed from raw readings";
  }
}

Status draw(Snapshot& snapshot, UsageStore& usage, const Catalogue& catalogue,
            const Decisions& decisions, Explanation& e, Ns intervals_at,
            const RerateProgress& progress) {
  const Customer* customer = catalogue.customer(e.record.customer);
  const Meter* meter = catalogue.meter(e.record.meter);
  if (customer == nullptr || meter == nullptr) {
    return Error{"the catalogue does not know the record's customer or meter",
                 e.record.customer + " " + e.record.meter, ""};
  }
  e.meter = *meter;
  const auto source = rated_usage(usage, catalogue, e.period.period, decisions);
  if (!source.ok()) return source.error();
  Attributor whose(catalogue, e.period.period, e.slot, **source, kForever, decisions.waivers);
  const auto index = static_cast<std::size_t>(customer - catalogue.customers.data());
  const auto owned = whose.customer(index);
  if (!owned.ok()) return owned.error();
  const MeterInput input = select(*meter, *owned, e.slot);
  const std::vector<ViewFacts>& views = (*source)->views();
  for (const OwnedSeries* each : input.in) e.series.push_back(series_of(*each, true, views));
  for (const OwnedSeries* each : input.out) e.series.push_back(series_of(*each, false, views));

  const Period theirs = catalogue.period_of(*customer, e.period.period);
  RawQuestion question;
  question.span = {theirs.start / e.slot * e.slot, (theirs.end + e.slot - 1) / e.slot * e.slot};
  question.intervals_at = intervals_at;
  for (const ExplainedSeries& series : e.series) {
    question.views.insert(question.views.end(), series.views.begin(), series.views.end());
  }
  const auto anomalies = usage.anomalies(theirs.start, theirs.end);
  if (!anomalies.ok()) return anomalies.error();
  auto walk = walk_raw(snapshot, e.cut, question, progress);
  if (!walk.ok()) return walk.error();
  for (ExplainedSeries& series : e.series) {
    for (const AnomalyContent& anomaly : content_of(*anomalies)) {
      if (anomaly.view.series != series.key || decisions.accepts(anomaly.id())) continue;
      series.anomalies.push_back(anomaly);
      series.at_risk += anomaly.value;
    }
    hold_against(series, *walk, e.slot);
  }
  e.streams = std::move(walk->streams);
  return {};
}

}  // namespace

Result<Explanation> explain(Snapshot& snapshot, const RecordName& name, Ns intervals_at,
                            const LedgerProgress& verifying, const RerateProgress& deriving) {
  Explanation e;
  auto record = find_record(snapshot, name);
  if (!record.ok()) return record.error();
  e.record = std::move(*record);
  std::string id = name.period;
  if (!name.id.empty()) {
    const auto found = snapshot.periods().period_of_record(name.id);
    if (!found.ok()) return found.error();
    id = *found;
  }
  const auto closed = snapshot.period(id);
  if (!closed.ok()) return closed.error();
  e.period = *closed;
  e.slot = snapshot.slot();
  auto cut = snapshot.periods().cut(id);
  if (!cut.ok()) return cut.error();
  e.cut = std::move(*cut);
  auto chain = verify_cut(snapshot, e.cut, verifying);
  if (!chain.ok()) return chain.error();
  e.chain = std::move(*chain);
  if (e.chain.damages != 0) {
    e.faults.push_back("the ledger is damaged in " + std::to_string(e.chain.damages) +
                       " places: nothing is reproduced from it");
    e.without = "the ledger is damaged";
    return e;
  }
  const auto catalogue = snapshot.catalogue_of(e.period);
  if (!catalogue.ok()) return catalogue.error();
  const auto again = UsageAgain::derive(snapshot, e.cut, deriving);
  if (!again.ok()) return again.error();
  UsageStore& usage = (*again)->usage();
  const auto decisions = snapshot.decisions_of(e.cut);
  if (!decisions.ok()) return decisions.error();
  const auto drafts = drafts_of(usage, *catalogue, e.period.period, e.cut, *decisions,
                                record_source(snapshot.ledger()));
  if (!drafts.ok()) return drafts.error();
  for (const Message& message : drafts->messages) {
    if (message.customer == e.record.customer && message.meter == e.record.meter &&
        message.type == e.record.type) {
      e.again = message.body;
    }
  }
  if (Status drawn = draw(snapshot, usage, *catalogue, *decisions, e, intervals_at, deriving);
      !drawn.ok()) {
    return drawn.error();
  }
  forgive_anomalies(e);
  raw_quantity(e);
  find_faults(e);
  return e;
}

}  // namespace tallyman::rater
