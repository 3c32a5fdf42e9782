// What takes the place of damaged batches.

#include <algorithm>
#include <set>

#include "agent/spool/spool_store.hpp"

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
  const bool thinned = damage.first == damage.last && !damage.entries.empty();
  head.agent = agent_;
  head.incarnation = identity_.incarnation;
  head.sequence = damage.first;
  head.last = damage.last;
  head.previous = previous;
  head.original = original;
  head.kind = thinned ? wire::BatchKind::thinned : wire::BatchKind::stand_in;
  head.why = damage.size == 0 ? "not held any more: missing, or removed after it was acknowledged"
                              : "damaged in the spool: " + std::to_string(damage.size) + " bytes";
  if (thinned) batch.entries = without_repeats(damage.entries);
  // Nobody knows the lost hash: the next batch names this one, made up from what stands here.
  if (original == kNoHash) head.original = wire::batch_hash(wire::encode_batch(batch));
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

/// Where definitions are lost for good, so are the polls that need them: a batch that nobody can
/// read would stop all behind it. It counts as damaged, and keeps what can be read.
void SpoolStore::doubt_unresolved(SegmentScan& scan, ByteView bytes) {
  const auto entries_of = [&](std::uint64_t offset, std::uint64_t size, std::uint64_t open_pages) {
    Bytes own = batch_bytes(
        bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)));
    if (open_pages > 0) {
      const Bytes seal = wire::encode_seal({.watermark = 0, .pages = open_pages});
      own.insert(own.end(), seal.begin(), seal.end());
    }
    auto batch = wire::decode_batch(own);
    return batch ? std::move(*batch) : wire::Batch{};
  };
  const auto load = [&](const wire::Batch& batch) {
    for (const auto& entry : batch.entries) {
      if (const auto* definition = std::get_if<wire::Definition>(&entry))
        dictionary_.load(*definition);
    }
  };
  for (const auto& place : scan.batches) load(entries_of(place.offset, place.size, 0));
  if (scan.open)
    load(entries_of(scan.open->offset, scan.open->end - scan.open->offset, scan.open->pages));
  dictionary_.prune();
  const auto unresolved = [&](const wire::Entry& entry) { return !dictionary_.resolves(entry); };
  const auto doubt = [&](wire::Batch batch, std::uint64_t offset, std::uint64_t size) {
    if (std::erase_if(batch.entries, unresolved) == 0) return false;
    scan.damages.push_back({batch.head.sequence, batch.head.last, offset, size, batch.head,
                            std::move(batch.entries), batch.seal.pages, offset + size});
    return true;
  };
  for (auto& damage : scan.damages) std::erase_if(damage.entries, unresolved);
  std::erase_if(scan.batches, [&](const BatchPlace& place) {
    return doubt(entries_of(place.offset, place.size, 0), place.offset, place.size);
  });
  if (scan.open) {
    const std::uint64_t size = scan.open->end - scan.open->offset;
    if (doubt(entries_of(scan.open->offset, size, scan.open->pages), scan.open->offset, size))
      scan.open.reset();
  }
}

/// Definitions that a segment's damaged batches held, from what the newest dictionary knows.
std::vector<wire::Entry> SpoolStore::lost_definitions(const SegmentScan& scan, std::uint64_t last) {
  std::vector<wire::Entry> out;
  if (scan.start.state != HeaderState::whole || last == 0) return out;
  auto next = files_.open(segment_path(last + 1), OpenMode::read);
  if (!next) return out;
  const auto bytes = (*next)->read_at(0, kMaxHeaderBytes);
  const auto header = scan_segment_header(bytes ? ByteView(*bytes) : ByteView());
  if (header.state != HeaderState::whole) return out;
  std::set<wire::DefNo> there;
  for (const auto& definition : scan.definitions) there.insert(definition.number);
  for (const auto& definition : dictionary_.from(scan.start.header.highest + 1)) {
    if (definition.number <= header.header.highest && !there.contains(definition.number))
      out.emplace_back(definition);
  }
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
  if (segment + 1 == segments_.size() && file_) return last_link_;
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
Status SpoolStore::repair(std::size_t segment, ByteView bytes, SegmentScan scan) {
  const std::uint64_t first = segments_[segment].first;
  auto lost = lost_definitions(scan, last_of(segment));
  if (!lost.empty()) {
    Damage& damage = scan.damages.front();
    if (damage.first < damage.last && !damage.head) {
      Damage rest = damage;
      damage.last = damage.first;
      rest.first = damage.first + 1;
      rest.size = 0;
      scan.damages.insert(scan.damages.begin() + 1, rest);
    }
    std::vector<wire::Entry>& entries = scan.damages.front().entries;
    entries.insert(entries.begin(), lost.begin(), lost.end());
  }
  const Hash after = segment + 1 < segments_.size() ? first_previous(segment + 1) : kNoHash;
  const Bytes batches = rebuilt(bytes, scan, hash_before(segment), after);
  const std::size_t begin =
      scan.start.size != 0 ? scan.start.size : std::min(kSegmentMagic.size(), bytes.size());
  const Bytes kept =
      whole_frames(bytes.subspan(begin, static_cast<std::size_t>(scan.preamble_end) - begin));
  SegmentHeader header = scan.start.header;
  header.version = kSegmentVersion;
  if (scan.start.state != HeaderState::whole) header.begun = clock_.wall();
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
