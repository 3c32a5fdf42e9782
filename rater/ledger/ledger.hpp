#pragma once
// The ledger's file: one SQLite database that holds raw batches, derived usage, rated records and
// the outbox. This class owns the file, its id and the versions of its parts; each part (intake,
// usage, billing …) makes and knows its own tables.
//
// Two kinds of tables that a reader of the file meets first:
//   ledger(id, created)       one row: the ledger's random name and the instant of its making
//   part(name, version)       which schema version of each part is in this file

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "rater/ledger/sqlite.hpp"

namespace tallyman::rater {

/// Brings a part's tables from one version to the next, inside the caller's transaction.
using PartUpgrade = std::function<Status(Database&)>;

/// Owned by the daemon (or a test), used on one thread, outlives every part.
class Ledger {
 public:
  /// Opens the file or makes it (readable by its owner only); ":memory:" for tests. A second rater
  /// on the same file, and a file that is not a ledger, are errors.
  static Result<std::unique_ptr<Ledger>> open(const std::string& path, const Clock& clock);
  /// The ledger as it stands at this moment, beside a rater that goes on writing, or a copy of one:
  /// one snapshot, for as long as this object lives (the write-ahead log cannot be cut meanwhile).
  /// Nothing can be written; of the parts each must have the version that this program knows.
  static Result<std::unique_ptr<Ledger>> open_to_read(const std::string& path);
  /// An empty one in a temporary file without a name, gone with this object; SQLITE_TMPDIR, TMPDIR
  /// or /var/tmp is where.
  static Result<std::unique_ptr<Ledger>> open_scratch(const Clock& clock);

  [[nodiscard]] Database& database() { return *database_; }
  /// Random, non-zero, made with the file: what an agent's stream belongs to.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  /// The id as sixteen hexadecimal digits: how people, messages and JSON name it.
  [[nodiscard]] std::string id_text() const;
  [[nodiscard]] const std::string& path() const { return database_->path(); }
  /// Bytes of the database file, without its write-ahead log.
  [[nodiscard]] std::uint64_t bytes();

  /// Brings a part's tables into the file, in one transaction: runs `schema` (CREATE TABLE …, the
  /// tables as of `version`) when the part is not there yet, and the upgrades it lacks when the
  /// file's is older. The last upgrade arrives at `version`, the one before it at the version
  /// before. A file whose part is newer, or older than the first upgrade, is an error and stays as
  /// it was. Not inside a transaction. In a ledger opened to be read it makes and brings up
  /// nothing: a part that is not there, or of another version, is an error.
  [[nodiscard]] Status prepare_part(std::string_view name, std::int64_t version,
                                    const std::string& schema,
                                    const std::vector<PartUpgrade>& upgrades = {});

 private:
  Ledger(std::unique_ptr<Database> database, Fd lock)
      : lock_(std::move(lock)), database_(std::move(database)) {}
  [[nodiscard]] Status prepare_ledger(const Clock& clock);
  [[nodiscard]] Result<bool> read_ledger();
  [[nodiscard]] Status check_part(std::string_view name, std::int64_t version);
  [[nodiscard]] Status upgrade_part(std::string_view name, std::int64_t held, std::int64_t version,
                                    const std::vector<PartUpgrade>& upgrades);

  Fd lock_;
  std::unique_ptr<Database> database_;
  std::uint64_t id_ = 0;
  bool reading_ = false;  ///< opened to be read
};

}  // namespace tallyman::rater
