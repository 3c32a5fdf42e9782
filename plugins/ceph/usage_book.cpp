#include "usage_book.hpp"

#include <algorithm>

namespace ceph {
namespace {

constexpr std::uint64_t HourCounts::*kFields[] = {&HourCounts::sent, &HourCounts::received,
                                                  &HourCounts::operations, &HourCounts::successful};

void raise(HourCounts& to, const HourCounts& by) {
  for (const auto field : kFields) to.*field = std::max(to.*field, by.*field);
}

bool fell(const HourCounts& before, const HourCounts& now) {
  return std::any_of(std::begin(kFields), std::end(kFields),
                     [&](const auto field) { return now.*field < before.*field; });
}

std::int64_t hour_of(std::int64_t instant) { return instant - instant % kHour; }

}  // namespace

void UsageBook::take(const UsageKey& key, Series& series,
                     const std::map<std::int64_t, HourCounts>& listed, std::int64_t end,
                     std::int64_t now, Step& step) {
  for (const auto& [hour, counts] : listed) {
    raise(series.ever, counts);
    const auto [it, fresh] = series.hours.try_emplace(hour, Hour{counts, now});
    Hour& known = it->second;
    if (fresh || (known.counts == counts && !known.lost)) continue;
    if (fell(known.counts, counts)) {
      step.lost.push_back({&key, "the usage log was trimmed within an hour that is still read"});
    }
    known = Hour{counts, now};
  }
  for (auto& [hour, known] : series.hours) {
    if (hour >= end || listed.contains(hour) || known.counts == HourCounts{}) continue;
    known.lost = true;
    known.owed = false;
    if (now - hour < kHour + settle_) {
      step.lost.push_back({&key, "an hour that was read is gone from the usage log: trimmed"});
    }
  }
}

void UsageBook::tell(const UsageKey& key, const Series& series, std::int64_t from, std::int64_t end,
                     std::int64_t now, Step& step) const {
  const std::int64_t running = hour_of(now);
  std::int64_t first = 0;
  for (const auto& [hour, known] : series.hours) {
    const bool open = hour == running || now - (hour + kHour) < settle_;
    if (!known.lost && (open || known.owed || now - known.changed < settle_)) {
      first = hour;
      break;
    }
  }
  if (first == 0) return;
  for (std::int64_t hour = std::max(first, from); hour <= running && hour < end; hour += kHour) {
    const auto it = series.hours.find(hour);
    if (it != series.hours.end() && it->second.lost) continue;
    const HourCounts counts = it == series.hours.end() ? HourCounts{} : it->second.counts;
    const bool owed = it != series.hours.end() && it->second.owed;
    step.told.push_back({&key, &series.owner, hour, hour != running, owed, counts, series.ever});
  }
}

UsageBook::Step UsageBook::advance(const std::vector<UsageEntry>& entries, std::int64_t from,
                                   std::int64_t end, std::int64_t now) {
  Listed listed;
  for (const UsageEntry& entry : entries) {
    if (entry.hour < from || entry.hour >= end || entry.hour > now) continue;
    const UsageKey key{entry.user, entry.bucket, entry.category};
    listed[key][entry.hour] = entry.counts;
    series_[key].owner = entry.owner;
  }
  Step step;
  static const std::map<std::int64_t, HourCounts> kNone;
  for (auto it = series_.begin(); it != series_.end();) {
    Series& series = it->second;
    std::erase_if(series.hours, [&](const auto& hour) { return hour.first < from; });
    const auto found = listed.find(it->first);
    take(it->first, series, found == listed.end() ? kNone : found->second, end, now, step);
    if (series.hours.empty()) {
      it = series_.erase(it);
      continue;
    }
    tell(it->first, series, from, end, now, step);
    ++it;
  }
  std::stable_sort(step.told.begin(), step.told.end(),
                   [](const ToldHour& a, const ToldHour& b) { return a.hour < b.hour; });
  return step;
}

void UsageBook::told(const ToldHour& hour) {
  const auto series = series_.find(*hour.key);
  if (series == series_.end()) return;
  const auto it = series->second.hours.find(hour.hour);
  if (it != series->second.hours.end()) it->second.owed = false;
}

bool UsageBook::owes() const {
  return std::any_of(series_.begin(), series_.end(), [](const auto& series) {
    return std::any_of(series.second.hours.begin(), series.second.hours.end(),
                       [](const auto& hour) { return hour.second.owed; });
  });
}

}  // namespace ceph
