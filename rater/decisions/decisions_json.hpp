#pragma once
// What the commands on decisions answer, as JSON documents. Pure: values in, text out.
// nlohmann-json is included by decisions_json.cpp only.

#include <optional>
#include <string>
#include <vector>

#include "rater/decisions/audit_log.hpp"
#include "rater/decisions/catalogue_store.hpp"

namespace tallyman::rater {

/// {"decisions":[{"n","time","user","uid","kind","what":{…},"why","hash"}],"head":{"n","hash"}}
[[nodiscard]] std::string audit_document(const std::vector<AuditEntry>& entries,
                                         const AuditMark& head);

/// {"versions":[{"n","version","applied","user","why","in_force"}]}
[[nodiscard]] std::string catalogue_log_document(const std::vector<CatalogueVersion>& versions);

/// {"version","changed","decision":{"n","hash"}}
[[nodiscard]] std::string applied_document(const Hash& version, bool changed,
                                           const AuditMark& head);

/// {"period":ID}, canonical: what a decision on a period is about.
[[nodiscard]] std::string period_subject(const std::string& period);

}  // namespace tallyman::rater
