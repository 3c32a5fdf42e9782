#include "rater/decisions/decisions_json.hpp"

#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

template <typename Any>
std::string text_of(const Any& json) {
  return json.dump(-1, ' ', false, Any::error_handler_t::replace);
}

Json json_of(const AuditMark& mark) { return {{"n", mark.n}, {"hash", to_hex(mark.hash)}}; }

}  // namespace

std::string audit_document(const std::vector<AuditEntry>& entries, const AuditMark& head) {
  Json lines = Json::array();
  for (const AuditEntry& entry : entries) {
    Json what = Json::parse(entry.what, nullptr, false);
    lines.push_back({{"n", entry.mark.n},
                     {"time", to_rfc3339_short(entry.at)},
                     {"user", entry.user},
                     {"uid", entry.uid == kUnknownUid ? Json(nullptr) : Json(entry.uid)},
                     {"kind", entry.kind},
                     {"what", what.is_discarded() ? Json(entry.what) : std::move(what)},
                     {"why", entry.why},
                     {"hash", to_hex(entry.mark.hash)}});
  }
  return text_of(Json{{"decisions", std::move(lines)}, {"head", json_of(head)}});
}

std::string catalogue_log_document(const std::vector<CatalogueVersion>& versions) {
  Json lines = Json::array();
  for (const CatalogueVersion& version : versions) {
    lines.push_back({{"n", version.n},
                     {"version", to_hex(version.version)},
                     {"applied", to_rfc3339_short(version.applied)},
                     {"user", version.user},
                     {"why", version.why},
                     {"in_force", &version == &versions.back()}});
  }
  return text_of(Json{{"versions", std::move(lines)}});
}

std::string applied_document(const Hash& version, bool changed, const AuditMark& head) {
  return text_of(
      Json{{"version", to_hex(version)}, {"changed", changed}, {"decision", json_of(head)}});
}

std::string anomalies_document(const std::vector<AnomalyContent>& anomalies,
                               const Decisions& decisions) {
  Json lines = Json::array();
  for (const AnomalyContent& anomaly : anomalies) {
    const Hash id = anomaly.id();
    const bool gauge = anomaly.view.series.kind == wire::Kind::gauge;
    const char* state = decisions.accepts(id)   ? "accepted"
                        : decisions.rejects(id) ? "rejected"
                                                : "open";
    lines.push_back({{"id", to_hex(id)},
                     {"state", state},
                     {"series", series_text(anomaly.view.series)},
                     {"agent", anomaly.view.agent},
                     {"from", to_rfc3339(anomaly.from)},
                     {"to", to_rfc3339(anomaly.to)},
                     {"value_at_risk", to_decimal(anomaly.value)},
                     // A gauge's is what it would have held, for how long.
                     {"unit", anomaly.view.series.unit + (gauge ? " × ns" : "")},
                     {"cause", name_of(anomaly.cause)},
                     {"why", anomaly.why}});
  }
  return text_of(Json{{"anomalies", std::move(lines)}});
}

std::string waived_document(const Waiver& waiver, bool withdrawn, const AuditMark& mark) {
  return text_of(Json{{"resource", resource_text(waiver)},
                      {"from", to_rfc3339_short(waiver.from)},
                      {"to", to_rfc3339_short(waiver.to)},
                      {"state", withdrawn ? "withdrawn" : "waived"},
                      {"decision", json_of(mark)}});
}

std::string corrected_document(const Correction& correction, const AuditMark& mark) {
  const bool withdrawn = correction.quantity.empty();
  return text_of(Json{{"customer", correction.customer},
                      {"meter", correction.meter},
                      {"period", correction.period},
                      {"quantity", withdrawn ? Json(nullptr) : Json(correction.quantity)},
                      {"decision", json_of(mark)}});
}

std::string round_subject(const std::string& period, std::uint64_t revision) {
  return text_of(nlohmann::json{{"period", period}, {"revision", revision}});
}

std::string diff_document(const Hash& from, const Hash& to,
                          const std::vector<ChangedPeriod>& periods) {
  Json changes = Json::array();
  for (const ChangedPeriod& each : periods) {
    for (const std::string& text : each.lines) {
      Json line{{"period", each.period}, {"state", each.state}};
      line.update(Json::parse(text));
      changes.push_back(std::move(line));
    }
  }
  return text_of(Json{{"from", to_hex(from)}, {"to", to_hex(to)}, {"changes", std::move(changes)}});
}

std::string period_subject(const std::string& period) {
  return text_of(nlohmann::json{{"period", period}});
}

}  // namespace tallyman::rater
