#include "rater/cli/explain.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "base/time_text.hpp"
#include "rater/cli/progress.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kWorthProgress = 2000;  ///< batches

Json json_of(const Explanation& e, const RawReading& reading) {
  return {{"time", to_rfc3339(reading.at)},
          {"value", std::to_string(reading.value)},
          {"agent", e.streams[reading.stream].agent},
          {"incarnation", to_hex(e.streams[reading.stream].incarnation)},
          {"batch", reading.batch}};
}

Json json_of(const Explanation& e, const RawView& view, const ViewKey& key) {
  Json out{{"agent", key.agent}, {"instance", key.instance}, {"readings", view.readings}};
  out["segments"] = Json::array();
  for (const RawSegment& segment : view.segments) {
    out["segments"].push_back(
        {{"epoch", std::to_string(segment.epoch)},
         {"start", segment.start == 0 ? Json() : Json(to_rfc3339(segment.start))},
         {"from_zero", segment.from_zero},
         {"first", json_of(e, segment.first)},
         {"last", json_of(e, segment.last)},
         {"readings", segment.readings},
         {"outside", to_decimal(segment.before + segment.after)},
         {"kept_out", to_decimal(segment.kept_out)},
         {"growth", to_decimal(segment.growth())}});
  }
  out["gaps"] = Json::array();
  for (const RawGap& gap : view.gaps) {
    out["gaps"].push_back({{"from", gap.to == 0 ? Json() : Json(to_rfc3339(gap.from))},
                           {"to", gap.to == 0 ? Json() : Json(to_rfc3339(gap.to))},
                           {"why", gap.why},
                           {"first_batch", gap.batch},
                           {"last_batch", gap.last_batch}});
  }
  out["intervals"] = Json::array();
  for (const RawInterval& interval : view.intervals) {
    out["intervals"].push_back({{"from", json_of(e, interval.from)},
                                {"to", json_of(e, interval.to)},
                                {"from_zero", interval.counted_from_zero},
                                {"kept_out", interval.kept_out},
                                {"delta", to_decimal(interval.delta)},
                                {"in_slot", to_decimal(interval.in_slot)}});
  }
  out["intervals_left_out"] = view.intervals_left_out;
  return out;
}

Json json_of(const std::vector<AnomalyContent>& anomalies) {
  Json out = Json::array();
  for (const AnomalyContent& anomaly : anomalies) {
    out.push_back({{"from", to_rfc3339(anomaly.from)},
                   {"to", to_rfc3339(anomaly.to)},
                   {"value", to_decimal(anomaly.value)},
                   {"why", anomaly.why}});
  }
  return out;
}

Json json_of(const Explanation& e, const ExplainedSeries& series) {
  Json out{{"series", series_text(series.key)},
           {"direction", series.in ? "in" : "out"},
           {"unit", series.key.kind == wire::Kind::gauge ? series.key.unit + "-nanoseconds"
                                                         : series.key.unit},
           {"slots_sum", to_decimal(series.slots_sum)},
           {"raw_sum", to_decimal(series.raw_sum)},
           {"agrees", series.agrees()},
           {"slots_differ", series.slots_differ},
           {"at_risk", to_decimal(series.at_risk)},
           {"kept_out", to_decimal(series.kept_out)}};
  out["last_minus_first"] =
      series.last_minus_first ? Json(to_decimal(*series.last_minus_first)) : Json();
  out["held_ns"] = series.held_ns;
  out["covered_ns"] = series.covered_ns;
  out["estimated_ns"] = series.estimated_ns;
  out["absent_ns"] = series.absent_ns;
  out["anomalies"] = json_of(series.anomalies);
  out["accepted"] = json_of(series.accepted);
  out["views"] = Json::array();
  for (std::size_t i = 0; i < series.raw.size(); ++i) {
    out["views"].push_back(json_of(e, series.raw[i], series.views[i]));
  }
  out["slots"] = Json::array();
  for (const ExplainedSlot& slot : series.slots) {
    out["slots"].push_back({{"from", to_rfc3339(slot.from)},
                            {"to", to_rfc3339(slot.to)},
                            {"amount", to_decimal(slot.amount)},
                            {"raw", to_decimal(slot.raw)},
                            {"peak", slot.peak},
                            {"raw_peak", slot.raw_peak},
                            {"covered_ns", slot.covered},
                            {"estimated_ns", slot.estimated},
                            {"view", slot.view}});
  }
  return out;
}

Json json_of(const std::optional<ExplainedRank::Place>& place) {
  if (!place) return nullptr;
  return {{"rank", place->rank},
          {"slot", to_rfc3339(place->slot)},
          {"value", to_decimal(place->value)}};
}

Json json_of(const ExplainedRank& rank) {
  return {{"of", rank.of},
          {"unit", rank.unit},
          {"slots", rank.slots},
          {"held", rank.held},
          {"left_out", rank.left_out},
          {"discarded", rank.discarded},
          {"picked", json_of(rank.picked)},
          {"below", json_of(rank.below)},
          {"above", json_of(rank.above)}};
}

