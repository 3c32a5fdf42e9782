#pragma once
// Slots in the ledger: chunks of slot_codec.hpp, two kinds of them for each view.
//
//   usage_recent(view, slots)          one row: the newest slots, 64 to 319 back from the last one
//   usage_slots(view, chunk, slots)    all before those: the slots from chunk × 8192 on
//
// Usage comes minute after minute for the newest slot of every series. A row of recent slots is a
// kilobyte and stands on one page, which a row for each slot would have to write as well; every 256
// slots what is older moves into its chunk at once, another series at every slot, so that no
// transaction has to move them all. What is late by less than 64 slots finds its slot among the
// recent ones; what comes later rewrites a chunk. A full chunk of noise is 31 KB and lies in
// SQLite's overflow pages, which it fills to the last one: with all pages a month takes 4.2 bytes a
// slot where its chunks are 3.8.
//
// Which slots are recent depends on the newest one that something is known of, and on the view's
// number; on nothing else. No slot stands in both.
//
// Rejected: chunks of calendar months (the length of a slot is configured: an array's bound would
// depend on it, and storage would need a calendar); a chunk for each day (a third of each page is
// lost, or, WITHOUT ROWID, all beyond a kilobyte goes to overflow pages of its own); rewriting the
// running month's chunk each time (37 KB written for every series every minute).

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "rater/ledger/sqlite.hpp"
#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

extern const char* const kSlotTables;

constexpr std::int64_t kChunkSlots = 8192;
constexpr std::int64_t kRecentSlots = 64;  ///< at least so many stay recent
constexpr std::int64_t kRecentStep = 256;  ///< so many move at once

/// The first slot that is recent when `newest` is the last one known.
[[nodiscard]] std::int64_t recent_from(std::int64_t view, std::int64_t newest);
[[nodiscard]] std::int64_t chunk_of(std::int64_t slot);

/// Owned by the usage store, or by who reads a ledger; one thread. Writing is inside the caller's
/// transaction.
class SlotTables {
 public:
  SlotTables(Database& database, Ns length);

  /// Adds to a view's slots, given in any order.
  [[nodiscard]] Status add(std::int64_t view, std::span<const SlotUsage> usage);
  /// Slots [first, end) of a view.
  [[nodiscard]] Result<SlotArray> read(std::int64_t view, std::int64_t first, std::int64_t end);

 private:
  [[nodiscard]] Result<SlotArray> recent(std::int64_t view);
  [[nodiscard]] Status add_to_chunk(std::int64_t view, std::int64_t chunk, const SlotArray& more);
  [[nodiscard]] Result<SlotArray> decoded(const Statement& row, int column) const;

  Ns length_;
  Statement read_recent_, write_recent_, read_chunk_, read_chunks_, write_chunk_;
};

using SlotsFound = std::function<void(const char* table, const std::string& what)>;

/// Decodes every chunk of a ledger, and holds it against where it stands. An error is SQLite's.
[[nodiscard]] Status verify_slots(Database& database, const SlotsFound& found);

}  // namespace tallyman::rater
