#include "rater/slots/slot_tables.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "rater/slots/slot_codec.hpp"

namespace tallyman::rater {

namespace {

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

const char* const kSlotTables =
    "CREATE TABLE usage_recent(view INTEGER PRIMARY KEY, slots BLOB NOT NULL);"
    "CREATE TABLE usage_slots(view INTEGER NOT NULL, chunk INTEGER NOT NULL, slots BLOB NOT NULL,"
    " PRIMARY KEY(view, chunk))";

std::int64_t recent_from(std::int64_t view, std::int64_t newest) {
  const std::int64_t phase = newest % kRecentStep + view % kRecentStep;
  return newest + 1 - kRecentSlots - (phase - floor_div(phase, kRecentStep) * kRecentStep);
}

std::int64_t chunk_of(std::int64_t slot) { return floor_div(slot, kChunkSlots); }

SlotTables::SlotTables(Database& database, Ns length)
    : length_(length),
      read_recent_(database.prepare("SELECT slots FROM usage_recent WHERE view = ?")),
      write_recent_(database.prepare("INSERT OR REPLACE INTO usage_recent VALUES(?, ?)")),
      read_chunk_(database.prepare("SELECT slots FROM usage_slots WHERE view = ? AND chunk = ?")),
      read_chunks_(database.prepare("SELECT slots FROM usage_slots WHERE view = ?"
                                    " AND chunk BETWEEN ? AND ? ORDER BY chunk")),
      write_chunk_(
          database.prepare("INSERT INTO usage_slots VALUES(?, ?, ?)"
                           " ON CONFLICT(view, chunk) DO UPDATE SET slots = excluded.slots")) {}

Result<SlotArray> SlotTables::decoded(const Statement& row, int column) const {
  Result<SlotArray> slots = decode_slots(row.blob(column));
  if (!slots.ok() || slots->length() == length_) return slots;
  return Error{"a chunk of slots is damaged: its slots have another length", "ledger",
               "restore the ledger from a backup"};
}

Result<SlotArray> SlotTables::recent(std::int64_t view) {
  const auto row = read_recent_.bind(1, view).step();
  if (!row.ok()) return row.error();
  Result<SlotArray> slots = *row ? decoded(read_recent_, 0) : SlotArray(length_);
  read_recent_.reset();
  return slots;
}

Status SlotTables::add(std::int64_t view, std::span<const SlotUsage> usage) {
  Result<SlotArray> held = recent(view);
  if (!held.ok()) return held.error();
  std::int64_t newest = held->empty() ? INT64_MIN : held->end() - 1;
  for (const SlotUsage& each : usage) {
    if (!is_nothing(each)) newest = std::max(newest, each.slot);
  }
  if (newest == INT64_MIN) return {};
  const std::int64_t from = recent_from(view, newest);
  std::map<std::int64_t, SlotArray> older;
  const auto add_older = [&](const SlotUsage& each) {
    older.try_emplace(chunk_of(each.slot), length_).first->second.add(each);
  };
  for (const SlotUsage& each : held->part(held->first(), from).list()) add_older(each);
  SlotArray now = held->part(from, held->end());
  for (const SlotUsage& each : usage) {
    if (is_nothing(each)) continue;
    if (each.slot >= from) {
      now.add(each);
    } else {
      add_older(each);
    }
  }
  for (const auto& [chunk, slots] : older) {
    if (Status status = add_to_chunk(view, chunk, slots); !status.ok()) return status;
  }
  const Bytes bytes = encode_slots(now);
  return write_recent_.bind(1, view).bind(2, ByteView(bytes)).done();
}

Status SlotTables::add_to_chunk(std::int64_t view, std::int64_t chunk, const SlotArray& more) {
  const auto row = read_chunk_.bind(1, view).bind(2, chunk).step();
  if (!row.ok()) return row.error();
  Result<SlotArray> held = *row ? decoded(read_chunk_, 0) : SlotArray(length_);
  read_chunk_.reset();
  if (!held.ok()) return held.error();
  held->add(more);
  const Bytes bytes = encode_slots(*held);
  return write_chunk_.bind(1, view).bind(2, chunk).bind(3, ByteView(bytes)).done();
}

Result<SlotArray> SlotTables::read(std::int64_t view, std::int64_t first, std::int64_t end) {
  SlotArray out(length_);
  if (first >= end) return out;
  read_chunks_.bind(1, view).bind(2, chunk_of(first)).bind(3, chunk_of(end - 1));
  Status status;
  while (status.ok()) {
    const auto row = read_chunks_.step();
    if (!row.ok()) status = row.error();
    if (!row.ok() || !*row) break;
    const Result<SlotArray> slots = decoded(read_chunks_, 0);
    if (!slots.ok()) {
      status = slots.error();
    } else {
      out.add(slots->part(first, end));
    }
  }
  read_chunks_.reset();
  if (!status.ok()) return status.error();
  const Result<SlotArray> newest = recent(view);
  if (!newest.ok()) return newest.error();
  out.add(newest->part(first, end));
  return out;
}

namespace {

/// Holds chunks against where they stand.
class SlotCheck {
 public:
  SlotCheck(Database& db, Ns length, const SlotsFound& found)
      : db_(db), length_(length), found_(found) {}

