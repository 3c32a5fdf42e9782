#include "rater/intake/raw_tables.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

namespace tallyman::rater {

std::int64_t raw_day(Ns wall) { return std::max<Ns>(wall, 0) / kDay; }

std::string raw_table(std::int64_t day) {
  constexpr std::int64_t kLastDay = 2932896;  // 9999-12-31
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{std::clamp<std::int64_t>(day, 0, kLastDay)}}};
  return fmt::format("raw_{:04d}{:02d}{:02d}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

Status store_raw(Database& database, std::int64_t day, std::int64_t stream, std::uint64_t sequence,
                 ByteView bytes) {
  const std::string table = raw_table(day);
  if (Status status = database.run("CREATE TABLE IF NOT EXISTS " + table +
                                   "(stream INTEGER NOT NULL, sequence INTEGER NOT NULL,"
                                   " bytes BLOB NOT NULL, PRIMARY KEY(stream, sequence))");
      !status.ok()) {
    return status;
  }
  return database.prepare("INSERT INTO " + table + " VALUES (?, ?, ?)")
      .bind(1, stream)
      .bind_u64(2, sequence)
      .bind(3, bytes)
      .done();
}

Result<bool> RawReader::exists(std::int64_t day) {
  auto query = database_.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  return query.bind(1, raw_table(day)).step();
}

Result<Bytes> RawReader::read(std::int64_t day, std::int64_t stream, std::uint64_t sequence) {
  if (day != day_) {
    statement_.reset();
    day_ = -1;
    const auto there = exists(day);
    if (!there.ok()) return there.error();
    if (*there) {
      statement_.emplace(database_.prepare("SELECT bytes FROM " + raw_table(day) +
                                           " WHERE stream = ? AND sequence = ?"));
    }
    day_ = day;
  }
  if (!statement_) return Bytes{};
  statement_->reset();
  const auto row = statement_->bind(1, stream).bind_u64(2, sequence).step();
  if (!row.ok()) return row.error();
  return *row ? statement_->blob(0) : Bytes{};
}

}  // namespace tallyman::rater
