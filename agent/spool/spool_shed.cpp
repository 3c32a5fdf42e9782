// Giving up what the spool can best do without, a segment at a time.

#include <algorithm>
#include <map>
#include <set>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// Batches thinned at a time: bounds memory, and each piece keeps its own first and last readings.
constexpr std::uint64_t kPieceBytes = 1U << 20U;
/// Values in one page of a batch that is written anew.
constexpr std::size_t kPageValues = 1U << 15U;
constexpr const char* kThinnedWhy = "spool full";
constexpr const char* kLostWhy = "spool full";

/// The batch as it stands in a segment: new definitions beside their page.
Bytes placed(const wire::Batch& batch) {
  wire::BatchWriter writer(batch.head);
  Bytes out = writer.head();
  for (std::size_t at = 0; at < batch.entries.size();) {
    std::size_t end = at, values = 0;
    for (; end < batch.entries.size() && values < kPageValues; ++end) {
      const auto* poll = std::get_if<wire::Poll>(&batch.entries[end]);
      values += poll != nullptr ? poll->values.size() : 8;
      if (const auto* definition = std::get_if<wire::Definition>(&batch.entries[end]))
        append_definition(out, *definition);
    }
    const Bytes page = writer.page(std::span(batch.entries).subspan(at, end - at));
    out.insert(out.end(), page.begin(), page.end());
    at = end;
  }
  const Bytes seal = writer.seal(batch.seal.watermark);
  out.insert(out.end(), seal.begin(), seal.end());
  return out;
}

/// Whether any reading is one that the rule leaves alone.
bool has_others(std::span<const wire::Batch> batches, const ThinRule& rule) {
  std::map<wire::DefNo, bool> known;
  for (const auto& batch : batches) {
    for (const auto& entry : batch.entries) {
      const auto* poll = std::get_if<wire::Poll>(&entry);
      if (poll == nullptr) continue;
      for (const auto& value : poll->values) {
        const auto [it, fresh] = known.try_emplace(value.epoch, false);
        if (fresh) it->second = !rule.applies(value.epoch);
        if (it->second) return true;
      }
    }
  }
  return false;
}

/// For when the segments after it cannot be read: states of polls whose frames go.
void append_last_states(Bytes& preamble, const SegmentScan& scan) {
  std::map<std::string, const PluginState*> last;
  for (const auto& state : scan.states) last[state.instance] = &state;
  for (const auto& [instance, state] : last) append_state(preamble, *state, 0, 0);
}

ByteView part(ByteView bytes, std::uint64_t offset, std::uint64_t size) {
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

}  // namespace

/// Makes the newest segment durable: until then the ones before it hold the last durable dictionary
/// and states, and must stay as they are.
Status SpoolStore::settle_newest() {
  if (durable_active_ == segments_.back().first) return {};
  job_.reset();
  Status done = file_->sync();
  if (done.ok()) done = files_.sync_directory(options_.directory);
  if (done.ok()) {
    all_durable();
  } else {
    failed_ = true;
  }
  return done;
}

/// One step; false when nothing is left to give.
Result<bool> SpoolStore::shed_one(bool may_lose) {
  if (segments_.size() < 2) return false;
  Status settled = settle_newest();
  if (!settled) return settled.error();
  if (acknowledged_front()) {
    Status removed = remove_front();
    if (!removed) return removed.error();
    look_for_oldest();
    return true;
  }
  for (const Shed shed : {Shed::counters, Shed::gauges, Shed::lost}) {
    if (shed == Shed::lost && !may_lose) break;
    for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
      if (segments_[i].shed >= shed) continue;
      if (shed == Shed::gauges && !segments_[i].gauges) continue;
      Status done = shed == Shed::lost ? lose_segment(i) : thin_segment(i, shed);
      if (!done) return done.error();
      return true;
    }
  }
  return false;
}

Status SpoolStore::thin_segment(std::size_t segment, Shed shed) {
  const auto places = places_of(segment);  // repaired, if it was damaged
  if (!places) return places.error();
  const std::uint64_t first = segments_[segment].first;
  const auto bytes = read_segment(first);
  if (!bytes) return bytes.error();
  const SegmentScan scan = scan_segment(*bytes, expectation(first, last_of(segment)));
  const ThinRule rule(dictionary_, identity_.slot, shed);
  bool gauges = false;
  Bytes batches = thinned(*bytes, scan, rule, gauges);
  segments_[segment].gauges = gauges;
  SegmentHeader header = scan.start.header;
  header.shed = shed;
  const ByteView preamble = part(*bytes, scan.start.size, scan.preamble_end - scan.start.size);
  Bytes start(preamble.begin(), preamble.end());
  append_last_states(start, scan);
  Bytes out = encode_segment_start(header, start);
  out.insert(out.end(), batches.begin(), batches.end());
  if (out.size() >= bytes->size()) {
    segments_[segment].shed = shed;
    return {};
  }
  return replace_segment(segment, out, shed);
}

