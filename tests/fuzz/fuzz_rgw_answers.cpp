// sources: plugins/ceph/json_walk.cpp plugins/ceph/rgw_answers.cpp plugins/ceph/usage_book.cpp
// Whatever a gateway answers: entries or a fault; what is told of it is told once an hour, and
// never more than the answer holds.

#include "ceph/rgw_answers.hpp"

#include <cstdint>
#include <cstdlib>
#include <set>

#include "ceph/usage_book.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void book(const std::vector<ceph::UsageEntry>& entries, std::int64_t now) {
  const std::int64_t from = now - now % ceph::kHour - 2 * ceph::kHour;
  ceph::UsageBook book(900);
  const std::int64_t end = from + 3 * ceph::kHour;
  const auto step = book.advance(entries, from, end, now);
  std::set<std::pair<const ceph::UsageKey*, std::int64_t>> told;
  for (const ceph::ToldHour& hour : step.told) {
    require(told.emplace(hour.key, hour.hour).second);
    require(hour.hour >= from && hour.hour <= now);
    require(hour.over == (hour.hour + ceph::kHour <= now));
  }
  require(step.lost.empty());
  for (const auto& lost : book.advance({}, from, end, now).lost) require(!lost.why.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto usage = ceph::parse_usage(text);
  if (const auto* entries = std::get_if<std::vector<ceph::UsageEntry>>(&usage)) {
    for (const ceph::UsageEntry& entry : *entries) require(entry.hour % ceph::kHour == 0);
    for (std::size_t i = 0; i < entries->size() && i < 3; ++i) {
      const std::int64_t hour = (*entries)[i].hour;
      const auto of_hour = ceph::parse_usage_of(hour, text);
      const auto* summed = std::get_if<std::vector<ceph::UsageEntry>>(&of_hour);
      if (summed == nullptr) continue;
      require(summed->size() <= entries->size());
      book(*summed, hour + 9);
    }
  }
  const auto buckets = ceph::parse_buckets(text);
  if (const auto* found = std::get_if<std::vector<ceph::Bucket>>(&buckets)) {
    for (const ceph::Bucket& bucket : *found) {
      require(!bucket.marker.empty());
      require(!bucket.sizes || bucket.sizes->bytes < (1ULL << 60U));
    }
  }
  (void)ceph::parse_bucket_names(text);
  require(ceph::explain_refusal(403, text, "usage=read").size() < 400);
  return 0;
}
