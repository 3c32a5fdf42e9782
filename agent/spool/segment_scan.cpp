#include <algorithm>
#include <utility>

#include "agent/spool/segment.hpp"
#include "agent/spool/segment_chain.hpp"
#include "base/hash.hpp"

namespace tallyman::agent {
namespace {

using wire::FrameStatus;
using wire::FrameType;

constexpr int kMaxSkips = 64;                    ///< damaged frames in a row stepped over by length
constexpr std::uint32_t kMaxHeadPayload = 8192;  ///< a longer "head" is not worth a checksum
constexpr std::uint64_t kMaxJump = 1ULL << 40U;  ///< sequence numbers that can be missing at once

/// A batch whose seal was not seen yet.
struct Open {
  wire::BatchHead head;
  std::size_t offset = 0;
  Bytes bytes;  ///< its H and P frames up to the first damage
  std::uint64_t pages = 0;
  std::size_t end = 0;  ///< of the last of these
  bool bad = false;
  std::optional<Skip> skip;  ///< the first damaged definition or state that was stepped over
};

/// A batch beside whose pages a definition or a state is damaged: how it was before.
struct Doubt {
  wire::BatchHead head;
  std::size_t offset = 0, end = 0;
  std::uint64_t pages = 0;
  std::size_t definitions = 0, states = 0;  ///< how many counted
};

/// Walks the frames of one segment. Used once, on the stack.
class Scanner {
 public:
  Scanner(ByteView bytes, const SegmentExpectation& expect)
      : bytes_(bytes), expect_(expect), expected_(expect.first) {}
  SegmentScan run();

 private:
  void begin();
  void walk();
  bool in_preamble(std::size_t end) const;
  bool believable(const wire::BatchHead& head) const;
  std::optional<std::size_t> next_head(std::size_t from) const;
  std::optional<std::size_t> step_over(std::size_t at);
  void on_frame(std::size_t at, const wire::FrameScan& frame);
  void on_head(std::size_t at, std::size_t size);
  void on_page(std::size_t at, const wire::FrameScan& frame);
  void on_seal(std::size_t at, std::size_t size);
  void on_state(ByteView payload);
  void on_covered(ByteView payload);
  void abandon(std::size_t until);
  void missing(std::uint64_t until);
  void cut_doubtful_tail();
  void tell_last();
  void count_pending();
  void finish();

