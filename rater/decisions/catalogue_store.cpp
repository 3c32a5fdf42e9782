#include "rater/decisions/catalogue_store.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

const char* json_of(bool flag) { return flag ? "true" : "false"; }

std::string what_of(const NewCatalogue& next, std::int64_t n) {
  return std::string(R"({"adjust":)") + json_of(next.adjust) + R"(,"file":)" + json_of(next.file) +
         R"(,"n":)" + std::to_string(n) + R"(,"text":")" + to_hex(hash_of(as_bytes(next.text))) +
         R"(","version":")" + to_hex(next.version) + "\"}";
}

Result<std::optional<std::string>> one_text(Statement& select) {
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return *row ? std::optional(select.text(0)) : std::optional<std::string>();
}

}  // namespace

Result<AuditMark> CatalogueStore::apply(const NewCatalogue& next, const Decision& decision, Ns now,
                                        const std::function<Status()>& also) {
  Database& db = ledger_->database();
  Transaction transaction(db);
  if (!transaction.begun()) return transaction.begun().error();
  Statement insert = db.prepare("INSERT INTO catalogue(version, applied, text) VALUES(?, ?, ?)");
  insert.bind(1, ByteView(next.version)).bind(2, now).bind(3, next.text);
  if (const Status done = insert.done(); !done) return done.error();
  const std::string what = what_of(next, db.last_insert_id());
  const Result<AuditMark> mark = audit_.append(kCatalogueApply, what, decision, now);
  if (!mark) return mark.error();
  if (const Status done = also ? also() : Status(); !done) return done.error();
  if (const Status kept = transaction.commit(); !kept) return kept.error();
  return *mark;
}

Result<std::optional<std::string>> CatalogueStore::last_text() {
  Statement select =
      ledger_->database().prepare("SELECT text FROM catalogue ORDER BY n DESC LIMIT 1");
  return one_text(select);
}

Result<std::optional<Hash>> CatalogueStore::last_of_file() {
  Statement select = ledger_->database().prepare(
      "SELECT c.version FROM audit a JOIN catalogue c ON c.n = json_extract(a.what, '$.n')"
      " WHERE a.kind = ? AND json_extract(a.what, '$.file') ORDER BY a.n DESC LIMIT 1");
  select.bind(1, std::string_view(kCatalogueApply));
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return *row ? std::optional(select.hash(0)) : std::optional<Hash>();
}

Result<std::optional<std::string>> CatalogueStore::text_of(const Hash& version) {
  Statement select = ledger_->database().prepare(
      "SELECT text FROM catalogue WHERE version = ? ORDER BY n DESC LIMIT 1");
  select.bind(1, ByteView(version));
  return one_text(select);
}

Result<std::vector<CatalogueVersion>> CatalogueStore::versions(std::size_t most) {
  Statement select = ledger_->database().prepare(
      "SELECT c.n, c.version, c.applied, a.user, a.why FROM catalogue c LEFT JOIN audit a"
      " ON a.kind = ?1 AND json_extract(a.what, '$.n') = c.n ORDER BY c.n DESC LIMIT ?2");
  select.bind(1, std::string_view(kCatalogueApply)).bind(2, static_cast<std::int64_t>(most));
  std::vector<CatalogueVersion> out;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) break;
    out.push_back(
        {select.integer(0), select.hash(1), select.integer(2), select.text(3), select.text(4)});
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Status verify_catalogues(Database& database,
                         const std::function<void(std::int64_t n, std::string what)>& found) {
  Statement tables = database.prepare(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('audit', 'catalogue')");
  const Result<bool> there = tables.step();
  if (!there) return there.error();
  if (tables.integer(0) != 2) return {};
  Statement select = database.prepare(
      "SELECT json_extract(a.what, '$.n'), json_extract(a.what, '$.version'),"
      " json_extract(a.what, '$.text'), lower(hex(c.version)), c.text, c.n FROM audit a"
      " LEFT JOIN catalogue c ON c.n = json_extract(a.what, '$.n') WHERE a.kind = ? ORDER BY a.n");
  select.bind(1, std::string_view(kCatalogueApply));
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return {};
    const std::int64_t n = select.integer(0);
    if (select.null(5)) {
      found(n, "a version that was applied is not there");
    } else if (select.text(1) != select.text(3) ||
               select.text(2) != to_hex(hash_of(as_bytes(select.text(4))))) {
      found(n, "its text is not the one that was applied");
    }
  }
}

}  // namespace tallyman::rater
