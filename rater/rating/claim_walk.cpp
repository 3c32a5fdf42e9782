#include "rater/rating/claim_walk.hpp"

#include <algorithm>
#include <utility>

#include "rater/derive/line_speed.hpp"

namespace tallyman::rater {

namespace {

std::int64_t floor_div(Ns a, Ns b) { return a / b - (a % b < 0 ? 1 : 0); }

Ns overlap(const std::vector<Span>& spans, Ns from, Ns to) {
  Ns sum = 0;
  for (const Span& span : spans) {
    const Span part = cut(span, from, to);
    if (part.from < part.to) sum += part.to - part.from;
  }
  return sum;
}

/// The first place from `from` on, below `to`, where a column is not zero; an empty one is nowhere.
std::size_t first_set(const std::vector<std::uint64_t>& column, std::size_t from, std::size_t to) {
  if (column.empty()) return to;
  const auto begin = column.begin();
  return static_cast<std::size_t>(std::find_if(begin + static_cast<std::ptrdiff_t>(from),
                                               begin + static_cast<std::ptrdiff_t>(to),
                                               [](std::uint64_t v) { return v != 0; }) -
                                  begin);
}

u128 sum_of(const SlotArray& slots, std::int64_t first, std::int64_t end) {
  const auto from = static_cast<std::size_t>(first - slots.first());
  const auto to = static_cast<std::size_t>(end - slots.first());
  const SlotArray::Columns& columns = slots.columns();
  u128 sum = 0;
  for (std::size_t i = from; i < to && !columns.low.empty(); ++i) sum += columns.low[i];
  for (std::size_t i = from; i < to && !columns.high.empty(); ++i) {
    sum += u128{columns.high[i]} << 64U;
  }
  return sum;
}

/// The fastest that any view told of for any part of a time; 0 when one does not tell.
std::uint64_t fastest_line(const std::vector<ClaimedView>& views, const Span& within) {
  std::uint64_t best = 0;
  for (const ClaimedView& view : views) {
    const std::vector<InfoSpan>& info = view.facts->info;
    if (info.empty()) return 0;
    for (std::size_t i = 0; i < info.size(); ++i) {
      const bool over = i + 1 < info.size() && info[i + 1].from <= within.from;
      if (over || (i > 0 && info[i].from >= within.to)) continue;
      const std::uint64_t mbit = line_mbit(info[i].labels);
      if (mbit == 0) return 0;
      best = std::max(best, mbit);
    }
  }
  return best;
}

}  // namespace

struct ClaimWalk::Known {
  SlotUsage usage;
  Ns absent = 0;
  /// What was read outweighs what is said not to exist: one view's mistake about an end must not
  /// take away what another one measured.
  [[nodiscard]] bool better_than(const Known& other) const {
    return std::pair(usage.covered, absent) > std::pair(other.usage.covered, other.absent);
  }
};

/// Slots [first, end) of one claim.
struct ClaimWalk::Stretch {
  std::int64_t first = 0, end = 0;
  Claim claim{};
};

ClaimWalk::ClaimWalk(const Bounds& bounds, Ns slot, std::vector<ClaimedView> views,
                     std::size_t owner, const std::vector<Ns>& marks)
    : bounds_(bounds),
      slot_(slot),
      views_(std::move(views)),
      at_(views_.size(), 0),
      owner_(owner),
      marks_(marks),
      counter_(views_.front().facts->view.series.kind == wire::Kind::counter) {
  mine_.key = views_.front().facts->view.series;
  for (const ClaimedView& view : views_) {
    mine_.views.push_back(view.facts->view.agent + "/" + view.facts->view.instance);
    mine_.resolution = std::max(mine_.resolution, view.facts->resolution);
  }
  mine_.mbit = fastest_line(views_, bounds_.all);
}

void ClaimWalk::run() {
  for (std::int64_t slot = floor_div(bounds_.all.from, slot_); slot * slot_ < bounds_.all.to;) {
    const Stretch whole = whole_from(slot);
    if (whole.first < whole.end) {
      take_whole(whole);
      slot = whole.end;
      continue;
    }
    const Stretch unknown = unknown_from(slot);
    if (unknown.first < unknown.end) {
      if (unknown.claim.owner == owner_ && owner_ != kNobody) {
        hold(unknown.claim, {unknown.first * slot_, unknown.end * slot_}, 0);
      }
      slot = unknown.end;
      continue;
    }
    take_slot(slot++);
  }
}

/// The claim on a view that holds `from`; the walk only goes forward.
const Claim* ClaimWalk::claim_at(std::size_t view, Ns from) {
  const std::vector<Claim>& claims = *views_[view].claims;
  std::size_t& at = at_[view];
  while (at < claims.size() && claims[at].to <= from) ++at;
  return at < claims.size() && claims[at].from <= from ? &claims[at] : nullptr;
}

/// Whole slots that the first view has read from end to end: no other one is better there.
ClaimWalk::Stretch ClaimWalk::whole_from(std::int64_t slot) {
  const SlotArray& slots = views_.front().slots;
  if (slot < slots.first() || slot >= slots.end()) return {};
  const Claim* claim = claim_at(0, slot * slot_);
  if (claim == nullptr) return {};
  const Ns end = std::min(claim->to, next_mark(slot * slot_));
  const std::int64_t last = std::min(slots.end(), floor_div(end, slot_));
  if (last <= slot) return {};
  const auto from = static_cast<std::size_t>(slot - slots.first());
  auto to = static_cast<std::size_t>(last - slots.first());
  to = first_set(slots.columns().uncovered, from, to);
  to = first_set(slots.columns().estimated, from, to);
  return {slot, slots.first() + static_cast<std::int64_t>(to), *claim};
}

/// Whole slots of which no view knows anything.
ClaimWalk::Stretch ClaimWalk::unknown_from(std::int64_t slot) {
  std::int64_t last = INT64_MAX;
  for (const ClaimedView& view : views_) {
    if (!view.facts->absent.empty()) return {};
    if (slot >= view.slots.end()) continue;
    if (slot >= view.slots.first()) return {};
    last = std::min(last, view.slots.first());
  }
  const Claim* claim = claim_at(0, slot * slot_);
  if (claim == nullptr) return {};
  return {slot, std::min(last, floor_div(claim->to, slot_)), *claim};
}

void ClaimWalk::take_whole(const Stretch& stretch) {
  const SlotArray& slots = views_.front().slots;
  const u128 amount = sum_of(slots, stretch.first, stretch.end);
  read_ += amount;
  if (stretch.claim.owner == kNobody) nobody_ += amount;
  if (stretch.claim.owner == kElsewhere) elsewhere_ += amount;
  if (stretch.claim.owner != owner_ || owner_ == kNobody) return;
  hold(stretch.claim, {stretch.first * slot_, stretch.end * slot_}, amount);
  if (stretch.claim.waived) return;
  mine_.pieces.append_whole(slots, stretch.first, stretch.end, 0);
  tell(0, {stretch.first * slot_, stretch.end * slot_}, amount);
}

/// The first instant after `from` at which a run ends.
Ns ClaimWalk::next_mark(Ns from) const {
  const auto at = std::upper_bound(marks_.begin(), marks_.end(), from);
  return at == marks_.end() ? kForever : *at;
}

/// Goes on with a run, or begins another. Where a mark cuts a slot it is divided as pieces are.
void ClaimWalk::tell(std::size_t view, const Span& part, u128 amount) {
  if (!counter_) return;
  const auto number = static_cast<std::uint32_t>(view);
  for (Ns from = part.from; from < part.to;) {
    const Ns to = std::min(part.to, next_mark(from));
    const u128 share = share_of(amount, from - part.from, to - part.from, part.to - part.from);
    const bool marked = std::binary_search(marks_.begin(), marks_.end(), from);
    const bool goes_on = !marked && !mine_.runs.empty() && mine_.runs.back().view == number &&
                         mine_.runs.back().span.to == from;
    if (!goes_on) {
      end_run();
      mine_.runs.push_back({{from, from}, number, 0, doubt_at(views_[view].slots, from), {}});
    }
    mine_.runs.back().span.to = to;
    mine_.runs.back().amount += share;
    from = to;
  }
}

void ClaimWalk::end_run() {
  if (mine_.runs.empty()) return;
  Run& run = mine_.runs.back();
  run.end = doubt_at(views_[run.view].slots, run.span.to);
}

OwnedSeries ClaimWalk::take() {
  end_run();
  return std::move(mine_);
}

ClaimWalk::Known ClaimWalk::known(std::size_t view, std::int64_t slot) const {
  const ClaimedView& of = views_[view];
  Known k{of.slots.at(slot)};
  k.usage.covered = std::clamp<Ns>(k.usage.covered, 0, slot_);
  k.usage.estimated = std::clamp<Ns>(k.usage.estimated, 0, k.usage.covered);
  k.absent = std::min(overlap(of.facts->absent, slot * slot_, (slot + 1) * slot_),
                      slot_ - k.usage.covered);
  return k;
}

void ClaimWalk::take_slot(std::int64_t slot) {
  std::size_t best = 0;
  Known chosen = known(0, slot);
  for (std::size_t v = 1; v < views_.size(); ++v) {
    const Known other = known(v, slot);
    if (other.better_than(chosen)) best = v, chosen = other;
  }
  const Ns start = slot * slot_;
  const Span all = cut({start, start + slot_}, bounds_.all.from, bounds_.all.to);
  read_ += share_of(chosen.usage.amount, all.from - start, all.to - start, slot_);
  static_cast<void>(claim_at(best, start));
  const std::vector<Claim>& claims = *views_[best].claims;
  for (std::size_t c = at_[best]; c < claims.size() && claims[c].from < start + slot_; ++c) {
    const Span part = cut({claims[c].from, claims[c].to}, start, start + slot_);
    if (part.from < part.to) give(claims[c], slot, part, chosen, best);
  }
}

void ClaimWalk::give(const Claim& claim, std::int64_t slot, const Span& part, const Known& k,
                     std::size_t view) {
  const Ns start = slot * slot_, a = part.from - start, b = part.to - start;
  const u128 amount = share_of(k.usage.amount, a, b, slot_);
  if (claim.owner == kNobody) nobody_ += amount;
  if (claim.owner == kElsewhere) elsewhere_ += amount;
  if (claim.owner != owner_ || owner_ == kNobody) return;
  hold(claim, part, amount);
  if (claim.waived) return;
  const bool whole = b - a == slot_;
  Ns covered = static_cast<Ns>(share_of(static_cast<u128>(k.usage.covered), a, b, slot_));
  const Ns estimated = whole ? k.usage.estimated : covered;
  const Ns absent =
      whole ? k.absent
            : std::min(overlap(views_[view].facts->absent, part.from, part.to), b - a - covered);
  covered += absent;
  if (covered == 0 && amount == 0) return;
  mine_.pieces.push_back({slot, part.from, part.to, amount, covered, estimated, k.usage.peak,
                          static_cast<std::uint32_t>(view), absent});
  tell(view, part, amount);
}

void ClaimWalk::hold(const Claim& claim, const Span& part, u128 amount) {
  if (claim.waived) {
    mine_.waived += amount;
    mine_.waived_ns += part.to - part.from;
    return;
  }
  if (!mine_.held.empty() && mine_.held.back().to == part.from) {
    mine_.held.back().to = part.to;
  } else {
    mine_.held.push_back(part);
  }
}

}  // namespace tallyman::rater
