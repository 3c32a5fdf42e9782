#pragma once
// What the commands on decisions answer, as JSON documents. Pure: values in, text out.
// nlohmann-json is included by decisions_json.cpp only.

#include <optional>
#include <string>
#include <vector>

#include "rater/decisions/adjustment.hpp"
#include "rater/decisions/audit_log.hpp"
#include "rater/decisions/catalogue_store.hpp"
#include "rater/decisions/decisions.hpp"

namespace tallyman::rater {

/// {"decisions":[{"n","time","user","uid","kind","what":{…},"why","hash"}],"head":{"n","hash"}}
[[nodiscard]] std::string audit_document(const std::vector<AuditEntry>& entries,
                                         const AuditMark& head);

/// {"versions":[{"n","version","applied","user","why","in_force"}]}
[[nodiscard]] std::string catalogue_log_document(const std::vector<CatalogueVersion>& versions);

/// {"version","changed","decision":{"n","hash"}}
[[nodiscard]] std::string applied_document(const Hash& version, bool changed,
                                           const AuditMark& head);

/// {"anomalies":[{"id","state","series","agent","from","to","value_at_risk","unit","cause","why"}]};
/// a state is open, accepted or rejected.
[[nodiscard]] std::string anomalies_document(const std::vector<AnomalyContent>& anomalies,
                                             const Decisions& decisions);

/// {"resource","from","to","state":"waived" or "withdrawn","decision":{…}}
[[nodiscard]] std::string waived_document(const Waiver& waiver, bool withdrawn,
                                          const AuditMark& mark);

/// {"customer","meter","period","quantity","decision":{…}}; a quantity of null: as computed.
[[nodiscard]] std::string corrected_document(const Correction& correction, const AuditMark& mark);

/// {"period":ID}, canonical: what a decision on a period is about.
[[nodiscard]] std::string period_subject(const std::string& period);
/// {"period":ID,"revision":N}
[[nodiscard]] std::string round_subject(const std::string& period, std::uint64_t revision);

/// {"periods":[{"period","state","changes":[…]}]}: change_line()s.
struct ChangedPeriod {
  std::string period, state;
  std::vector<std::string> lines;
};
[[nodiscard]] std::string diff_document(const Hash& from, const Hash& to,
                                        const std::vector<ChangedPeriod>& periods);

}  // namespace tallyman::rater
