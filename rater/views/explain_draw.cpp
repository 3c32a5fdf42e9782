#include "rater/views/explain_draw.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "rater/decisions/anomaly_runs.hpp"
#include "rater/rating/measure.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kEntriesAtOnce = 1000;

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
                         piece.absent, piece.view, piece.peak, 0});
    out.slots_sum += piece.amount;
    out.covered_ns += piece.covered;
    out.estimated_ns += piece.estimated;
    out.absent_ns += piece.absent;
  }
  return out;
}

/// Last minus first, where nothing lies beside the held time that would be in it.
void subtract_ends(ExplainedSeries& series, Ns slot) {
  const bool whole =
      std::all_of(series.slots.begin(), series.slots.end(),
                  [&](const ExplainedSlot& part) { return part.to - part.from == slot; });
  if (series.key.kind == wire::Kind::gauge || series.views.size() != 1 || !whole) return;
  if (series.held.size() != 1 || !series.accepted.empty()) return;
  const Span& held = series.held.front();
  const auto& slots = series.raw.front().slots;
  const bool all_held = std::all_of(slots.begin(), slots.end(), [&](const auto& each) {
    return each.first * slot >= held.from && (each.first + 1) * slot <= held.to;
  });
  if (all_held) series.last_minus_first = series.raw.front().total();
}

/// Growth in slots that the series is held in, and that rating knows nothing of.
void find_unrated(ExplainedSeries& series, Ns slot) {
  std::set<std::int64_t> rated;
  for (const ExplainedSlot& part : series.slots) rated.insert(part.from / slot);
  for (std::uint32_t view = 0; view < series.raw.size(); ++view) {
    for (const auto& [number, raw] : series.raw[view].slots) {
      if (rated.contains(number)) continue;
      const Ns begin = number * slot;
      for (const Span& held : series.held) {
        const Ns from = std::max(held.from, begin), to = std::min(held.to, begin + slot);
        if (from >= to) continue;
        const u128 part = share_of(raw.amount, from - begin, to - begin, slot);
        if (part == 0) continue;
        series.slots.push_back({from, to, 0, part, 0, 0, 0, view, 0, 0});
        series.raw_sum += part;
        ++series.slots_differ;
        rated.insert(number);
      }
    }
  }
}

/// Puts the raw figures beside the rater's.
void hold_against(ExplainedSeries& series, const RawWalk& walk, Ns slot) {
  for (const ViewKey& view : series.views) {
    const auto it = walk.views.find(view);
    series.raw.push_back(it == walk.views.end() ? RawView{} : it->second);
  }
  for (ExplainedSlot& part : series.slots) {
    const Ns begin = part.from / slot * slot;
    const RawSlot raw = series.raw[part.view].slot(begin / slot);
    part.raw = share_of(raw.amount, part.from - begin, part.to - begin, slot);
    part.raw_peak = raw.peak;
    series.raw_sum += part.raw;
    if (part.raw != part.amount || part.raw_peak != part.peak) ++series.slots_differ;
  }
  for (const RawView& view : series.raw) {
    for (const RawSegment& segment : view.segments) series.kept_out += segment.kept_out;
  }
  subtract_ends(series, slot);
  find_unrated(series, slot);
}

std::vector<RawHolding> holdings_of(const std::vector<ExplainedSeries>& all) {
  std::vector<RawHolding> out;
  for (const ExplainedSeries& each : all) {
    out.push_back({each.key.source, each.key.labels, each.in, each.held, each.slots});
  }
  return out;
}

Result<std::optional<ExplainedCorrection>> correction_of(Snapshot& snapshot,
                                                         const Correction* correction) {
  if (correction == nullptr) return std::optional<ExplainedCorrection>();
  ExplainedCorrection out{correction->quantity, {}, {}, 0};
  for (std::int64_t after = 0;;) {
    const auto entries = snapshot.audit().entries(after, kEntriesAtOnce, kCorrect);
    if (!entries.ok()) return entries.error();
    if (entries->empty()) break;
    for (const AuditEntry& entry : *entries) {
      if (entry.mark.hash != correction->decision) continue;
      out.who = entry.user;
      out.why = entry.why;
      out.at = entry.at;
    }
    after = entries->back().mark.n;
  }
  return std::optional(std::move(out));
}

