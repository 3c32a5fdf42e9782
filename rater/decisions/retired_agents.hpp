#pragma once
// Who is retired, as the audit log tells it.

#include <set>
#include <string>

#include "rater/decisions/audit_log.hpp"

namespace tallyman::rater {

/// Agents that were retired, and taken back by no later decision. The log only grows, so what was
/// read of it is kept, and only what was decided since is read. Owned by Billing, on the loop's
/// thread; the ledger behind the log outlives it.
class RetiredAgents {
 public:
  explicit RetiredAgents(AuditLog log) : log_(log) {}

  /// As the log stands, decisions of a transaction under way included: a rollback takes them back.
  /// The set is this object's, until the next call.
  [[nodiscard]] Result<const std::set<std::string>*> now();

 private:
  [[nodiscard]] Status keep_up(const AuditMark& head);

  AuditLog log_;
  AuditMark read_to_;
  std::set<std::string> agents_;
};

}  // namespace tallyman::rater
