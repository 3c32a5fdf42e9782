// What a crash left becomes a spool again.

#include <algorithm>

#include "agent/spool/spool_store.hpp"

namespace tallyman::agent {
namespace {

/// A definition takes at least so many bytes wherever it stands.
constexpr std::uint64_t kLeastDefinition = 3;

}  // namespace

Status SpoolStore::recover() {
  const auto firsts = survey();
  if (!firsts) return firsts.error();
  read_mark();
  forget_segments();
  if (identity_.incarnation == wire::Incarnation{}) return fresh_incarnation("");
  for (const std::uint64_t first : *firsts) {
    auto file = files_.open(segment_path(first), OpenMode::write);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    // What a killed process wrote may be in the kernel's memory alone.
    Status synced = (*file)->sync();
    if (!synced) return synced;
    const auto start = (*file)->read_at(0, kMaxHeaderBytes);
    const auto scan = scan_segment_header(start ? ByteView(*start) : ByteView());
    segments_.push_back({first, *size, scan.header.begun, scan.header.shed});
    total_bytes_ += *size;
  }
  Status done = take_newest();
  if (!done) return done;
  look_for_oldest();
  return remove_acknowledged();
}

/// The newest segment that is one is written on to.
Status SpoolStore::take_newest() {
  std::uint64_t lost = 0;
  while (!segments_.empty()) {
    const std::uint64_t first = segments_.back().first;
    auto bytes = read_segment(first);
    if (!bytes) return bytes.error();
    SegmentScan scan = scan_segment(*bytes, expectation(first, 0));
    const bool begun = scan.start.state == HeaderState::whole && scan.preamble_whole;
    if (begun || !scan.batches.empty() || !scan.damages.empty() || scan.open) {
      Status done = fill_front();
      if (!done) return done;
      scan.lost_bytes += lost;
      return adopt(std::move(scan), std::move(*bytes));
    }
    lost += scan.lost_bytes;
    const std::string to = path("quarantine");
    Status done = files_.make_directories(to);
    if (done.ok()) done = files_.rename(segment_path(first), to + "/torn-" + segment_name(first));
    if (!done) return done;
    total_bytes_ -= segments_.back().bytes;
    segments_.pop_back();
    note("a segment that was being created was set aside: " + segment_name(first));
  }
  return fresh_incarnation("no usable segment was found: a new incarnation begins");
}

/// Below the first segment everything is acknowledged, or missing. The mark is stored before a
/// segment is removed: only where it is lost itself, nobody knows which.
Status SpoolStore::fill_front() {
  const std::uint64_t first = segments_.front().first;
  if (first <= mark_.sequence + 1) return {};
  if (!mark_known_) {
    mark_.sequence = first - 1;
    mark_.hash = first_previous(0);
    return {};
  }
  note("batches " + std::to_string(mark_.sequence + 1) + " to " + std::to_string(first - 1) +
       " are missing");
  return insert_front(mark_.sequence + 1, 0);
}

/// A segment without batches: what it should hold is found missing when it is read, and replaced by
/// a stand-in with the definitions above `highest`.
Status SpoolStore::insert_front(std::uint64_t first, wire::DefNo highest) {
  SegmentHeader header;
  header.agent = agent_;
  header.incarnation = identity_.incarnation;
  header.first = first;
  header.highest = highest;
  header.ledger = identity_.ledger;
  header.token = identity_.token;
  header.begun = clock_.wall();
  const Bytes bytes = encode_segment_start(header, {});
  Status done = write_file_atomically(files_, segment_path(header.first), bytes);
  if (!done) return done;
  segments_.insert(segments_.begin(), {header.first, bytes.size(), header.begun});
  total_bytes_ += bytes.size();
  return {};
}

/// Definitions, states and coverage out of a segment; what is known already stays.
void SpoolStore::learn(const SegmentScan& scan) {
  if (scan.start.state == HeaderState::whole) dictionary_.skip(scan.start.header.highest);
  for (const auto& definition : scan.definitions) dictionary_.load(definition);
  for (const auto& damage : scan.damages) {
    for (const auto& entry : damage.entries) {
      if (const auto* definition = std::get_if<wire::Definition>(&entry))
        dictionary_.load(*definition);
    }
  }
  for (const auto& [instance, until] : scan.covered) {
    Ns& covered = covered_[instance];
    covered = std::max(covered, until);
  }
}

/// For a newest segment without a whole preamble: earlier ones, newest first, hold most of it.
void SpoolStore::learn_from_older() {
  note("the dictionary of the newest segment was damaged and put together from all segments");
  for (std::size_t i = segments_.size() - 1; i-- > 0;) {
    const auto bytes = read_segment(segments_[i].first);
    if (!bytes) continue;
    SegmentExpectation expect = expectation(segments_[i].first, last_of(i));
    expect.batch = [&](const wire::Batch& batch) {
      for (const auto& entry : batch.entries) {
        if (const auto* definition = std::get_if<wire::Definition>(&entry))
          dictionary_.load(*definition);
      }
    };
    const SegmentScan scan = scan_segment(*bytes, expect);
    learn(scan);
    std::map<std::string, PluginState> older;
    for (const auto& state : scan.states) older[state.instance] = state;
    states_.merge(older);
  }
}

Status SpoolStore::adopt(SegmentScan scan, Bytes bytes) {
  const std::uint64_t first = segments_.back().first;
  std::map<wire::DefNo, Ns> covered;
  SegmentExpectation expect = expectation(first, 0);
  const auto look_at = [&](const std::vector<wire::Entry>& entries) {
    for (const auto& entry : entries) {
      if (const auto* definition = std::get_if<wire::Definition>(&entry)) {
        dictionary_.load(*definition);
      } else if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
        Ns& until = covered[poll->instance];
        until = std::max(until, poll->scheduled);
      } else if (const auto& gap = std::get<wire::Gap>(entry); gap.subject == 0) {
        Ns& until = covered[gap.instance];
        until = std::max(until, gap.to);
      }
    }
  };
  expect.batch = [&](const wire::Batch& batch) { look_at(batch.entries); };
  const std::uint64_t lost = scan.lost_bytes;
  const bool preamble_whole = scan.preamble_whole;