/// The raw path leaves out what is an anomaly; what was accepted it is given by the decision.
void note_anomalies(const std::vector<KeptAnomaly>& kept, const Decisions& decisions,
                    const Span& period, Explanation& e, RawQuestion& question) {
  const auto inside = [&](const AnomalyContent& each) {
    return each.from < period.to && each.to > period.from;
  };
  for (const AnomalyRun& run : runs_of(kept, decisions)) {
    if (!inside(run.content)) continue;
    const bool accepted = decisions.accepts(run.content.id());
    for (const AnomalyContent& part : run.parts) {
      if (!is_interval(part.cause)) continue;
      question.kept_out[part.view].insert({part.from, part.to, part.value});
    }
    for (ExplainedSeries& series : e.series) {
      if (run.content.view.series != series.key) continue;
      (accepted ? series.accepted : series.anomalies).push_back(run.content);
      for (const AnomalyContent& part : run.parts) {
        if (!accepted && inside(part)) series.at_risk += part.value;
      }
    }
  }
}

/// A level that comes on top of what is held already.
void raise(RawView& view, const AnomalyContent& anomaly, std::uint64_t level, const Span& span,
           Ns slot) {
  const Ns from = std::max(anomaly.from, span.from), to = std::min(anomaly.to, span.to);
  for (std::int64_t number = from / slot; number * slot < to; ++number) {
    std::uint64_t& peak = view.slots[number].peak;
    peak = level > UINT64_MAX - peak ? UINT64_MAX : peak + level;
  }
}

void count_accepted(const Explanation& e, const Decisions& counted, const Span& span,
                    RawWalk& walk) {
  for (const ExplainedSeries& series : e.series) {
    for (const AnomalyContent& anomaly : counted.accepted) {
      if (anomaly.view.series != series.key || anomaly.to <= anomaly.from) continue;
      const bool gauge = series.key.kind == wire::Kind::gauge;
      const u128 mean = gauge ? anomaly.value / static_cast<u128>(anomaly.to - anomaly.from) : 0;
      const auto level = static_cast<std::uint64_t>(std::min<u128>(mean, UINT64_MAX));
      RawView& view = walk.views[anomaly.view];
      const bool beside = is_interval(anomaly.cause);
      view.spread({anomaly.from, anomaly.to, anomaly.value}, beside ? level : 0, span, e.slot);
      if (!beside && gauge) raise(view, anomaly, level, span, e.slot);
    }
  }
}

}  // namespace

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
  const auto owned =
      whose.customer(static_cast<std::size_t>(customer - catalogue.customers.data()));
  if (!owned.ok()) return owned.error();
  const MeterInput input = select(*meter, *owned, e.slot);
  const std::vector<ViewFacts>& views = (*source)->views();
  for (const OwnedSeries* each : input.in) e.series.push_back(series_of(*each, true, views));
  for (const OwnedSeries* each : input.out) e.series.push_back(series_of(*each, false, views));

  const Line line{catalogue, *customer, *meter, catalogue.period_of(*customer, e.period.period),
                  e.slot};
  RawQuestion question;
  question.span = {line.period.start / e.slot * e.slot,
                   (line.period.end + e.slot - 1) / e.slot * e.slot};
  question.intervals_at = intervals_at;
  for (const ExplainedSeries& series : e.series) {
    question.views.insert(question.views.end(), series.views.begin(), series.views.end());
  }
  const Span period{line.period.start, line.period.end};
  const auto anomalies = usage.anomalies(period.from, period.to);
  if (!anomalies.ok()) return anomalies.error();
  note_anomalies(*anomalies, decisions, period, e, question);
  const auto counted = standing(usage, decisions, question.span);
  if (!counted.ok()) return counted.error();
  auto walk = walk_raw(snapshot, e.cut, question, progress);
  if (!walk.ok()) return walk.error();
  count_accepted(e, *counted, question.span, *walk);
  for (ExplainedSeries& series : e.series) hold_against(series, *walk, e.slot);
  e.streams = std::move(walk->streams);
  e.figures = raw_figures(line, billed_parts(line), holdings_of(e.series));
  auto correction =
      correction_of(snapshot, decisions.correction(customer->id, meter->id, e.period.period.id));
  if (!correction.ok()) return correction.error();
  e.correction = std::move(*correction);
  return {};
}

}  // namespace tallyman::rater
