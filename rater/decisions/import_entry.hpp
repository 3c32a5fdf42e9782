#pragma once
// An import as the decision that it is: an entry of the audit log, kept with the first of its
// blocks that is new. A file that is held already is none (nothing is decided); one that was cut
// short and goes on has its entry, whoever goes on with it.

#include <cstdint>
#include <string>

#include "rater/decisions/audit_log.hpp"

namespace tallyman::rater {

constexpr const char* kImport = "import";

/// What was imported.
struct ImportContent {
  std::string file;       ///< by the path that was asked for
  std::string agent;      ///< in place of those that the lines name; empty: theirs
  std::string kind;       ///< "readings" or "slots"
  std::string stream;     ///< the incarnation of its streams: with `agent` it tells imports apart
  Hash sha256 = kNoHash;  ///< of the file's bytes
  std::uint64_t lines = 0, readings = 0, gaps = 0, repeated = 0, agents = 0;
};

/// Canonical JSON (decisions_codec.cpp).
[[nodiscard]] std::string what_of(const ImportContent& content);

/// Plain value. On the loop's thread; the ledger behind the log outlives it.
class ImportEntry {
 public:
  ImportEntry(AuditLog log, Decision decision) : log_(log), decision_(std::move(decision)) {}

  /// Inside the transaction of a block that is new: appends the entry when the log has none of this
  /// import. Its transaction may be rolled back: then it is told again with the next block.
  [[nodiscard]] Status note(const ImportContent& content, Ns at);

 private:
  [[nodiscard]] Result<bool> noted(const ImportContent& content);
  AuditLog log_;
  Decision decision_;
};

}  // namespace tallyman::rater
