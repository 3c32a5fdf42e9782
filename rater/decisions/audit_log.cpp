#include "rater/decisions/audit_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace tallyman::rater {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr const char* kTables =
    "CREATE TABLE audit(n INTEGER PRIMARY KEY, at INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " user TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL,"
    " hash BLOB NOT NULL);"
    "CREATE INDEX audit_kind ON audit(kind, n);";
constexpr const char* kColumns = "SELECT n, at, uid, user, kind, what, why, hash FROM audit";

AuditEntry entry_of(const Statement& row) {
  AuditEntry entry;
  entry.mark = {row.integer(0), row.hash(7)};
  entry.at = row.integer(1);
  entry.uid = static_cast<std::uint32_t>(row.integer(2));
  entry.user = row.text(3);
  entry.kind = row.text(4);
  entry.what = row.text(5);
  entry.why = row.text(6);
  return entry;
}

Result<AuditMark> head_of(Database& database) {
  Statement last = database.prepare("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1");
  const Result<bool> row = last.step();
  if (!row) return row.error();
  return *row ? AuditMark{last.integer(0), last.hash(1)} : AuditMark{};
}

}  // namespace

Decision by_configuration(std::string why) {
  return {"configuration", std::move(why), static_cast<std::uint32_t>(::geteuid())};
}

Status check_why(const Decision& decision) {
  const std::string& why = decision.why;
  if (why.size() > kMaxWhy) {
    return Error{"the reason is longer than 1 KiB", "--why", "say it in fewer words"};
  }
  const bool blank = std::all_of(why.begin(), why.end(), [](unsigned char c) { return c <= ' '; });
  if (!blank) return {};
  return Error{"a decision needs a reason", "--why", "say why: it is kept with the decision"};
}

Hash audit_hash(const AuditEntry& entry, const Hash& previous) {
  FieldHasher hasher;
  hasher.field("tallyman audit 1").field(previous);
  hasher.number(static_cast<std::uint64_t>(entry.mark.n));
  hasher.number(static_cast<std::uint64_t>(entry.at)).number(entry.uid);
  hasher.field(entry.user).field(entry.kind).field(entry.what).field(entry.why);
  return hasher.finish();
}

Result<AuditMark> append_audit(Database& database, std::string_view kind, std::string_view what,
                               const Decision& decision, Ns at) {
  if (what.size() > kMaxWhat) {
    return Error{"a decision takes at most 1 MiB", std::string(kind), "decide in parts"};
  }
  const Result<AuditMark> head = head_of(database);
  if (!head) return head.error();
  AuditEntry entry{
      {head->n + 1, kNoHash}, at,          decision.uid, decision.who, std::string(kind),
      std::string(what),      decision.why};
  entry.mark.hash = audit_hash(entry, head->hash);
  Statement insert = database.prepare("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  insert.bind(1, entry.mark.n).bind(2, at).bind(3, std::int64_t{entry.uid});
  insert.bind(4, entry.user).bind(5, entry.kind).bind(6, entry.what).bind(7, entry.why);
  insert.bind(8, ByteView(entry.mark.hash));
  if (const Status done = insert.done(); !done) return done.error();
  return entry.mark;
}

Result<AuditLog> AuditLog::open(Ledger& ledger) {
  if (const Status made = ledger.prepare_part("audit", kVersion, kTables); !made) {
    return made.error();
  }
  return AuditLog(ledger);
}

Result<AuditMark> AuditLog::append(std::string_view kind, std::string_view what,
                                   const Decision& decision, Ns at) {
  if (const Status reason = check_why(decision); !reason) return reason.error();
  if (!ledger_->database().in_transaction()) {
    return Error{"a decision was to be noted apart from its effect", "audit", "report this"};
  }
  return append_audit(ledger_->database(), kind, what, decision, at);
}

Result<AuditMark> AuditLog::head() { return head_of(ledger_->database()); }

Result<std::vector<AuditEntry>> AuditLog::entries(std::int64_t n, std::size_t most,
                                                  std::string_view kind) {
  const std::string which = kind.empty() ? " WHERE n > ?" : " WHERE n > ? AND kind = ?3";
  Statement select =
      ledger_->database().prepare(std::string(kColumns) + which + " ORDER BY n LIMIT ?2");
  select.bind(1, n).bind(2, static_cast<std::int64_t>(most));
  if (!kind.empty()) select.bind(3, kind);
  std::vector<AuditEntry> out;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return out;
    out.push_back(entry_of(select));
  }
}

Result<AuditMark> verify_audit(Database& database,
                               const std::function<void(std::int64_t n, std::string what)>& found) {
  AuditMark head;
  Statement there =
      database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'audit'");
  const Result<bool> table = there.step();
  if (!table) return table.error();
  if (!*table) return head;
  Statement select = database.prepare(std::string(kColumns) + " ORDER BY n");
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return head;
    const AuditEntry entry = entry_of(select);
    if (entry.mark.n != head.n + 1) {
      found(entry.mark.n, "decisions are missing before it");
    } else if (audit_hash(entry, head.hash) != entry.mark.hash) {
      found(entry.mark.n, "the chain is broken: its hash is not that of its content");
    }
    head = entry.mark;
  }
}

}  // namespace tallyman::rater
