#include "rater/ledger/ledger_verify.hpp"

#include <fmt/core.h>

#include <filesystem>

#include "rater/decisions/audit_log.hpp"
#include "rater/decisions/catalogue_store.hpp"
#include "rater/intake/intake_verify.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {
namespace {

constexpr std::int64_t kKnownLedger = 1, kKnownIntake = 2;
constexpr const char* kTodo = "restore the ledger from a backup";

void add(LedgerReport& report, LedgerFinding finding) {
  ++report.damages;
  if (report.findings.size() < kMaxLedgerFindings) report.findings.push_back(std::move(finding));
}

/// What SQLite says of its own file: one row "ok", or one for each fault.
Status check_file(Database& database, LedgerReport& report) {
  auto query = database.prepare("PRAGMA integrity_check(100)");
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    if (const std::string text = query.text(0); text != "ok") add(report, {text, "", "", "", 0, 0});
  }
  auto keys = database.prepare("PRAGMA foreign_key_check");
  for (;;) {
    const auto row = keys.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    add(report, {fmt::format("refers to a {} that is not there", keys.text(2)), keys.text(0), "",
                 "", 0, 0});
  }
}

/// The ledger's id, and whether this program knows its tables.
Status check_versions(Database& database, LedgerReport& report) {
  auto ledger = database.prepare("SELECT id, version FROM ledger");
  auto row = ledger.step();
  if (!row.ok() || !*row) return Error{"not a ledger", report.path, "name the ledger's file"};
  report.id = fmt::format("{:016x}", ledger.u64(0));
  auto part = database.prepare("SELECT version FROM part WHERE name = 'intake'");
  row = part.step();
  if (!row.ok()) return row.error();
  const std::int64_t intake = *row ? part.integer(0) : kKnownIntake;
  if (ledger.integer(1) == kKnownLedger && intake == kKnownIntake) return {};
  return Error{fmt::format("a ledger of version {}, its intake of version {}, which this rater "
                           "does not know",
                           ledger.integer(1), intake),
               report.path, "use the rater that wrote it, or let a newer one bring it up first"};
}

bool has_table(Database& database, const char* name) {
  auto query = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  const auto row = query.bind(1, std::string_view(name)).step();
  return row.ok() && *row;
}

/// The chain of people's decisions, and what it seals.
Status check_decisions(Database& database, LedgerReport& report) {
  const auto in = [&](const char* table) {
    return [&report, table](std::int64_t n, std::string what) {
      const auto number = static_cast<std::uint64_t>(n);
      add(report, {std::move(what), table, "", "", number, number});
    };
  };
  const auto head = verify_audit(database, in("audit"));
  if (!head.ok()) return head.error();
  report.decisions = static_cast<std::uint64_t>(head->n);
  report.decision_hash = head->hash;
  return verify_catalogues(database, in("catalogue"));
}

/// The chunks of derived slots, in a ledger that keeps them so.
Status check_slots(Database& database, LedgerReport& report) {
  if (!has_table(database, "usage_slots")) return {};
  return verify_slots(database, [&](const char* table, const std::string& what) {
    add(report, {what, table, "", "", 0, 0});
  });
}

Status check_all(Database& database, LedgerReport& report, const LedgerProgress& progress) {
  Status done = check_file(database, report);
  if (done.ok()) done = check_decisions(database, report);
  if (done.ok()) done = check_slots(database, report);
  if (!done.ok() || !has_table(database, "stream")) return done;
  const auto found = [&](LedgerFinding finding) { add(report, std::move(finding)); };
  return verify_streams(database, report, found, progress);
}

}  // namespace

Result<LedgerReport> verify_ledger(const std::string& path, const LedgerProgress& progress) {
  LedgerReport report;
  report.path = path;
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none))
    return Error{"no ledger stands here", path, "name the ledger's file"};
  const auto damaged = [&](const Error& error) {
    add(report, {error.what + "; " + kTodo, "", "", "", 0, 0});
    return report;
  };
  auto opened = Database::open_to_read(path);
  if (!opened.ok()) return damaged(opened.error());
  Database& database = **opened;
  if (Status begun = database.run("BEGIN"); !begun.ok()) return damaged(begun.error());
  if (Status known = check_versions(database, report); !known.ok()) return known.error();
  if (Status done = check_all(database, report, progress); !done.ok()) return damaged(done.error());
  return report;
}

}  // namespace tallyman::rater
