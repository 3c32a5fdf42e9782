// What takes the place of damaged batches.

#include <algorithm>
#include <set>

#include "agent/spool_store.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxNotes = 100;

/// Definitions with a number that another one before it has are left out.
std::vector<wire::Entry> without_repeats(const std::vector<wire::Entry>& entries) {
  std::vector<wire::Entry> out;
  std::set<wire::DefNo> seen;
  for (const auto& entry : entries) {
    const auto* definition = std::get_if<wire::Definition>(&entry);
    if (definition == nullptr || seen.insert(definition->number).second) out.push_back(entry);
  }
  return out;
}

std::string range_text(std::uint64_t first, std::uint64_t last) {
  if (first == last) return "batch " + std::to_string(first);
  return "batches " + std::to_string(first) + " to " + std::to_string(last);
}

}  // namespace

void SpoolStore::note(std::string text) {
  if (recovery_.notes.size() < kMaxNotes) recovery_.notes.push_back(std::move(text));
}

/// A thinned batch when anything of the one damaged batch could be saved, else a stand-in.
Bytes SpoolStore::replacement(const Damage& damage, const Hash& previous,
                              const Hash& original) const {
  wire::Batch batch;
  wire::BatchHead& head = batch.head;
  if (damage.head) head = *damage.head;
  const bool thinned = damage.head && damage.head->kind != wire::BatchKind::stand_in &&
                       damage.first == damage.last && !damage.entries.empty();
  head.agent = agent_;
  head.incarnation = identity_.incarnation;
  head.sequence = damage.first;
  head.last = damage.last;
  head.previous = previous;
  head.original = original;
  head.kind = thinned ? wire::BatchKind::thinned : wire::BatchKind::stand_in;
  head.why = "damaged in the spool: " + std::to_string(damage.size) + " bytes";
  if (thinned) batch.entries = without_repeats(damage.entries);
  return wire::encode_batch(batch);
}

/// The segment's bytes with a replacement for each damage. `before`: hash of the batch before its
/// first; `after`: what the next segment's first batch names as its predecessor.
Bytes SpoolStore::rebuilt(ByteView bytes, const SegmentScan& scan, Hash before, const Hash& after) {
  struct Item {
    std::uint64_t first;
    Hash previous;  ///< as its own head says, if it is whole
    const BatchPlace* place;
    const Damage* damage;
  };
  std::vector<Item> items;
  for (const auto& place : scan.batches) items.push_back({place.first, place.previous, &place, {}});
  for (const auto& damage : scan.damages)
    items.push_back({damage.first, damage.head ? damage.head->previous : kNoHash, {}, &damage});
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.first < b.first; });

  Bytes out;
  const auto copy = [&](std::uint64_t from, std::uint64_t size) {
    const Bytes frames =
        whole_frames(bytes.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(size)));
    out.insert(out.end(), frames.begin(), frames.end());
  };
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].place != nullptr) {
      copy(items[i].place->offset, items[i].place->size);
      before = items[i].place->hash;
      continue;
    }
    const Damage& damage = *items[i].damage;
    Hash original = after;
    if (scan.open) original = scan.open->head.previous;
    if (i + 1 < items.size()) original = items[i + 1].previous;
    const Hash previous = damage.head ? damage.head->previous : before;
    const Bytes batch = replacement(damage, previous, original);
    out.insert(out.end(), batch.begin(), batch.end());
    before = link_hash(*wire::decode_batch_head(batch), batch);
    set_aside(damage, bytes);
    note(range_text(damage.first, damage.last) + ": damaged in the spool, " +
         std::to_string(damage.size) + " bytes set aside, " + std::to_string(damage.pages) +
         " pages saved");
  }
  if (scan.open) copy(scan.open->offset, scan.open->end - scan.open->offset);
  return out;
}

void SpoolStore::set_aside(const Damage& damage, ByteView bytes) {
  if (damage.size == 0 || damage.offset >= bytes.size()) return;
  const std::size_t size = std::min(static_cast<std::size_t>(damage.size),
                                    bytes.size() - static_cast<std::size_t>(damage.offset));
  const ByteView lost = bytes.subspan(static_cast<std::size_t>(damage.offset), size);
  const std::string directory = path("quarantine");
  const std::string name = "damaged-" + std::to_string(damage.first) + "-" +
                           std::to_string(damage.last) + "-" + to_hex(hash_of(lost)).substr(0, 8) +
                           ".bytes";
  if (!room_for(size).ok() || !files_.make_directories(directory).ok()) return;
  (void)write_file_atomically(files_, directory + "/" + name, lost, Durable::no);
}

/// What the first batch of a segment names as its predecessor, if it is whole.
Hash SpoolStore::first_previous(std::size_t segment) {
  const std::uint64_t first = segments_[segment].first;
  if (segment + 1 == segments_.size() && !places_.empty()) return places_.front().previous;
  if (segment + 1 == segments_.size() && open_) return open_->head.previous;
  const auto bytes = read_segment(first);
  if (!bytes) return kNoHash;
  const std::uint64_t last = segment + 1 == segments_.size() ? 0 : last_of(segment);
  const SegmentScan scan = scan_segment(*bytes, expectation(first, last));
  if (!scan.batches.empty() && scan.batches.front().first == first)
    return scan.batches.front().previous;
  if (!scan.damages.empty() && scan.damages.front().head)
    return scan.damages.front().head->previous;
  return scan.open && scan.open->head.sequence == first ? scan.open->head.previous : kNoHash;
}

/// Rewrites a segment that is not written to any more.
Status SpoolStore::repair(std::size_t segment, ByteView bytes, const SegmentScan& scan) {
  const std::uint64_t first = segments_[segment].first;
  const Hash after = segment + 1 < segments_.size() ? first_previous(segment + 1) : kNoHash;
  const Bytes batches = rebuilt(bytes, scan, hash_before(segment), after);
  const std::size_t begin =
      scan.start.size != 0 ? scan.start.size : std::min(kSegmentMagic.size(), bytes.size());
  const Bytes kept =
      whole_frames(bytes.subspan(begin, static_cast<std::size_t>(scan.preamble_end) - begin));
  SegmentHeader header = scan.start.header;
  header.version = kSegmentVersion;
  header.agent = agent_;
  header.incarnation = identity_.incarnation;
  header.first = first;
  Bytes out = encode_segment_start(header, kept);
  out.insert(out.end(), batches.begin(), batches.end());
  Status done = write_file_atomically(files_, segment_path(first), out);
  if (!done) return done;
  total_bytes_ += out.size();
  total_bytes_ -= std::min(total_bytes_, segments_[segment].bytes);
  segments_[segment].bytes = out.size();
  return {};
}

}  // namespace tallyman::agent
