// Reading batches back.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxSegmentFile = 512U << 20U;
constexpr std::size_t kReadPiece = 64U << 10U;

std::vector<BatchPlace>::const_iterator place_of(const std::vector<BatchPlace>& places,
                                                 std::uint64_t sequence) {
  return std::lower_bound(
      places.begin(), places.end(), sequence,
      [](const BatchPlace& place, std::uint64_t wanted) { return place.last < wanted; });
}

/// As much as the disk gives; what it does not give reads as zeros, and so as damage.
Bytes read_around_bad_spots(File& file, std::uint64_t size) {
  Bytes out(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < out.size(); at += kReadPiece) {
    const auto piece = file.read_at(at, std::min(kReadPiece, out.size() - at));
    if (piece) std::copy(piece->begin(), piece->end(), out.begin() + static_cast<long>(at));
  }
  return out;
}

}  // namespace

/// Index of the segment that holds batch `sequence`, which is not below the first one's.
std::size_t SpoolStore::segment_of(std::uint64_t sequence) const {
  const auto after = std::upper_bound(
      segments_.begin(), segments_.end(), sequence,
      [](std::uint64_t wanted, const Segment& segment) { return wanted < segment.first; });
  return static_cast<std::size_t>(after - segments_.begin()) - 1;
}

/// The last sequence number of a segment that is not written to any more.
std::uint64_t SpoolStore::last_of(std::size_t segment) const {
  return segments_[segment + 1].first - 1;
}

SegmentExpectation SpoolStore::expectation(std::uint64_t first, std::uint64_t last) const {
  return {agent_, identity_.incarnation, first, last, {}};
}

/// The whole file; no bytes when it is gone, so that its batches are found missing.
Result<Bytes> SpoolStore::read_segment(std::uint64_t first) {
  const std::string name = segment_path(first);
  if (!files_.exists(name)) return Bytes{};
  auto file = files_.open(name, OpenMode::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size > kMaxSegmentFile)
    return Error{"a segment of " + std::to_string(*size) + " bytes", name,
                 "move it out of the spool"};
  auto bytes = (*file)->read_at(0, static_cast<std::size_t>(*size));
  if (bytes) return bytes;
  return read_around_bad_spots(**file, *size);
}

/// Where its batches stand, each of them whole: a damaged segment is repaired first.
Result<const std::vector<BatchPlace>*> SpoolStore::places_of(std::size_t segment) {
  if (segment + 1 == segments_.size()) return &places_;
  const std::uint64_t first = segments_[segment].first;
  if (cache_.first == first) return &cache_.list;
  auto bytes = read_segment(first);
  if (!bytes) return bytes.error();
  SegmentScan scan = scan_segment(*bytes, expectation(first, last_of(segment)));
  if (!scan.damages.empty()) {
    Status done = repair(segment, *bytes, std::move(scan));
    if (!done) return done.error();
    bytes = read_segment(first);
    if (!bytes) return bytes.error();
    scan = scan_segment(*bytes, expectation(first, last_of(segment)));
    if (!scan.damages.empty())
      return Error{"a segment that was repaired is damaged again", segment_path(first),
                   "check the disk (dmesg, smartctl)"};
  }
  cache_ = {first, std::move(scan.batches)};
  return &cache_.list;
}

Result<SealedBatch> SpoolStore::read_batch(std::uint64_t segment_first, const BatchPlace& place) {
  const std::string name = segment_path(segment_first);
  auto file = files_.open(name, OpenMode::read);
  if (!file) return file.error();
  auto bytes = (*file)->read_at(place.offset, static_cast<std::size_t>(place.size));
  if (!bytes) return bytes.error();
  SealedBatch batch{place.first, place.last, place.hash, batch_bytes(*bytes)};
  const auto head = wire::decode_batch_head(batch.bytes);
  if (!head || link_hash(*head, batch.bytes) != place.hash)
    return Error{"batch " + std::to_string(place.first) + " is damaged", name,
                 "check the disk (dmesg, smartctl)"};
  return batch;
}

Result<std::optional<SealedBatch>> SpoolStore::next_after(std::uint64_t sequence) {
  const std::uint64_t wanted = sequence + 1;
  if (sequence >= durable_) return std::optional<SealedBatch>();
  if (wanted < segments_.front().first)
    return Error{"batch " + std::to_string(wanted) + " was acknowledged and is not held any more",
                 options_.directory, "see whether the rater lost a part of its ledger"};
  for (const bool again : {false, true}) {
    const std::size_t segment = segment_of(wanted);
    const std::uint64_t first = segments_[segment].first;
    const auto places = places_of(segment);
    if (!places) return places.error();
    const auto place = place_of(**places, wanted);
    if (place == (*places)->end())
      return Error{"batch " + std::to_string(wanted) + " is not where it belongs",
                   segment_path(first), "run tallyman spool verify"};
    auto batch = read_batch(first, *place);
    if (batch) return std::optional<SealedBatch>(std::move(*batch));
    if (again) return batch.error();
    // Read it once more from the disk; what is damaged there is replaced.
    if (segment + 1 == segments_.size()) {
      Status moved = move_to_new_segment();
      if (!moved) return moved.error();
    }
    cache_ = {};
  }
  return std::optional<SealedBatch>();
}

std::optional<Hash> SpoolStore::hash_of_batch(std::uint64_t sequence) {
  if (sequence == 0) return kNoHash;
  if (sequence == mark_.sequence) return mark_.hash;
  if (sequence == sealed_) return last_link_;
  if (sequence > sealed_ || sequence < segments_.front().first) return std::nullopt;
  const auto places = places_of(segment_of(sequence));
  if (!places) return std::nullopt;
  const auto place = place_of(**places, sequence);
  if (place == (*places)->end() || place->last != sequence) return std::nullopt;
  return place->hash;
}

/// What the first batch of a segment has as its predecessor.
Hash SpoolStore::hash_before(std::size_t segment) {
  const std::uint64_t first = segments_[segment].first;
  if (first == mark_.sequence + 1) return mark_.hash;
  if (segment == 0) return first_previous(segment);
  const auto places = places_of(segment - 1);
  if (!places || (*places)->empty()) return first_previous(segment);
  return (*places)->back().hash;
}

/// Age and size of what is not acknowledged.
void SpoolStore::look_for_oldest() {
  oldest_ = 0;
  acknowledged_bytes_ = 0;
  const std::uint64_t wanted = mark_.sequence + 1;
  if (wanted > sealed_ || wanted < segments_.front().first) return;
  const std::size_t segment = segment_of(wanted);
  const auto places = places_of(segment);
  if (!places) return;
  const auto place = place_of(**places, wanted);
  if (place == (*places)->end()) return;
  oldest_ = place->opened;
  acknowledged_bytes_ = place->offset;
  for (std::size_t i = 0; i < segment; ++i) acknowledged_bytes_ += segments_[i].bytes;
}

}  // namespace tallyman::agent
