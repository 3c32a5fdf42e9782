#include "rater/views/raw_counter.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

/// What of `delta`, evenly over [from, to), had come by `at`: rounded down.
u128 come_by(u128 delta, Ns from, Ns to, Ns at) {
  if (at <= from) return 0;
  if (at >= to) return delta;
  return mul_div(delta, static_cast<u128>(at - from), static_cast<u128>(to - from)).value_or(0);
}

}  // namespace

u128 RawView::total() const {
  u128 sum = 0;
  for (const RawSegment& segment : segments) sum += segment.growth();
  return sum;
}

u128 RawView::slot(std::int64_t number) const {
  const auto it = slots.find(number);
  return it == slots.end() ? 0 : it->second;
}

bool RawCounter::keeps(Ns from, Ns to) const {
  if (rule_.intervals_at < 0 || to <= rule_.span.from || from >= rule_.span.to) return false;
  if (rule_.intervals_at == 0) return true;
  const Ns begin = rule_.intervals_at / rule_.slot * rule_.slot;
  return from < begin + rule_.slot && to > begin;
}

void RawCounter::keep(const RawInterval& interval) {
  if (view_.intervals.size() < kMaxRawIntervals) {
    view_.intervals.push_back(interval);
  } else {
    ++view_.intervals_left_out;
  }
}

/// Spreads what came between two instants over the slots of the span.
void RawCounter::add(Ns from, Ns to, u128 delta, RawInterval* kept) {
  const Ns wanted = rule_.intervals_at > 0 ? rule_.intervals_at / rule_.slot : std::int64_t{-1};
  const Ns first = std::max(from, rule_.span.from), end = std::min(to, rule_.span.to);
  for (Ns at = first; at < end;) {
    const std::int64_t slot = at / rule_.slot;
    const Ns next = std::min(end, (slot + 1) * rule_.slot);
    const u128 part = come_by(delta, from, to, next) - come_by(delta, from, to, at);
    if (part > 0) view_.slots[slot] += part;
    if (kept != nullptr && (wanted < 0 || wanted == slot)) kept->in_slot += part;
    at = next;
  }
}

void RawCounter::count(const RawReading& from, const RawReading& to, u128 delta, bool from_zero) {
  RawInterval interval{from, to, from_zero, delta, 0};
  add(from.at, to.at, delta, &interval);
  open_->before += come_by(delta, from.at, to.at, rule_.span.from);
  open_->after += delta - come_by(delta, from.at, to.at, rule_.span.to);
  if (keeps(from.at, to.at)) keep(interval);
}

void RawCounter::hold(Ns to) {
  if (!any_ || ended_) return;
  to = std::min(to, last_.at + 2 * beat_);
  if (to <= from_) return;
  RawReading from = last_, until = last_;
  from.at = from_;
  until.at = to;
  const u128 held = u128{last_.value} * static_cast<u128>(to - from_);
  RawInterval interval{from, until, false, held, 0};
  add(from_, to, held, &interval);
  if (keeps(from_, to)) keep(interval);
  from_ = to;
}

void RawCounter::read(const RawReading& reading, bool own_time, Ns beat) {
  if (reading.at >= rule_.span.from && reading.at < rule_.span.to) ++view_.readings;
  const bool other = any_ && reading.stream != last_.stream;
  if (gauge_) {
    if (any_ && reading.at < last_.at && (other || own_time)) return;
    hold(reading.at);
    any_ = true;
    ended_ = false;
    beat_ = beat;
    last_ = reading;
    from_ = std::max(from_, reading.at);
    return;
  }
  if (any_ && reading.at <= last_.at) {
    // It stands where the counter has been: only growth that is learnt late is news.
    const bool news = own_time && reading.at == last_.at && reading.value > last_.value;
    if (!news) return;
    RawReading from = last_;
    from.at = std::min(from_, last_.at - 1);
    count(from, reading, u128{reading.value} - last_.value, false);
    open_->last = last_ = reading;
    ++open_->readings;
    return;
  }
  const bool fell = any_ && reading.value < last_.value;
  if (!any_ || fell) {
    finish();
    const bool from_zero = fell || start_ != 0;
    open_ = RawSegment{epoch_, start_, from_zero, reading.at, reading, reading, 1, 0, 0};
    RawReading zero = fell ? last_ : reading;
    if (!fell) zero.at = std::min(start_, reading.at - 1);
    zero.value = 0;
    if (from_zero) {
      open_->from = zero.at;
      count(zero, reading, reading.value, true);
    }
    from_ = open_->from;
  } else {
    count(last_, reading, u128{reading.value} - last_.value, false);
    from_ = last_.at;
    open_->last = reading;
    ++open_->readings;
  }
  any_ = true;
  last_ = reading;
}

void RawCounter::end(Ns at) {
  if (!gauge_ || !any_ || at < last_.at) return;
  hold(at);
  ended_ = true;
}

void RawCounter::sealed(std::uint32_t stream, Ns at) {
  if (gauge_ && any_ && last_.stream == stream) hold(at);
}

void RawCounter::finish() {
  if (!open_) return;
  if (open_->last.at > rule_.span.from && open_->from < rule_.span.to) {
    view_.segments.push_back(*open_);
  }
  open_.reset();
}

}  // namespace tallyman::rater