/// The segment's batches, those that lose readings under their own numbers and hashes. Sets `left`
/// when there are readings that the rule leaves alone.
Bytes SpoolStore::thinned(ByteView bytes, const SegmentScan& scan, const ThinRule& rule,
                          bool& left) const {
  Bytes out;
  std::vector<wire::Batch> piece;
  for (std::size_t from = 0; from < scan.batches.size();) {
    piece.clear();
    std::size_t to = from;
    for (std::uint64_t size = 0; to < scan.batches.size() && size < kPieceBytes; ++to) {
      const BatchPlace& place = scan.batches[to];
      auto batch = wire::decode_batch(batch_bytes(part(bytes, place.offset, place.size)));
      piece.push_back(batch ? std::move(*batch) : wire::Batch{});
      size += place.size;
    }
    left = left || has_others(piece, rule);
    const auto changed = thin(piece, rule);
    for (std::size_t i = from; i < to; ++i) {
      const BatchPlace& place = scan.batches[i];
      wire::Batch& batch = piece[i - from];
      if (!changed[i - from]) {
        const Bytes frames = whole_frames(part(bytes, place.offset, place.size));
        out.insert(out.end(), frames.begin(), frames.end());
        continue;
      }
      if (batch.head.kind == wire::BatchKind::normal) {
        batch.head.kind = wire::BatchKind::thinned;
        batch.head.original = place.hash;
      }
      batch.head.why = kThinnedWhy;
      const Bytes frames = placed(batch);
      out.insert(out.end(), frames.begin(), frames.end());
    }
    from = to;
  }
  return out;
}

/// A stand-in for a segment's batches. What they defined stays, as the first of them without its
/// readings: the batches after it rely on that.
Status SpoolStore::lose_segment(std::size_t segment) {
  const auto found = places_of(segment);
  if (!found) return found.error();
  const std::vector<BatchPlace> places = **found;
  const std::uint64_t first = segments_[segment].first;
  const auto bytes = read_segment(first);
  if (!bytes) return bytes.error();
  if (places.empty()) return Error{"a segment without batches", segment_path(first), ""};
  wire::Batch defined;
  std::set<wire::DefNo> numbers;
  SegmentExpectation expect = expectation(first, last_of(segment));
  expect.batch = [&](const wire::Batch& lost) {
    for (const auto& entry : lost.entries) {
      const auto* definition = std::get_if<wire::Definition>(&entry);
      if (definition != nullptr && numbers.insert(definition->number).second)
        defined.entries.push_back(entry);
    }
  };
  const SegmentScan scan = scan_segment(*bytes, expect);
  SegmentHeader header = scan.start.header;
  header.shed = Shed::lost;
  Bytes start;
  append_last_states(start, scan);
  Bytes out = encode_segment_start(header, start);
  const auto put = [&](wire::Batch& batch, wire::BatchKind kind, const BatchPlace& from,
                       const BatchPlace& to) {
    batch.head = {kind,          agent_,  identity_.incarnation, from.first,
                  from.previous, boot_,   from.opened,           to.hash,
                  to.last,       kLostWhy};
    const Bytes frames = placed(batch);
    out.insert(out.end(), frames.begin(), frames.end());
  };
  const bool defines = !defined.entries.empty() && places.front().first == places.front().last;
  if (defines) put(defined, wire::BatchKind::thinned, places.front(), places.front());
  if (wire::Batch gone; places.size() > 1 || !defines)
    put(gone, wire::BatchKind::stand_in, places[defines ? 1 : 0], places.back());
  return replace_segment(segment, out, Shed::lost);
}

/// Writes the segment anew, into the reserve when it is large enough: that needs no space.
Status SpoolStore::replace_segment(std::size_t segment, ByteView bytes, Shed shed) {
  Segment& old = segments_[segment];
  const std::string name = segment_path(old.first);
  Status done;
  if (reserve_bytes_ >= bytes.size()) {
    const std::string reserve = path("reserve");
    auto file = files_.open(reserve, OpenMode::write);
    if (!file) return file.error();
    done = (*file)->write_at(0, bytes);
    if (done.ok()) done = (*file)->truncate(bytes.size());
    if (done.ok()) done = (*file)->sync();
    reserve_bytes_ = 0;
    if (done.ok()) done = files_.rename(reserve, name);
    if (done.ok()) done = files_.sync_directory(options_.directory);
  } else {
    done = write_file_atomically(files_, name, bytes);
  }
  if (!done) return done;
  total_bytes_ += bytes.size();
  total_bytes_ -= std::min(total_bytes_, old.bytes);
  old.bytes = bytes.size();
  old.shed = shed;
  if (cache_.first == old.first) cache_ = {};
  keep_reserve();
  look_for_oldest();
  return {};
}

}  // namespace tallyman::agent
