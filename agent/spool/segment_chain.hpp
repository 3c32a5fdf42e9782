#pragma once
// What the chain of hashes says about a scanned segment; private to segment_scan.cpp. Pure.
//
// Pages do not name their batch: a block of the disk that stands in another's place can put whole
// ones into a wrong batch. The batch after it tells, by the hash it names.

#include <optional>
#include <utility>
#include <vector>

#include "agent/spool/segment.hpp"

namespace tallyman::agent {

/// Where a damaged definition or state among a batch's pages was stepped over.
struct Skip {
  std::uint64_t sequence = 0;
  std::uint64_t end = 0;    ///< of the last of the batch's own frames before it
  std::uint64_t pages = 0;  ///< before it
};

struct ChainDoubts {
  std::vector<Skip> skipped;  ///< the first one of each batch that has any
  std::uint64_t last = 0;     ///< highest sequence number known to have existed
  /// The batch that is open at the end, and what it names as its predecessor.
  std::optional<std::pair<std::uint64_t, Hash>> open;
};

/// Makes damages of the batches that their successor does not confirm: it names another hash; or it
/// is lost itself, and something in the batch was stepped over. Pages before that are kept.
void doubt_unconfirmed(SegmentScan& scan, ByteView bytes, const ChainDoubts& doubts);

/// In its place among the damages.
void insert_damage(SegmentScan& scan, Damage damage);

/// Whether a batch is of numbers that were passed over: a block of the disk that stands in
/// another's place brings later batches before earlier ones.
[[nodiscard]] bool in_hole(const SegmentScan& scan, const wire::BatchHead& head);
/// Takes numbers that were found after all out of what was passed over.
void fill_hole(SegmentScan& scan, std::uint64_t first, std::uint64_t last);

}  // namespace tallyman::agent
