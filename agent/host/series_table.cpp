#include "agent/host/series_table.hpp"

#include <cstring>

namespace tallyman::host {
namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * kOdd;
  return hash ^ (hash >> 29U);
}

std::uint64_t mixed(std::uint64_t hash, const char* text) {
  std::size_t left = std::strlen(text);
  hash = mixed(hash, left);
  for (; left > 0; text += std::min<std::size_t>(left, 8), left -= std::min<std::size_t>(left, 8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text, std::min<std::size_t>(left, 8));
    hash = mixed(hash, word);
  }
  return hash;
}

std::uint64_t hash_of(const SeriesKey& key) {
  std::uint64_t hash = mixed(kOdd, (std::uint64_t{key.metric} << 32U) | key.source);
  hash = mixed(mixed(hash, key.epoch), static_cast<std::uint64_t>(key.start));
  for (const char* label : key.identity) hash = mixed(hash, label);
  for (const char* label : key.info) hash = mixed(hash, label);
  return hash;
}

/// Moves `stored` behind its next text and the zero byte there when that text is `label`.
bool takes(const char*& stored, const char* label) {
  while (*stored == *label && *label != '\0') ++stored, ++label;
  return *stored++ == *label;
}

bool equal(const SeriesTable::Entry& entry, const SeriesKey& key) {
  if (entry.metric != key.metric || entry.source != key.source || entry.epoch != key.epoch ||
      entry.start != key.start) {
    return false;
  }
  // A metric has a fixed number of labels, so the stored ones never run out before the key's.
  const char* stored = entry.labels.c_str();
  for (const char* label : key.identity) {
    if (!takes(stored, label)) return false;
  }
  for (const char* label : key.info) {
    if (!takes(stored, label)) return false;
  }
  return true;
}

}  // namespace

SeriesTable::Entry* SeriesTable::find(const SeriesKey& key) {
  if (entries_.empty()) return nullptr;
  if (expected_ >= entries_.size()) expected_ = 0;
  if (equal(entries_[expected_], key)) return &entries_[expected_++];
  const std::uint64_t hash = hash_of(key);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const std::size_t position = slots_[slot] - 1;
    Entry& entry = entries_[position];
    if (entry.hash == hash && equal(entry, key)) {
      expected_ = position + 1;
      return &entry;
    }
  }
  return nullptr;
}

SeriesTable::Entry& SeriesTable::add(const SeriesKey& key) {
  if ((entries_.size() + 1) * 2 > slots_.size()) {
    rebuild(slots_.empty() ? 64 : slots_.size() * 2);
  }
  Entry entry;
  entry.handle = next_handle_++;
  entry.metric = key.metric;
  entry.source = key.source;
  entry.epoch = key.epoch;
  entry.start = key.start;
  entry.hash = hash_of(key);
  for (const char* label : key.identity) entry.labels.append(label).push_back('\0');
  for (const char* label : key.info) entry.labels.append(label).push_back('\0');
  entries_.push_back(std::move(entry));
  index(static_cast<std::uint32_t>(entries_.size() - 1));
  expected_ = entries_.size();
  return entries_.back();
}

std::vector<Handle> SeriesTable::forget_unused(std::uint64_t current, std::size_t most) {
  std::vector<Handle> forgotten;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].used != current && forgotten.size() < most) {
      forgotten.push_back(entries_[i].handle);
    } else {
      if (kept != i) entries_[kept] = std::move(entries_[i]);
      ++kept;
    }
  }
  if (forgotten.empty()) return forgotten;
  entries_.resize(kept);
  rebuild(slots_.size());
  return forgotten;
}

void SeriesTable::index(std::uint32_t position) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = entries_[position].hash & mask;
  while (slots_[slot] != 0) slot = (slot + 1) & mask;
  slots_[slot] = position + 1;
}

void SeriesTable::rebuild(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) index(static_cast<std::uint32_t>(i));
}

}  // namespace tallyman::host