  learn(scan);
  for (const auto& state : scan.states) states_[state.instance] = state;
  if (!preamble_whole) learn_from_older();
  const bool clean =
      scan.damages.empty() && preamble_whole && scan.start.state == HeaderState::whole;
  if (!clean) {
    doubt_unresolved(scan, bytes);
    // Numbers given out by definitions that are lost are never given out again.
    dictionary_.skip(dictionary_.highest() + 1 +
                     (preamble_whole ? lost : bytes.size() + lost) / kLeastDefinition);
    const Bytes batches = rebuilt(bytes, scan, hash_before(segments_.size() - 1), kNoHash);
    dictionary_.commit(dictionary_.highest());
    Bytes whole = segment_start(first);
    whole.insert(whole.end(), batches.begin(), batches.end());
    Status done = write_file_atomically(files_, segment_path(first), whole);
    if (!done) return done;
    bytes = std::move(whole);
  }
  scan = scan_segment(bytes, expect);
  if (!scan.damages.empty())
    return Error{"a segment that was repaired is damaged again", segment_path(first),
                 "check the disk (dmesg, smartctl)"};
  if (scan.open) {
    Bytes batch = batch_bytes(
        ByteView(bytes).subspan(static_cast<std::size_t>(scan.open->offset),
                                static_cast<std::size_t>(scan.open->end - scan.open->offset)));
    const Bytes seal = wire::encode_seal({.watermark = 0, .pages = scan.open->pages});
    batch.insert(batch.end(), seal.begin(), seal.end());
    if (const auto whole = wire::decode_batch(batch)) look_at(whole->entries);
  }
  if (clean && lost > 0) dictionary_.skip(dictionary_.highest() + 1 + lost / kLeastDefinition);
  dictionary_.commit(dictionary_.highest());
  for (const auto& [instance, until] : covered)
    cover(wire::Gap{instance, 0, until, until, wire::Cause::agent_down, {}});
  total_bytes_ += bytes.size();
  total_bytes_ -= segments_.back().bytes;
  segments_.back().bytes = bytes.size();
  return settle_tail(scan);
}

/// Cuts what is torn, seals what was open, and makes it durable.
Status SpoolStore::settle_tail(const SegmentScan& scan) {
  const std::uint64_t first = segments_.back().first;
  auto file = files_.open(segment_path(first), OpenMode::write);
  if (!file) return file.error();
  end_ = scan.end;
  start_bytes_ = std::min(scan.preamble_end, scan.end);
  Status done = (*file)->truncate(end_);
  if (!done) return done;
  if (scan.lost_bytes > 0)
    note(std::to_string(scan.lost_bytes) + " bytes at the spool's end were torn and cut off");
  total_bytes_ += end_;
  total_bytes_ -= segments_.back().bytes;
  segments_.back().bytes = end_;
  places_ = scan.batches;
  sealed_ = places_.empty() ? first - 1 : places_.back().last;
  last_link_ = places_.empty() ? hash_before(segments_.size() - 1) : places_.back().hash;
  if (scan.open) {
    auto bytes = (*file)->read_at(scan.open->offset,
                                  static_cast<std::size_t>(scan.open->end - scan.open->offset));
    if (!bytes) return bytes.error();
    const wire::BatchHead& head = scan.open->head;
    const Bytes seal = wire::encode_seal({.watermark = 0, .pages = scan.open->pages});
    Bytes batch = batch_bytes(*bytes);
    batch.insert(batch.end(), seal.begin(), seal.end());
    done = (*file)->write_at(end_, seal);
    if (!done && no_space(done.error()) && std::exchange(reserve_bytes_, 0) > 0) {
      (void)files_.remove(path("reserve"));
      done = (*file)->write_at(end_, seal);
    }
    if (!done) return done;
    end_ += seal.size();
    total_bytes_ += seal.size();
    segments_.back().bytes = end_;
    places_.push_back({head.sequence, head.last, scan.open->offset, end_ - scan.open->offset,
                       head.opened, head.previous, link_hash(head, batch)});
    sealed_ = head.last;
    last_link_ = places_.back().hash;
    note("batch " + std::to_string(head.sequence) + " was open and is sealed with its " +
         std::to_string(scan.open->pages) + " pages");
  }
  file_ = std::move(*file);
  done = file_->sync();
  if (done.ok()) done = files_.sync_directory(options_.directory);
  if (!done) return done;
  last_durable_ = clock_.wall();
  durable_active_ = first;
  if (sealed_ < mark_.sequence) {
    note("the spool ends before what the rater acknowledged, and goes on after it");
    sealed_ = mark_.sequence;
    last_link_ = mark_.hash;
    done = new_segment(sealed_ + 1);
    if (!done) return done;
  }
  durable_ = sealed_;
  return {};
}

}  // namespace tallyman::agent
