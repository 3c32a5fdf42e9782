// Whether there is room, and the space kept back for making some.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// What is kept in memory until a sync covers it.
constexpr std::uint64_t kMaxPendingBytes = 16U << 20U;
/// Seals and stand-ins added while a segment is rewritten.
constexpr std::uint64_t kReserveMargin = 64U << 10U;
/// Segments given up for one page: each is read and written, and polls wait meanwhile.
constexpr int kMaxSteps = 8;
constexpr std::size_t kZeros = 64U << 10U;

}  // namespace

/// Of which kind `bytes` more would be too many.
Result<SpoolStore::Shortage> SpoolStore::shortage(std::uint64_t bytes) const {
  if (total_bytes_ + bytes + reserve_wanted() > options_.limit_bytes) return Shortage::limit;
  if (pending_bytes_ + bytes > kMaxPendingBytes) return Shortage::memory;
  const auto space = files_.space(options_.directory);
  if (!space) return space.error();
  // A reserve that was used is to be had again before anything else takes the space.
  const std::uint64_t owed =
      segments_.size() < 2 ? 0 : reserve_wanted() - std::min(reserve_wanted(), reserve_bytes_);
  return space->free < bytes + owed + space->total / 10 ? Shortage::space : Shortage::none;
}

Status SpoolStore::room_for(std::uint64_t bytes) {
  const auto short_of = shortage(bytes);
  if (!short_of) return short_of.error();
  const auto full = [&](const std::string& why, const char* todo) -> Error {
    trouble_ = "disk full: " + why;
    return {trouble_, options_.directory, todo};
  };
  switch (*short_of) {
    case Shortage::none:
      return {};
    case Shortage::limit:
      return full("the spool holds its limit of " + std::to_string(options_.limit_bytes) + " bytes",
                  "let the agent reach its rater, or raise the limit");
    case Shortage::memory:
      return full("too much waits to be made durable", "check the disk (dmesg, smartctl)");
    case Shortage::space:
      return full("the file system's last 10 % are not for the spool",
                  "free space on this file system, or put the spool on a larger one");
  }
  return {};
}

/// Gives up what it must. A file system that others fill is no reason to lose what is durable: only
/// the spool's own limit is.
Status SpoolStore::make_room(std::uint64_t bytes) {
  for (int steps = 0;; ++steps) {
    const auto short_of = shortage(bytes);
    if (!short_of) return short_of.error();
    if (*short_of == Shortage::none) return {};
    if (*short_of == Shortage::memory || steps == kMaxSteps) return room_for(bytes);
    const auto gave = shed_one(*short_of == Shortage::limit);
    if (!gave) trouble_ = gave.error().what;
    if (!gave) return gave.error();
    if (!*gave) return room_for(bytes);
  }
}

/// As much as a full segment takes; of a small spool an eighth.
std::uint64_t SpoolStore::reserve_wanted() const {
  return std::min(start_bytes_ + batches_limit(start_bytes_) + kReserveMargin,
                  options_.limit_bytes / 8);
}

/// Makes the reserve as large as it should be, if the file system has the space for it. Written,
/// not merely allocated: overwriting it needs no space at all.
void SpoolStore::keep_reserve() {
  const std::uint64_t wanted = reserve_wanted();
  if (reserve_bytes_ >= wanted) return;
  const auto space = files_.space(options_.directory);
  if (!space || space->free < wanted - reserve_bytes_ + space->total / 10) return;
  const std::string name = path("reserve");
  auto file = files_.open(name, reserve_bytes_ == 0 ? OpenMode::truncate : OpenMode::write);
  if (!file) return;
  const Bytes zeros(kZeros);
  while (reserve_bytes_ < wanted) {
    const auto size =
        static_cast<std::size_t>(std::min(std::uint64_t{kZeros}, wanted - reserve_bytes_));
    if (!(*file)->write_at(reserve_bytes_, ByteView(zeros).first(size))) return;
    reserve_bytes_ += size;
  }
}

}  // namespace tallyman::agent
