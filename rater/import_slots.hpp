#pragma once
// Slots of an old system, as CSV, become readings. A slot is a counter of its own, as buckets that
// are counted once are: its epoch and its start are the slot's start, its one reading stands where
// what was measured of it ends. So derivation needs no second path, a slot told again counts once,
// and another value for it is refused within a file and quarantined between files.
//
//   source,metric,slot,seconds,bytes[,coverage][,labels][,info]
//   host:old-1,netif_transmit_bytes_total,2026-10-01T00:00:00Z,300,123456,1,ifindex=3,interface=eth0
//
// `slot` is its start, RFC 3339; `seconds` its length, the same in all lines; `coverage` the share
// of it that was measured (1 when it is not there): the rest is unknown, and not zero. Labels are
// name=value, between semicolons. Rejected: running sums as one counter (two files that overlap
// would be counted twice), and writing slots into the ledger's derived tables (replay and explain
// would not find them).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "rater/csv.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::rater {

/// Takes lines one by one; the first that is not empty names the columns. One file; pure.
class SlotLines {
 public:
  /// The reading that a line comes to; nothing of the header, an empty line and a slot of which
  /// nothing was measured. `agent` reads it. The error's `where` is the column.
  [[nodiscard]] Result<std::optional<wire::ReadingLine>> take(std::string_view line,
                                                              const std::string& agent);
  /// Of every slot so far; 0 = none came.
  [[nodiscard]] Ns length() const { return length_; }
  /// The header was no header: what follows cannot be read.
  [[nodiscard]] bool hopeless() const { return hopeless_; }

 private:
  [[nodiscard]] Result<std::optional<wire::ReadingLine>> slot(const std::vector<CsvField>& fields,
                                                              const std::string& agent);
  std::optional<CsvHeader> header_;
  Ns length_ = 0;
  bool hopeless_ = false;
};

}  // namespace tallyman::rater
