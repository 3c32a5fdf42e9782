#include "agent/spool/segment_chain.hpp"

#include <algorithm>
#include <map>

namespace tallyman::agent {
namespace {

/// Damaged after all: only the definitions in it are kept, whose numbers say what they are.
void doubt(SegmentScan& scan, ByteView bytes, const BatchPlace& place) {
  const Bytes own = batch_bytes(
      bytes.subspan(static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size)));
  auto batch = wire::decode_batch(own);
  if (!batch) return;
  std::erase_if(batch->entries, [](const wire::Entry& entry) {
    return !std::holds_alternative<wire::Definition>(entry);
  });
  insert_damage(scan, {place.first, place.last, place.offset, place.size, std::move(batch->head),
                       std::move(batch->entries), 0, 0});
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
    const bool followed = place.last < doubts.last || doubts.used > place.offset + place.size;
    return followed && std::find(doubts.skipped.begin(), doubts.skipped.end(), place.first) !=
                           doubts.skipped.end();
  };
  std::vector<BatchPlace> doubted;
  std::copy_if(scan.batches.begin(), scan.batches.end(), std::back_inserter(doubted), wrong);
  std::erase_if(scan.batches, wrong);
  for (const auto& place : doubted) doubt(scan, bytes, place);
}

}  // namespace tallyman::agent