  Status recent() {
    auto rows = db_.prepare("SELECT view, slots FROM usage_recent");
    for (;;) {
      const auto row = rows.step();
      if (!row.ok()) return row.error();
      if (!*row) return {};
      const std::int64_t view = rows.integer(0);
      const auto slots = decoded("usage_recent", view, rows.blob(1));
      if (!slots || slots->empty()) continue;
      const std::int64_t from = recent_from_[view] = recent_from(view, slots->end() - 1);
      within("usage_recent", view, *slots, from, INT64_MAX);
    }
  }
  Status chunks() {
    auto rows = db_.prepare("SELECT view, chunk, slots FROM usage_slots ORDER BY view, chunk");
    for (;;) {
      const auto row = rows.step();
      if (!row.ok()) return row.error();
      if (!*row) return {};
      const std::int64_t view = rows.integer(0), first = rows.integer(1) * kChunkSlots;
      const auto slots = decoded("usage_slots", view, rows.blob(2));
      if (!slots || slots->empty()) continue;
      const auto it = recent_from_.find(view);
      const std::int64_t recent = it == recent_from_.end() ? INT64_MAX : it->second;
      within("usage_slots", view, *slots, first, std::min(first + kChunkSlots, recent));
    }
  }
  /// A view that has old slots has recent ones.
  Status lost() {
    auto rows = db_.prepare(
        "SELECT DISTINCT view FROM usage_slots"
        " WHERE view NOT IN (SELECT view FROM usage_recent)");
    for (;;) {
      const auto row = rows.step();
      if (!row.ok()) return row.error();
      if (!*row) return {};
      tell("usage_recent", rows.integer(0), "its recent slots are lost");
    }
  }

 private:
  void tell(const char* table, std::int64_t view, const std::string& what) {
    found_(table, "view " + std::to_string(view) + ": " + what);
  }
  std::optional<SlotArray> decoded(const char* table, std::int64_t view, const Bytes& bytes) {
    Result<SlotArray> slots = decode_slots(bytes);
    if (!slots.ok()) {
      tell(table, view, slots.error().what);
      return std::nullopt;
    }
    if (slots->length() != length_) tell(table, view, "slots of another length");
    return std::move(*slots);
  }
  void within(const char* table, std::int64_t view, const SlotArray& slots, std::int64_t first,
              std::int64_t end) {
    if (slots.first() >= first && slots.end() <= end) return;
    tell(table, view, "slots that do not belong there");
  }

  Database& db_;
  Ns length_;
  const SlotsFound& found_;
  std::map<std::int64_t, std::int64_t> recent_from_;  ///< by view
};

}  // namespace

Status verify_slots(Database& database, const SlotsFound& found) {
  auto read_length = database.prepare("SELECT slot FROM usage_slot_length");
  const auto known = read_length.step();
  if (!known.ok()) return known.error();
  if (!*known) return {};
  SlotCheck check(database, read_length.integer(0), found);
  Status done = check.recent();
  if (done.ok()) done = check.chunks();
  return done.ok() ? check.lost() : done;
}

}  // namespace tallyman::rater
