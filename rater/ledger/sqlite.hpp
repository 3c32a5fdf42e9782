#pragma once
// SQLite as the ledger uses it: prepared statements with bound values, one transaction at a time,
// errors as values. sqlite3.h is included by sqlite.cpp only.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "base/u128.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace tallyman::rater {

/// One prepared statement. Bind (from 1, as SQLite counts), step, read columns (from 0), reset.
/// A failed bind or step is kept and comes out of step() or done(). Owned by its maker; one thread.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql);
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  /// A uint64 as its 64 bits (SQL integers are signed): never compared or added up in SQL.
  Statement& bind_u64(int index, std::uint64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, ByteView blob);
  Statement& bind(int index, u128 quantity);  ///< sixteen bytes, big-endian
  Statement& bind_null(int index);

  /// The next row: true; no more rows: false.
  [[nodiscard]] Result<bool> step();
  /// For statements without rows: runs it once and resets it, keeping the bindings.
  [[nodiscard]] Status done();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t u64(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] Bytes blob(int column) const;
  [[nodiscard]] Hash hash(int column) const;      ///< all zero when it is not 32 bytes
  [[nodiscard]] u128 quantity(int column) const;  ///< 0 when it is not 16 bytes
  [[nodiscard]] bool null(int column) const;

 private:
  [[nodiscard]] Error error() const;
  void keep(int code);
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int failed_ = 0;
};

/// One connection to one database file. One thread.
class Database {
 public:
  /// WAL, synchronous=FULL (an acknowledgement means durable), foreign keys on,
  /// auto_vacuum=INCREMENTAL at creation. ":memory:" for tests.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  /// An existing file, which another program may be writing to meanwhile; a copy of one may lie
  /// where nothing can be written.
  static Result<std::unique_ptr<Database>> open_to_read(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Statements without values and rows: DDL, pragmas.
  [[nodiscard]] Status run(const std::string& sql);
  [[nodiscard]] Statement prepare(std::string_view sql) { return {db_, sql}; }
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool in_transaction() const;

 private:
  Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  sqlite3* db_;
  std::string path_;
};

/// BEGIN IMMEDIATE … COMMIT; rolls back when it goes out of scope without a commit.
class Transaction {
 public:
  explicit Transaction(Database& db) : db_(db), begun_(db.run("BEGIN IMMEDIATE")) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  [[nodiscard]] const Status& begun() const { return begun_; }
  [[nodiscard]] Status commit();

 private:
  Database& db_;
  Status begun_;
  bool over_ = false;
};

}  // namespace tallyman::rater
