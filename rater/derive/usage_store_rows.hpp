#pragma once
// How derived usage stands in rows: the one place that knows. Private to usage_store*.cpp.
//
//   view key   text source · u8 scope · text metric · text unit · u8 kind · labels · text agent ·
//              text instance      (text = varint length and bytes; labels = varint count, then a
//                                  name and a value each, ascending by name)
//   slot row   amount: 16 bytes big-endian; covered, estimated: integers; peak: the 64 bits of a
//              uint64. Quantities are added up here, never in SQL.

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "rater/derive/derive.hpp"
#include "rater/ledger/sqlite.hpp"

namespace tallyman::rater {

extern const char* const kUsageTables;

[[nodiscard]] Bytes encode_view_key(const ViewKey& key);
[[nodiscard]] Result<ViewKey> decode_view_key(ByteView bytes);
[[nodiscard]] Bytes encode_labels(const std::map<std::string, std::string>& labels);
[[nodiscard]] Result<std::map<std::string, std::string>> decode_labels(ByteView bytes);

/// `more` on top of `sum`, for the same slot.
void add_usage(SlotUsage& sum, const SlotUsage& more);

/// The columns slot, amount, covered, estimated, peak of a row, from `column` on.
[[nodiscard]] SlotUsage slot_of_row(const Statement& row, int column);

/// Adds to slots: reads what a slot holds, adds, writes. Inside the caller's transaction.
class SlotWriter {
 public:
  explicit SlotWriter(Database& database);
  [[nodiscard]] Status add(std::int64_t view, const SlotUsage& usage);

 private:
  Statement read_, write_;
};

}  // namespace tallyman::rater