Json json_of(const RawFigures& figures) {
  Json out{{"exact", figures.base.exact()},
           {"measured", figures.measured.exact()},
           {"quantity", figures.quantity.exact()}};
  out["segments"] = Json::array();
  for (const RawPart& part : figures.parts) {
    out["segments"].push_back({{"plan", part.plan},
                               {"from", to_rfc3339(part.active.from)},
                               {"to", to_rfc3339(part.active.to)},
                               {"exact", part.base.exact()},
                               {"measured", part.measured.exact()},
                               {"quantity", part.quantity.exact()}});
  }
  return out;
}

Json json_of(const ExplainedAdjustment& adjusts) {
  const auto id = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json out{{"revision", adjusts.revision},
           {"original", id(adjusts.original)},
           {"previous", id(adjusts.previous)}};
  out["changes"] = Json::array();
  for (const ExplainedAdjustment::Change& change : adjusts.changes) {
    out["changes"].push_back({{"of", change.name},
                              {"before", id(change.before)},
                              {"after", id(change.after)},
                              {"difference", id(change.difference)}});
  }
  out["causes"] = adjusts.causes;
  out["released"] = id(adjusts.released);
  return out;
}

Json json_of(const LedgerReport& chain) {
  Json out{{"streams", chain.streams},
           {"batches", chain.batches},
           {"bytes", chain.bytes},
           {"damages", chain.damages}};
  out["findings"] = Json::array();
  for (const LedgerFinding& finding : chain.findings) {
    out["findings"].push_back({{"what", finding.what},
                               {"table", finding.table},
                               {"agent", finding.agent},
                               {"incarnation", finding.incarnation},
                               {"first", finding.first},
                               {"last", finding.last}});
  }
  return out;
}

/// A year and more is no slot: "0 = all, -1 = none" are the caller's.
Result<Ns> slot_of(const ExplainQuestion& question) {
  if (question.full) return Ns{0};
  if (question.slot.empty()) return Ns{-1};
  const auto at = from_rfc3339(question.slot);
  if (at && *at > 0) return *at;
  return Error{"--slot wants an instant such as 2026-11-22T15:05:00Z", question.slot, ""};
}

}  // namespace

std::string explanation_json(const Explanation& e) {
  Json out{{"record", Json::parse(e.record.body, nullptr, false)},
           {"period", {{"id", e.period.period.id}, {"state", period_state_name(e.period.state)}}},
           {"reproduced", e.faults.empty()},
           {"faults", e.faults}};
  out["identical"] = e.again && *e.again == e.record.body;
  out["adjusts"] = e.adjusts ? json_of(*e.adjusts) : Json();
  out["adjusted"] = e.adjusted;
  out["chain"] = json_of(e.chain);
  out["cut"] = to_hex(e.cut.hash());
  out["raw_base"] = e.figures ? Json(e.figures->base.exact()) : Json();
  out["raw_base_missing"] = e.without.empty() ? Json() : Json(e.without);
  if (e.figures) out["raw"] = json_of(*e.figures);
  out["ranks"] = Json::array();
  for (const ExplainedRank& rank : e.figures ? e.figures->ranks : std::vector<ExplainedRank>()) {
    out["ranks"].push_back(json_of(rank));
  }
  if (e.correction) {
    out["correction"] = {{"quantity", e.correction->quantity},
                         {"who", e.correction->who},
                         {"why", e.correction->why},
                         {"at", to_rfc3339(e.correction->at)}};
  }
  out["series"] = Json::array();
  for (const ExplainedSeries& series : e.series) out["series"].push_back(json_of(e, series));
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

int explain(const std::string& ledger, const ExplainQuestion& question) {
  const auto slot = slot_of(question);
  const bool named = question.record.size() == 1 || question.record.size() == 3;
  if (!slot.ok() || !named) {
    app::complain("tallyman-rater",
                  !slot.ok() ? slot.error()
                             : Error{"which record: its id, or CUSTOMER METER PERIOD", "", ""});
    return app::kUsage;
  }
  const RealClock clock{};
  const auto snapshot = Snapshot::open(ledger, clock);
  if (!snapshot.ok()) {
    app::complain("tallyman-rater", snapshot.error());
    return app::kUsage;
  }
  RecordName name;
  if (question.record.size() == 1) {
    name.id = question.record[0];
  } else {
    name = {"", question.record[0], question.record[1], question.record[2]};
  }
  auto done =
      rater::explain(**snapshot, name, *slot, progress_line("batches verified", kWorthProgress),
                     progress_line("batches", kWorthProgress));
  if (!done.ok()) {
    app::complain("tallyman-rater", done.error());
    return app::kFound;
  }
  const std::string text =
      question.json ? explanation_json(*done) : explanation_text(*done, app::stdout_has_colour());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return done->faults.empty() ? app::kDone : app::kFound;
}

}  // namespace tallyman::rater::cli
