#pragma once
// The versions of the catalogue in the ledger. Table catalogue(n, version, applied, text), made by
// PeriodStore: append-only, a row each time another content comes into force. Who applied it and
// why stands in the audit log, as kind "catalogue apply" with
//   {"adjust":BOOLEAN,"file":BOOLEAN,"n":ROW,"text":HASH OF THE TEXT,"version":HASH}
// so that the chain seals the text too.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "rater/decisions/audit_log.hpp"

namespace tallyman::rater {

constexpr const char* kCatalogueApply = "catalogue apply";

struct NewCatalogue {
  Hash version{};
  std::string text;
  bool adjust = false;  ///< released periods may come to differ
  bool file = false;    ///< it is the configured file's, and nobody's command
};

struct CatalogueVersion {
  std::int64_t n = 0;
  Hash version{};
  Ns applied = 0;
  std::string user, why;  ///< empty: from before the audit log
};

/// Owned by Billing, on the loop's thread. The ledger outlives it.
class CatalogueStore {
 public:
  CatalogueStore(Ledger& ledger, AuditLog audit) : ledger_(&ledger), audit_(audit) {}

  /// Appends a version with the decision that brings it into force, in one transaction.
  /// `also` is kept in the same transaction; may be empty.
  [[nodiscard]] Result<AuditMark> apply(const NewCatalogue& next, const Decision& decision, Ns now,
                                        const std::function<Status()>& also = {});
  /// What the configured file held when it last came into force.
  [[nodiscard]] Result<std::optional<Hash>> last_of_file();
  /// The text in force.
  [[nodiscard]] Result<std::optional<std::string>> last_text();
  /// The text of a version, as it was applied last.
  [[nodiscard]] Result<std::optional<std::string>> text_of(const Hash& version);
  /// The latest `most`, oldest first.
  [[nodiscard]] Result<std::vector<CatalogueVersion>> versions(std::size_t most);

 private:
  Ledger* ledger_;
  AuditLog audit_;
};

/// Tells each text that is not the one whose hash the chain seals.
[[nodiscard]] Status verify_catalogues(
    Database& database, const std::function<void(std::int64_t n, std::string what)>& found);

}  // namespace tallyman::rater