  ByteView bytes_;
  const SegmentExpectation& expect_;
  SegmentScan scan_;
  std::size_t at_ = 0;
  std::uint64_t expected_;
  bool started_ = false;  ///< a batch's head was seen: what stands before is preamble
  std::optional<Open> open_;
  std::optional<Doubt> doubt_;       ///< the last one
  std::optional<wire::Batch> last_;  ///< the last whole one, while it may still be cut
  std::vector<wire::Definition> pending_definitions_;
  std::vector<PluginState> pending_states_;
  std::vector<Skip> skipped_;             ///< of whole batches
  std::optional<std::size_t> lost_from_;  ///< bytes that belong to nothing so far
  int skips_ = 0;
};

SegmentScan Scanner::run() {
  begin();
  walk();
  finish();
  return std::move(scan_);
}

void Scanner::begin() {
  scan_.start = scan_segment_header(bytes_);
  at_ = scan_.start.size;
  // Another segment's beginning may stand here: its dictionary is not this one's.
  if (scan_.start.state == HeaderState::whole && scan_.start.header.first != expect_.first)
    scan_.start.state = HeaderState::damaged;
  if (scan_.start.state == HeaderState::whole) {
    const SegmentHeader& header = scan_.start.header;
    if (header.preamble_bytes <= bytes_.size() - at_) {
      const ByteView preamble =
          bytes_.subspan(at_, static_cast<std::size_t>(header.preamble_bytes));
      scan_.preamble_whole = crc32c(preamble) == header.preamble_crc;
    }
  } else if (at_ == 0) {
    at_ = std::min(kSegmentMagic.size(), bytes_.size());
  }
  scan_.preamble_end = scan_.end = at_;
}

void Scanner::walk() {
  while (at_ < bytes_.size()) {
    const auto frame = wire::next_frame(bytes_.subspan(at_));
    if (frame.status == FrameStatus::whole) {
      skips_ = 0;
      on_frame(at_, frame);
      at_ += frame.size;
      continue;
    }
    std::optional<std::size_t> next;
    if (frame.status != FrameStatus::end) next = step_over(at_);
    if (!next) {
      next = next_head(at_);
      if (!next) break;
      abandon(*next);
      scan_.lost_bytes += *next - at_;
    }
    if (!lost_from_) lost_from_ = at_;
    at_ = *next;
  }
}

/// What stands between the preamble and the first batch that is whole belongs to a lost batch.
bool Scanner::in_preamble(std::size_t end) const {
  return scan_.start.state != HeaderState::whole ||
         end - scan_.start.size <= scan_.start.header.preamble_bytes;
}

/// Where the frame after a damaged one begins, if that can be told.
std::optional<std::size_t> Scanner::step_over(std::size_t at) {
  const ByteView rest = bytes_.subspan(at);
  if (rest.size() < wire::kFrameOverhead || ++skips_ > kMaxSkips) return std::nullopt;
  const auto size = skip_damaged_frame(rest);
  if (!size) return std::nullopt;
  scan_.lost_bytes += *size;
  const auto type = static_cast<FrameType>(rest[8]);
  const bool beside = type == FrameType::dictionary || type == FrameType::state;
  // A page that is lost here all the same is missed by its number, or when the seal is checked.
  if (open_ && !beside) open_->bad = true;
  if (open_ && beside && !open_->skip)
    open_->skip = Skip{open_->head.sequence, open_->end, open_->pages};
  if (open_ && beside && (!doubt_ || doubt_->offset != open_->offset))
    doubt_ =
        Doubt{open_->head,        open_->offset, open_->end, open_->pages, scan_.definitions.size(),
              scan_.states.size()};
  return at + *size;
}

bool Scanner::believable(const wire::BatchHead& head) const {
  if (head.agent != expect_.agent || head.incarnation != expect_.incarnation) return false;
  if (head.sequence < expected_) return in_hole(scan_, head);
  return head.sequence - expected_ < kMaxJump && head.last - head.sequence < kMaxJump &&
         (expect_.last == 0 || head.last <= expect_.last);
}

std::optional<std::size_t> Scanner::next_head(std::size_t from) const {
  while (const auto found = wire::find_marker(bytes_.subspan(from))) {
    const std::size_t at = from + *found;
    const ByteView rest = bytes_.subspan(at);
    if (claimed_length(rest) <= kMaxHeadPayload) {
      const auto head = wire::decode_batch_head(rest);
      if (head && believable(*head)) return at;
    }
    from = at + 1;
  }
  return std::nullopt;
}

void Scanner::on_frame(std::size_t at, const wire::FrameScan& frame) {
  switch (frame.type) {
    case FrameType::head:
      on_head(at, frame.size);
      break;
    case FrameType::page:
      on_page(at, frame);
      break;
    case FrameType::seal:
      on_seal(at, frame.size);
      break;
    case FrameType::dictionary:
      if (auto definition = wire::decode_definition(frame.payload))
        pending_definitions_.push_back(std::move(*definition));
      break;
    case FrameType::state:
      on_state(frame.payload);
      break;
    default:
      if (frame.type == kCoveredFrame) on_covered(frame.payload);
      break;
  }
  if (!started_ && in_preamble(at + frame.size)) {
    count_pending();
    scan_.preamble_end = scan_.end = at + frame.size;
  }
}

void Scanner::on_head(std::size_t at, std::size_t size) {
  auto head = wire::decode_batch_head(bytes_.subspan(at, size));
  if (!head || !believable(*head)) {
    if (open_) open_->bad = true;
    return;
  }
  if (open_) {
    if (head->sequence == open_->head.sequence) {
      open_->bad = true;
      return;
    }
    abandon(at);
    if (!believable(*head)) return;
  }
  if (!started_) scan_.preamble_end = scan_.end = at;
  started_ = true;
  if (head->sequence > expected_) {
    const std::size_t from = lost_from_.value_or(at);
    scan_.damages.push_back({expected_, head->sequence - 1, from, at - from, {}, {}, 0, 0});
    expected_ = head->sequence;
  }
  lost_from_.reset();
  open_.emplace();
  open_->head = std::move(*head);
  open_->offset = at;
  open_->end = at + size;
  const ByteView frame = bytes_.subspan(at, size);
  open_->bytes.assign(frame.begin(), frame.end());
}

void Scanner::on_page(std::size_t at, const wire::FrameScan& frame) {
  if (!open_) return;
  ByteReader in(frame.payload);
  if (in.varint() != open_->pages || !in.ok()) open_->bad = true;
  if (open_->bad) return;
  const ByteView bytes = bytes_.subspan(at, frame.size);
  open_->bytes.insert(open_->bytes.end(), bytes.begin(), bytes.end());
  open_->end = at + frame.size;
  ++open_->pages;
  count_pending();
}

void Scanner::on_seal(std::size_t at, std::size_t size) {
  if (!open_) return;
  const std::size_t end = at + size;
  if (open_->bad) return abandon(end);
  Bytes whole = open_->bytes;
  const ByteView seal = bytes_.subspan(at, size);
  whole.insert(whole.end(), seal.begin(), seal.end());
  auto batch = wire::decode_batch(whole);
  if (!batch) return abandon(end);
  const wire::BatchHead& head = batch->head;
  const BatchPlace place{head.sequence, head.last,     open_->offset,         end - open_->offset,
                         head.opened,   head.previous, link_hash(head, whole)};
  if (head.sequence < expected_) fill_hole(scan_, head.sequence, head.last);
  scan_.batches.insert(
      std::upper_bound(scan_.batches.begin(), scan_.batches.end(), place,
                       [](const auto& a, const auto& b) { return a.first < b.first; }),
      place);
  if (open_->skip) skipped_.push_back(*open_->skip);
  expected_ = std::max(expected_, head.last + 1);
  tell_last();
  last_ = std::move(*batch);
  scan_.end = end;
  open_.reset();
  count_pending();
}

/// Whoever asked is told of a whole batch once it is sure that it stays one.
void Scanner::tell_last() {
  if (last_ && expect_.batch) expect_.batch(*last_);
  last_.reset();
}

void Scanner::on_state(ByteView payload) {
  ByteReader in(payload);
  PluginState state;
  state.instance = in.text(wire::kMaxNameBytes);
  state.version = in.u32();
  state.scheduled = in.i64();
  (void)in.varint();
  (void)in.varint();
  const ByteView rest = in.raw(in.left());
  if (!in.ok() || rest.size() > kMaxStateBytes) return;
  state.bytes.assign(rest.begin(), rest.end());
  pending_states_.push_back(std::move(state));
}

void Scanner::on_covered(ByteView payload) {
  ByteReader in(payload);
  std::string instance = in.text(wire::kMaxNameBytes);
  const Ns until = in.i64();
  if (in.ok() && in.at_end()) scan_.covered.emplace_back(std::move(instance), until);
}

/// The open batch is not whole: keeps what can be saved of it.
void Scanner::abandon(std::size_t until) {
  if (!open_) return;
  Open open = std::move(*open_);
  open_.reset();
  Damage damage{open.head.sequence, open.head.last, open.offset, until - open.offset, {}, {},
                open.pages,         open.end};
  scan_.lost_bytes += until - open.end;
  const Bytes seal = wire::encode_seal({.watermark = 0, .pages = open.pages});
  open.bytes.insert(open.bytes.end(), seal.begin(), seal.end());
  if (auto batch = wire::decode_batch(open.bytes)) {
    damage.entries = std::move(batch->entries);
  } else {
    damage.pages = 0;
  }
  for (const auto& definition : pending_definitions_) damage.entries.emplace_back(definition);
  damage.head = std::move(open.head);
  if (damage.first < expected_) fill_hole(scan_, damage.first, damage.last);
  expected_ = std::max(expected_, damage.last + 1);
  insert_damage(scan_, std::move(damage));
}

void Scanner::count_pending() {
  std::move(pending_definitions_.begin(), pending_definitions_.end(),
            std::back_inserter(scan_.definitions));
  std::move(pending_states_.begin(), pending_states_.end(), std::back_inserter(scan_.states));
  pending_definitions_.clear();
  pending_states_.clear();
}

void Scanner::missing(std::uint64_t until) {
  if (expected_ > until) return;
  const std::size_t from = lost_from_.value_or(at_);
  scan_.damages.push_back({expected_, until, from, bytes_.size() - from, {}, {}, 0, 0});
}

void Scanner::finish() {
  std::size_t used = bytes_.size();
  while (used > 0 && bytes_[used - 1] == 0) --used;
  ChainDoubts doubts{skipped_, expected_ - 1, {}};
  if (open_) doubts.open = {open_->head.sequence, open_->head.previous};
  doubts.last = std::max(doubts.last, expect_.last);
  doubt_unconfirmed(scan_, bytes_, doubts);
  if (expect_.last != 0) {
    abandon(bytes_.size());
    tell_last();
    missing(expect_.last);
    count_pending();
    return;
  }
  const auto nothing_follows = [&] {
    return !scan_.damages.empty() &&
           (scan_.batches.empty() || scan_.damages.back().first > scan_.batches.back().last);
  };
  // What no whole batch follows was perhaps never durable: whole pages go on as an open batch, the
  // rest is torn.
  if (open_) abandon(std::max(open_->end, used));
  while (nothing_follows()) {
    const Damage damage = std::move(scan_.damages.back());
    scan_.damages.pop_back();
    if (!damage.head || damage.pages == 0) continue;
    scan_.open = OpenPlace{*damage.head, damage.offset, damage.pages_end, damage.pages};
    scan_.end = damage.pages_end;
    break;
  }
  cut_doubtful_tail();
  tell_last();
  if (used > scan_.end) scan_.lost_bytes += used - scan_.end;
}

/// In the last batch a page whose state is damaged was perhaps torn with it: the page alone would
/// tell of readings that the plugin, with an older state, may give again.
void Scanner::cut_doubtful_tail() {
  const bool open = doubt_ && scan_.open && scan_.open->offset == doubt_->offset;
  const bool sealed = doubt_ && !scan_.open && !scan_.batches.empty() &&
                      scan_.batches.back().offset == doubt_->offset &&
                      scan_.batches.back().offset + scan_.batches.back().size == scan_.end;
  if (!open && !sealed) return;
  if (sealed) {
    scan_.batches.pop_back();
    last_.reset();
  }
  scan_.open.reset();
  if (doubt_->pages > 0)
    scan_.open = OpenPlace{doubt_->head, doubt_->offset, doubt_->end, doubt_->pages};
  scan_.end = doubt_->pages > 0 ? doubt_->end : doubt_->offset;
  scan_.definitions.resize(std::min(scan_.definitions.size(), doubt_->definitions));
  scan_.states.resize(std::min(scan_.states.size(), doubt_->states));
}

}  // namespace

SegmentScan scan_segment(ByteView bytes, const SegmentExpectation& expect) {
  return Scanner(bytes, expect).run();
}

}  // namespace tallyman::agent
