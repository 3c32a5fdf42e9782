#include "rater/ledger/sqlite.hpp"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace tallyman::rater {
namespace {

Error sqlite_error(sqlite3* db, const std::string& where, int code) {
  const int primary = code & 0xff;
  std::string todo;
  if (primary == SQLITE_FULL) todo = "free space on the ledger's file system";
  if (primary == SQLITE_BUSY) todo = "another program holds the ledger; let it finish";
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    todo = "restore the ledger from a backup";
  }
  return {std::string("ledger: ") + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code)),
          where, todo};
}

/// The file a connection has open, empty for ":memory:".
std::string file_of(sqlite3* db) {
  const char* name = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  return name != nullptr ? name : "";
}

}  // namespace

Statement::Statement(sqlite3* db, std::string_view sql) : db_(db) {
  keep(sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), 0, &statement_, nullptr));
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      failed_(other.failed_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(statement_);
    db_ = other.db_;
    statement_ = std::exchange(other.statement_, nullptr);
    failed_ = other.failed_;
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::keep(int code) {
  if (code != SQLITE_OK && failed_ == SQLITE_OK) failed_ = code;
}

Statement& Statement::bind(int index, std::int64_t value) {
  keep(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Statement& Statement::bind_u64(int index, std::uint64_t value) {
  return bind(index, static_cast<std::int64_t>(value));
}

Statement& Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL: an empty text is not that.
  keep(sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int index, ByteView blob) {
  if (blob.empty()) {
    keep(sqlite3_bind_zeroblob(statement_, index, 0));
  } else {
    keep(sqlite3_bind_blob64(statement_, index, blob.data(), blob.size(), SQLITE_TRANSIENT));
  }
  return *this;
}

Statement& Statement::bind(int index, u128 quantity) {
  const auto bytes = to_big_endian(quantity);
  return bind(index, ByteView(bytes));
}

Statement& Statement::bind_null(int index) {
  keep(sqlite3_bind_null(statement_, index));
  return *this;
}

Result<bool> Statement::step() {
  if (failed_ != SQLITE_OK) return error();
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error out = sqlite_error(db_, file_of(db_), code);
  sqlite3_reset(statement_);
  return out;
}

Status Statement::done() {
  const auto row = step();
  Status out;
  if (!row.ok()) out = row.error();
  reset();
  return out;
}

void Statement::reset() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::uint64_t Statement::u64(int column) const {
  return static_cast<std::uint64_t>(integer(column));
}

std::string Statement::text(int column) const { return std::string(as_text(blob(column))); }

Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

Hash Statement::hash(int column) const {
  Hash out{};
  const Bytes bytes = blob(column);
  if (bytes.size() == out.size()) std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

u128 Statement::quantity(int column) const {
  std::array<std::uint8_t, 16> out{};
  const Bytes bytes = blob(column);
  if (bytes.size() == out.size()) std::copy(bytes.begin(), bytes.end(), out.begin());
  return from_big_endian(out);
}

bool Statement::null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Error Statement::error() const { return sqlite_error(db_, file_of(db_), failed_); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> db(new Database(raw, path));
  if (code != SQLITE_OK) return sqlite_error(raw, path, code);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 5000);
  for (const char* pragma : {"PRAGMA auto_vacuum=INCREMENTAL", "PRAGMA journal_mode=WAL",
                             "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON"}) {
    if (Status status = db->run(pragma); !status.ok()) {
      Error error = status.error();
      error.where = path;
      return error;
    }
  }
  return db;
}

Result<std::unique_ptr<Database>> Database::open_to_read(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path)
    uri += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02x}", c) : std::string(1, c);
  // The second, where SQLite cannot keep its files beside the database: nobody writes there, and
  // without a log of writes the file alone is all.
  std::error_code none;
  const auto log = std::filesystem::file_size(path + "-wal", none);
  const bool logged = !none && log != 0;
  Error wrong;
  for (const char* mode : {"?mode=ro", "?mode=ro&immutable=1"}) {
    sqlite3* raw = nullptr;
    const int code =
        sqlite3_open_v2((uri + mode).c_str(), &raw,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Database> db(new Database(raw, path));
    if (code != SQLITE_OK) {
      wrong = sqlite_error(raw, path, code);
      continue;
    }
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, 5000);
    const int read = sqlite3_exec(raw, "SELECT 1 FROM sqlite_schema", nullptr, nullptr, nullptr);
    if (read == SQLITE_OK) return db;
    wrong = sqlite_error(raw, path, read);
    const int primary = read & 0xff;
    if (logged || (primary != SQLITE_CANTOPEN && primary != SQLITE_READONLY)) break;
  }
  return wrong;
}

Database::~Database() { sqlite3_close_v2(db_); }

Status Database::run(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return sqlite_error(db_, path_, code);
}

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

Transaction::~Transaction() {
  // Nothing can be done about a rollback that fails: SQLite undoes the transaction at the next
  // open.
  if (!over_ && begun_.ok()) static_cast<void>(db_.run("ROLLBACK").ok());
}

Status Transaction::commit() {
  if (!begun_.ok()) return begun_;
  Status status = db_.run("COMMIT");
  if (status.ok()) over_ = true;
  return status;
}

}  // namespace tallyman::rater
