#include "agent/spool/segment_chain.hpp"

#include <algorithm>
#include <map>

namespace tallyman::agent {
namespace {

using Skipped = std::vector<Skip>;

Skipped::const_iterator skip_of(const Skipped& skipped, const BatchPlace& place) {
  return std::find_if(skipped.begin(), skipped.end(),
                      [&](const Skip& skip) { return skip.sequence == place.first; });
}

/// Its entries up to the page before `end`.
std::vector<wire::Entry> entries_up_to(ByteView bytes, const BatchPlace& place, const Skip& skip) {
  Bytes own = batch_bytes(bytes.subspan(static_cast<std::size_t>(place.offset),
                                        static_cast<std::size_t>(skip.end - place.offset)));
  const Bytes seal = wire::encode_seal({.watermark = 0, .pages = skip.pages});
  own.insert(own.end(), seal.begin(), seal.end());
  auto batch = wire::decode_batch(own);
  return batch ? std::move(batch->entries) : std::vector<wire::Entry>();
}

/// Damaged after all. The pages before what was stepped over are kept, and all definitions, whose
/// numbers say what they are.
void doubt(SegmentScan& scan, ByteView bytes, const BatchPlace& place, const Skipped& skipped) {
  const Bytes own = batch_bytes(
      bytes.subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size)));
  auto batch = wire::decode_batch(own);
  if (!batch) return;
  Damage damage{place.first, place.last, place.offset, place.size, batch->head, {}, 0, 0};
  if (const auto skip = skip_of(skipped, place); skip != skipped.end() && skip->pages > 0) {
    damage.entries = entries_up_to(bytes, place, *skip);
    damage.pages = skip->pages;
    damage.pages_end = skip->end;
  }
  for (auto& entry : batch->entries) {
    if (std::holds_alternative<wire::Definition>(entry)) damage.entries.push_back(std::move(entry));
  }
  insert_damage(scan, std::move(damage));
}

}  // namespace

void insert_damage(SegmentScan& scan, Damage damage) {
  const auto after = std::upper_bound(
      scan.damages.begin(), scan.damages.end(), damage.first,
      [](std::uint64_t first, const Damage& other) { return first < other.first; });
  scan.damages.insert(after, std::move(damage));
}

bool in_hole(const SegmentScan& scan, const wire::BatchHead& head) {
  return std::any_of(scan.damages.begin(), scan.damages.end(), [&](const Damage& damage) {
    return !damage.head && damage.first <= head.sequence && head.last <= damage.last;
  });
}

void fill_hole(SegmentScan& scan, std::uint64_t first, std::uint64_t last) {
  const auto hole =
      std::find_if(scan.damages.begin(), scan.damages.end(), [&](const Damage& damage) {
        return !damage.head && damage.first <= first && last <= damage.last;
      });
  if (hole == scan.damages.end()) return;
  Damage before = *hole, after = *hole;
  before.last = first - 1;
  after.first = last + 1;
  auto at = scan.damages.erase(hole);
  if (after.first <= after.last) at = scan.damages.insert(at, after);
  if (before.first <= before.last) scan.damages.insert(at, before);
}

void doubt_unconfirmed(SegmentScan& scan, ByteView bytes, const ChainDoubts& doubts) {
  std::map<std::uint64_t, Hash> named;  ///< by a number: what it names as its predecessor
  for (const auto& place : scan.batches) named.emplace(place.first, place.previous);
  for (const auto& damage : scan.damages) {
    if (damage.head) named.emplace(damage.first, damage.head->previous);
  }
  if (doubts.open) named.insert(*doubts.open);
  const auto wrong = [&](const BatchPlace& place) {
    const auto next = named.find(place.last + 1);
    if (next != named.end()) return next->second != place.hash;
    return place.last < doubts.last && skip_of(doubts.skipped, place) != doubts.skipped.end();
  };
  std::vector<BatchPlace> doubted;
  std::copy_if(scan.batches.begin(), scan.batches.end(), std::back_inserter(doubted), wrong);
  std::erase_if(scan.batches, wrong);
  for (const auto& place : doubted) doubt(scan, bytes, place, doubts.skipped);
}

}  // namespace tallyman::agent
