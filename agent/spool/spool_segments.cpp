// The life of segment files and of the mark.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kDigits = 16;
constexpr Ns kMarkEvery = kSecond;

}  // namespace

std::string segment_name(std::uint64_t first) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(first >> (8 * (bytes.size() - 1 - i)));
  return std::string(kPrefix) + to_hex(bytes) + std::string(kSuffix);
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size()) return std::nullopt;
  std::array<std::uint8_t, 8> bytes{};
  if (!from_hex(name.substr(kPrefix.size(), kDigits), bytes)) return std::nullopt;
  std::uint64_t first = 0;
  for (const std::uint8_t byte : bytes) first = first << 8U | byte;
  if (first == 0 || segment_name(first) != name) return std::nullopt;
  return first;
}

std::string SpoolStore::segment_path(std::uint64_t first) const {
  return path(segment_name(first));
}

/// Definitions that no page holds yet stay out: a recovery would take them for written.
Bytes SpoolStore::preamble() const {
  Bytes out;
  for (const auto& definition : dictionary_.from(1)) {
    if (definition.number <= dictionary_.committed()) append_definition(out, definition);
  }
  for (const auto& [instance, until] : covered_) append_covered(out, instance, until);
  for (const auto& [instance, state] : states_) append_state(out, state, 0, 0);
  return out;
}

Bytes SpoolStore::segment_start(std::uint64_t first) const {
  SegmentHeader header;
  header.agent = agent_;
  header.incarnation = identity_.incarnation;
  header.first = first;
  header.highest = dictionary_.committed();
  header.ledger = identity_.ledger;
  header.token = identity_.token;
  header.begun = clock_.wall();
  return encode_segment_start(header, preamble());
}

/// Goes on in a new segment, which becomes durable with the next sync; the one before is.
Status SpoolStore::new_segment(std::uint64_t first) {
  const Bytes start = segment_start(first);
  Status room = make_room(start.size());
  if (!room) return room;
  auto file = files_.open(segment_path(first), OpenMode::truncate);
  if (!file) return file.error();
  Status written = (*file)->write_at(0, start);
  if (!written) {
    (void)files_.remove(segment_path(first));
    return written;
  }
  const auto space = shortage(options_.segment_bytes);
  if (space && *space == Shortage::none)
    (void)(*file)->allocate(start.size() + options_.segment_bytes);
  trouble_.clear();
  if (file_) cache_ = {segments_.back().first, std::move(places_)};
  places_.clear();
  file_ = std::move(*file);
  end_ = start_bytes_ = start.size();
  segments_.push_back({first, end_, clock_.wall()});
  total_bytes_ += end_;
  dirty_ = dirty_directory_ = true;
  keep_reserve();
  return {};
}

/// After a failed write-out: everything that is not known to be durable goes, from memory, into a
/// new file, which is durable when this returns.
Status SpoolStore::move_to_new_segment() {
  const std::uint64_t first = !pending_.empty() ? pending_.front().place.first
                              : open_           ? open_->head.sequence
                                                : sealed_ + 1;
  Bytes bytes = segment_start(first);
  const std::uint64_t start_bytes = bytes.size();
  std::vector<BatchPlace> places;
  for (auto& pending : pending_) {
    BatchPlace place = pending.place;
    place.offset = bytes.size(), place.size = pending.bytes.size();
    bytes.insert(bytes.end(), pending.bytes.begin(), pending.bytes.end());
    places.push_back(place);
  }
  const std::uint64_t open_offset = bytes.size();
  if (open_) bytes.insert(bytes.end(), open_->bytes.begin(), open_->bytes.end());

  const std::string temporary = temporary_name(segment_path(first));
  const auto fail = [&](const Error& error) -> Status {
    trouble_ = error.what;
    return error;
  };
  auto file = files_.open(temporary, OpenMode::truncate);
  if (!file) return fail(file.error());
  Status done = (*file)->write_at(0, bytes);
  if (done.ok()) done = (*file)->sync();
  if (!done) {
    (void)files_.remove(temporary);
    return fail(done.error());
  }
  done = files_.rename(temporary, segment_path(first));
  if (done.ok()) done = files_.sync_directory(options_.directory);
  if (!done) return fail(done.error());
  if (!segments_.empty() && segments_.back().first == first) {
    total_bytes_ -= segments_.back().bytes;
    segments_.pop_back();
  }
  cache_ = {};
  job_.reset();
  pending_.clear();
  pending_bytes_ = 0;
  file_ = std::move(*file);
  places_ = std::move(places);
  end_ = bytes.size();
  start_bytes_ = start_bytes;
  segments_.push_back({first, end_, clock_.wall()});
  total_bytes_ += end_;
  if (open_) open_->offset = open_offset;
  durable_ = sealed_;
  durable_active_ = first;
  last_durable_ = clock_.wall();
  failed_ = dirty_ = dirty_directory_ = false;
  trouble_.clear();
  return {};
}

