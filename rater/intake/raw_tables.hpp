#pragma once
// The raw bytes of batches: one table for each UTC day of receipt, raw_YYYYMMDD(stream, sequence,
// bytes). The only place where a table's name is made, from a date alone; values are always bound.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/ledger/sqlite.hpp"

namespace tallyman::rater {

/// Days since 1970-01-01 UTC; never negative, and bounded so that its year has four digits.
[[nodiscard]] std::int64_t raw_day(Ns wall);
/// "raw_20261122".
[[nodiscard]] std::string raw_table(std::int64_t day);

/// Makes the day's table when it is not there; inside the caller's transaction.
[[nodiscard]] Status store_raw(Database& database, std::int64_t day, std::int64_t stream,
                               std::uint64_t sequence, ByteView bytes);

/// Reads bytes of batches, mostly of one day after another. Lives shorter than its database and
/// outside of anything that drops tables.
class RawReader {
 public:
  explicit RawReader(Database& database) : database_(database) {}
  /// Empty when the day's table has been dropped.
  [[nodiscard]] Result<Bytes> read(std::int64_t day, std::int64_t stream, std::uint64_t sequence);

 private:
  Result<bool> exists(std::int64_t day);
  Database& database_;
  std::int64_t day_ = -1;
  std::optional<Statement> statement_;  ///< of day_; nothing when its table is gone
};

}  // namespace tallyman::rater
