#include "rater/ledger/ledger.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/bytes.hpp"
#include "base/hash.hpp"

namespace tallyman::rater {
namespace {

constexpr std::int64_t kLedgerVersion = 1;
constexpr const char* kLedgerTables =
    "CREATE TABLE IF NOT EXISTS ledger(one INTEGER PRIMARY KEY CHECK (one = 1),"
    " id INTEGER NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS part(name TEXT PRIMARY KEY, version INTEGER NOT NULL)"
    " WITHOUT ROWID";

std::uint64_t random_id() {
  std::array<std::uint8_t, 8> bytes{};
  std::uint64_t id = 0;
  while (id == 0) {
    random_bytes(bytes);
    id = ByteReader(bytes).u64();
  }
  return id;
}

/// Makes the database file for its owner only (SQLite's own files beside it take its mode) and
/// takes the lock that keeps a second rater out.
Result<Fd> lock_ledger(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return errno_error("cannot open the ledger", path, errno,
                       "name a file in a directory that the rater may write to");
  }
  const std::string lock_path = path + ".lock";
  Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid()) return errno_error("cannot open the ledger's lock", lock_path, errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Error{"another rater has this ledger open", path, "stop it first"};
    }
    return errno_error("cannot lock the ledger", lock_path, errno);
  }
  return lock;
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, const Clock& clock) {
  Fd lock;
  if (path != ":memory:") {
    auto locked = lock_ledger(path);
    if (!locked.ok()) return locked.error();
    lock = std::move(*locked);
  }
  auto database = Database::open(path);
  if (!database.ok()) return database.error();
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(*database), std::move(lock)));
  if (Status status = ledger->prepare_ledger(clock); !status.ok()) return status.error();
  return ledger;
}

Result<std::unique_ptr<Ledger>> Ledger::open_to_read(const std::string& path) {
  constexpr const char* kTodo = "name the ledger's file";
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) {
    return Error{"no ledger stands here", path, kTodo};
  }
  auto database = Database::open_to_read(path);
  if (!database.ok()) return database.error();
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(*database), Fd()));
  ledger->reading_ = true;
  if (Status status = ledger->database_->run("BEGIN"); !status.ok()) return status.error();
  const auto known = ledger->read_ledger();
  if (!known.ok()) return Error{"not a ledger: " + known.error().what, path, kTodo};
  if (!*known) return Error{"not a ledger", path, kTodo};
  return ledger;
}

Result<std::unique_ptr<Ledger>> Ledger::open_scratch(const Clock& clock) {
  auto database = Database::open("");  // a temporary file, in SQLite's words
  if (!database.ok()) return database.error();
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(*database), Fd()));
  if (Status status = ledger->prepare_ledger(clock); !status.ok()) return status.error();
  return ledger;
}

/// False when the file has no id yet.
Result<bool> Ledger::read_ledger() {
  auto find = database_->prepare("SELECT id, version FROM ledger");
  const auto row = find.step();
  if (!row.ok() || !*row) return row;
  id_ = find.u64(0);
  if (id_ != 0 && find.integer(1) == kLedgerVersion) return true;
  return Error{
      fmt::format("ledger of version {}, this rater knows {}", find.integer(1), kLedgerVersion),
      path(), "run the rater that wrote it"};
}

Status Ledger::prepare_ledger(const Clock& clock) {
  Transaction transaction(*database_);
  if (!transaction.begun().ok()) return transaction.begun();
  if (Status status = database_->run(kLedgerTables); !status.ok()) return status;
  const auto known = read_ledger();
  if (!known.ok()) return known.error();
  if (!*known) {
    id_ = random_id();
    auto make = database_->prepare("INSERT INTO ledger VALUES (1, ?, ?, ?)");
    make.bind_u64(1, id_).bind(2, clock.wall()).bind(3, kLedgerVersion);
    if (Status status = make.done(); !status.ok()) return status;
  }
  return transaction.commit();
}

std::string Ledger::id_text() const { return fmt::format("{:016x}", id_); }

std::uint64_t Ledger::bytes() {
  auto size = database_->prepare(
      "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()");
  const auto row = size.step();
  return row.ok() && *row ? size.u64(0) : 0;
}

Status Ledger::prepare_part(std::string_view name, std::int64_t version, const std::string& schema,
                            const std::vector<PartUpgrade>& upgrades) {
  if (reading_) return check_part(name, version);
  Transaction transaction(*database_);
  if (!transaction.begun().ok()) return transaction.begun();
  auto find = database_->prepare("SELECT version FROM part WHERE name = ?");
  const auto row = find.bind(1, name).step();
  if (!row.ok()) return row.error();
  if (*row) {
    const std::int64_t held = find.integer(0);
    find.reset();
    if (Status status = upgrade_part(name, held, version, upgrades); !status.ok()) return status;
    return transaction.commit();
  }
  find.reset();
  if (Status status = database_->run(schema); !status.ok()) return status;
  auto make = database_->prepare("INSERT INTO part VALUES (?, ?)");
  if (Status status = make.bind(1, name).bind(2, version).done(); !status.ok()) return status;
  return transaction.commit();
}

Status Ledger::check_part(std::string_view name, std::int64_t version) {
  auto find = database_->prepare("SELECT version FROM part WHERE name = ?");
  const auto row = find.bind(1, name).step();
  if (!row.ok()) return row.error();
  if (!*row) {
    return Error{fmt::format("the ledger has no part '{}' yet", name), path(),
                 "let a rater run on it first"};
  }
  const std::int64_t held = find.integer(0);
  if (held == version) return {};
  return Error{fmt::format("the ledger's part '{}' has version {}, this rater knows {}", name, held,
                           version),
               path(),
               held > version ? "use the rater that wrote it, or a newer one"
                              : "start this rater on it once: that brings it up"};
}

Status Ledger::upgrade_part(std::string_view name, std::int64_t held, std::int64_t version,
                            const std::vector<PartUpgrade>& upgrades) {
  if (held == version) return {};
  const std::string found = fmt::format(
      "the ledger's part '{}' has version {}, this rater knows {}", name, held, version);
  if (held > version) return Error{found, path(), "run the rater that wrote it, or a newer one"};
  const std::int64_t first = version - static_cast<std::int64_t>(upgrades.size());
  if (held < first) {
    return Error{fmt::format("{}, and can bring up {} or later", found, first), path(),
                 "let an earlier rater bring it up first"};
  }
  for (std::int64_t from = held; from < version; ++from) {
    Status status = upgrades[static_cast<std::size_t>(from - first)](*database_);
    if (!status.ok()) return status;
  }
  return database_->prepare("UPDATE part SET version = ? WHERE name = ?")
      .bind(1, version)
      .bind(2, name)
      .done();
}

}  // namespace tallyman::rater