Status SpoolStore::store_identity(const Identity& identity) {
  return identity_file_.write(encode_identity(identity), Durable::yes);
}

Status SpoolStore::store_mark(Durable durable) {
  Status done = mark_file_.write(encode_mark(mark_), durable);
  if (!done) return done;
  mark_stored_ = true;
  mark_durable_ = durable == Durable::yes;
  mark_stored_at_ = clock_.boot();
  return {};
}

Status SpoolStore::acknowledge(std::uint64_t sequence, const Hash& rater_hash) {
  if (sequence <= mark_.sequence) return {};
  if (sequence > durable_)
    return Error{
        "an acknowledgement of batch " + std::to_string(sequence) + ", which was never given out",
        options_.directory, "see whether another agent has this one's identity"};
  auto hash = hash_of_batch(sequence);
  // The rater took the batch before it became part of a stand-in: only the rater knows its hash.
  if (!hash && rater_hash != kNoHash && sequence >= segments_.front().first) hash = rater_hash;
  if (!hash)
    return Error{"an acknowledgement of batch " + std::to_string(sequence) + ", which is not known",
                 options_.directory, ""};
  mark_ = {identity_.incarnation, sequence, *hash};
  mark_stored_ = mark_durable_ = false;
  look_for_oldest();
  Status removed = remove_acknowledged();
  if (!removed) return removed;
  // A mark that lags is as good: the rater knows by its numbers what it has.
  if (!mark_stored_ && clock_.boot() - mark_stored_at_ >= kMarkEvery) (void)store_mark(Durable::no);
  return {};
}

/// Whether the first segment lies wholly below the mark, and the dictionary and the states it holds
/// are durable elsewhere.
bool SpoolStore::acknowledged_front() const {
  return segments_.size() > 1 && segments_[1].first <= mark_.sequence + 1 &&
         durable_active_ == segments_.back().first;
}

/// The directory is the caller's to sync.
Status SpoolStore::remove_front() {
  if (!mark_durable_) {
    // Recovery takes what lies below the first segment for acknowledged when there is no mark.
    Status stored = store_mark(Durable::yes);
    if (!stored && mark_file_.made()) return stored;
  }
  const Segment& front = segments_.front();
  Status done = files_.remove(segment_path(front.first));
  if (!done) return done;
  if (cache_.first == front.first) cache_ = {};
  total_bytes_ -= front.bytes;
  segments_.erase(segments_.begin());
  return {};
}

/// Removes segments that were acknowledged and are not to be kept any longer.
Status SpoolStore::remove_acknowledged() {
  bool removed = false;
  while (acknowledged_front()) {
    // A segment ended when the next one began; a clock that was set back keeps it for longer.
    if (options_.keep_acknowledged > 0 &&
        clock_.wall() - segments_[1].begun < options_.keep_acknowledged)
      break;
    Status done = remove_front();
    if (!done) return done;
    removed = true;
  }
  if (!removed) return {};
  look_for_oldest();
  return files_.sync_directory(options_.directory);
}

Status SpoolStore::rewind(std::uint64_t sequence, const Hash& hash) {
  if (sequence >= mark_.sequence) return {};
  const Mark before = mark_;
  mark_ = {identity_.incarnation, sequence, hash};
  Status done = store_mark(Durable::yes);
  if (done.ok() && segments_.front().first > sequence + 1)
    done = insert_front(sequence + 1, dictionary_.highest());
  if (!done.ok()) mark_ = before;
  look_for_oldest();
  return done;
}

Status SpoolStore::hold(std::uint64_t ledger, wire::Token token, Ns slot) {
  const auto job = hold_job(ledger, token, slot);
  if (!job) return {};
  Status stored = job->run();
  held(*job, stored);
  return stored;
}

std::optional<SyncJob> SpoolStore::hold_job(std::uint64_t ledger, wire::Token token, Ns slot) {
  Identity next = holding_.empty() ? identity_ : holding_.rbegin()->second;
  next.ledger = ledger, next.token = token;
  if (slot > 0) next.slot = slot;
  if (next == identity_ && holding_.empty()) return std::nullopt;
  holding_[++jobs_] = next;
  return SyncJob{jobs_, [this, next] { return store_identity(next); }};
}

void SpoolStore::held(const SyncJob& job, const Status& result) {
  const auto done = holding_.extract(job.number);
  if (!done.empty() && result.ok()) identity_ = done.mapped();
}

}  // namespace tallyman::agent
