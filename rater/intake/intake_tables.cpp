#include "rater/intake/intake_tables.hpp"

#include <cstdint>

#include "rater/intake/raw_tables.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {
namespace {

constexpr std::int64_t kVersion = 2;
constexpr const char* kTables =
    "CREATE TABLE agent(name TEXT PRIMARY KEY, token INTEGER NOT NULL, used INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE stream(id INTEGER PRIMARY KEY, agent TEXT NOT NULL, incarnation BLOB NOT NULL,"
    " mark INTEGER NOT NULL, mark_hash BLOB NOT NULL, definitions INTEGER NOT NULL,"
    " watermark INTEGER NOT NULL, claimed INTEGER NOT NULL, first_received INTEGER NOT NULL,"
    " last_received INTEGER NOT NULL, batches INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " kind TEXT NOT NULL DEFAULT 'agent', UNIQUE(agent, incarnation));"
    "CREATE TABLE definition(stream INTEGER NOT NULL REFERENCES stream(id),"
    " number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(stream, number)) WITHOUT ROWID;"
    "CREATE TABLE batch(stream INTEGER NOT NULL REFERENCES stream(id), sequence INTEGER NOT NULL,"
    " last INTEGER NOT NULL, hash BLOB NOT NULL, day INTEGER NOT NULL, received INTEGER NOT NULL,"
    " watermark INTEGER NOT NULL, bytes INTEGER NOT NULL, arrival INTEGER NOT NULL DEFAULT 0,"
    " content BLOB, PRIMARY KEY(stream, sequence)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX batch_arrival ON batch(arrival)";

/// Batches held already arrived in the order in which they were derived: by receipt, then stream.
constexpr const char* kSecondVersion =
    "ALTER TABLE stream ADD COLUMN kind TEXT NOT NULL DEFAULT 'agent';"
    "ALTER TABLE batch ADD COLUMN arrival INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE batch ADD COLUMN content BLOB;"
    "UPDATE batch SET arrival = counted.place FROM (SELECT stream, sequence, row_number()"
    " OVER (ORDER BY received, stream, sequence) AS place FROM batch) AS counted"
    " WHERE batch.stream = counted.stream AND batch.sequence = counted.sequence;"
    "CREATE UNIQUE INDEX batch_arrival ON batch(arrival)";

Status to_second_version(Database& database) {
  if (Status status = database.run(kSecondVersion); !status.ok()) return status;
  auto batches = database.prepare("SELECT stream, sequence, hash, day FROM batch");
  auto note = database.prepare("UPDATE batch SET content = ? WHERE stream = ? AND sequence = ?");
  RawReader raw(database);
  for (;;) {
    const auto row = batches.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const auto bytes = raw.read(batches.integer(3), batches.integer(0), batches.u64(1));
    if (!bytes.ok()) return bytes.error();
    // Of bytes that retention has dropped nothing is known but the chain's hash.
    if (bytes->empty() || wire::batch_hash(*bytes) == batches.hash(2)) continue;
    note.bind(1, ByteView(wire::batch_hash(*bytes)))
        .bind(2, batches.integer(0))
        .bind_u64(3, batches.u64(1));
    if (Status status = note.done(); !status.ok()) return status;
  }
}

}  // namespace

Status prepare_intake(Ledger& ledger) {
  return ledger.prepare_part("intake", kVersion, kTables, {to_second_version});
}

}  // namespace tallyman::rater
