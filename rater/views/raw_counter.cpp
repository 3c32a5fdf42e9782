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

RawSlot RawView::slot(std::int64_t number) const {
  const auto it = slots.find(number);
  return it == slots.end() ? RawSlot{} : it->second;
}

u128 RawView::spread(const RawAmount& amount, std::uint64_t peak, const Span& span, Ns slot,
                     std::int64_t wanted) {
  const auto& [from, to, delta] = amount;
  u128 told = 0;
  const Ns end = std::min(to, span.to);
  for (Ns at = std::max(from, span.from); at < end;) {
    const std::int64_t number = at / slot;
    const Ns next = std::min(end, (number + 1) * slot);
    const u128 part = come_by(delta, from, to, next) - come_by(delta, from, to, at);
    if (part > 0) {
      RawSlot& mine = slots[number];
      mine.amount += part;
      mine.peak = std::max(mine.peak, peak);
    }
    if (wanted < 0 || wanted == number) told += part;
    at = next;
  }
  return told;
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

void RawCounter::add(RawInterval& interval, std::uint64_t peak) {
  const std::int64_t wanted = rule_.intervals_at > 0 ? rule_.intervals_at / rule_.slot : -1;
  interval.in_slot = view_.spread({interval.from.at, interval.to.at, interval.delta}, peak,
                                  rule_.span, rule_.slot, wanted);
}

void RawCounter::count(const RawReading& from, const RawReading& to, u128 delta, bool from_zero) {
  RawInterval interval{from, to, from_zero, false, delta, 0};
  interval.kept_out = is_kept_out(from.at, to.at, delta);
  if (interval.kept_out) {
    distrust(from, to, delta);
  } else {
    trusted_.reset();
    distrusted_ = 0;
    add(interval, 0);
    open_->before += come_by(delta, from.at, to.at, rule_.span.from);
    open_->after += delta - come_by(delta, from.at, to.at, rule_.span.to);
    from_ = from.at;
  }
  if (keeps(from.at, to.at)) keep(interval);
}

bool RawCounter::is_kept_out(Ns from, Ns to, u128 delta) const {
  return kept_out_ != nullptr && kept_out_->contains({from, to, delta});
}

void RawCounter::distrust(const RawReading& from, const RawReading& to, u128 delta) {
  if (!trusted_) trusted_ = from;
  distrusted_ += delta;
  open_->kept_out += delta;
  from_ = to.at;
}

void RawCounter::hold(Ns to) {
  if (!any_ || ended_) return;
  to = std::min(to, last_.at + 2 * beat_);
  if (to <= from_) return;
  RawReading from = last_, until = last_;
  from.at = from_;
  until.at = to;
  const u128 held = u128{last_.value} * static_cast<u128>(to - from_);
  RawInterval interval{from, until, false, is_kept_out(from_, to, held), held, 0};
  if (!interval.kept_out) add(interval, last_.value);
  if (keeps(from_, to)) keep(interval);
  from_ = to;
}

void RawCounter::gauge(const RawReading& reading, bool other, bool own_time, Ns beat) {
  if (any_ && reading.at < last_.at && (other || own_time)) return;
  hold(reading.at);
  any_ = true;
  ended_ = false;
  beat_ = beat;
  last_ = reading;
  from_ = std::max(from_, reading.at);
}

/// It stands where the counter has been: only growth that is learnt late is news.
void RawCounter::learnt_late(const RawReading& reading, bool own_time) {
  if (!own_time || reading.at != last_.at || reading.value <= last_.value) return;
  RawReading from = last_;
  from.at = std::min(from_, last_.at - 1);
  count(from, reading, u128{reading.value} - last_.value, false);
  open_->last = last_ = reading;
  ++open_->readings;
}

/// Whether it shows that what is kept out was a slip: it lies between that and what stood before.
/// Then it counts what came since.
bool RawCounter::slipped(const RawReading& reading) {
  if (!trusted_ || reading.value >= last_.value || reading.value < trusted_->value) return false;
  const RawReading from = *trusted_;
  open_->kept_out -= distrusted_;
  trusted_.reset();
  distrusted_ = 0;
  count(from, reading, u128{reading.value} - from.value, false);
  return true;
}

/// A segment's first reading.
void RawCounter::begin(const RawReading& reading, bool fell) {
  finish();
  const bool from_zero = fell || start_ != 0;
  open_ = RawSegment{epoch_, start_, from_zero, reading.at, reading, reading, 1, 0, 0, 0};
  trusted_.reset();
  distrusted_ = 0;
  from_ = reading.at;
  if (!from_zero) return;
  RawReading zero = fell ? last_ : reading;
  if (!fell) zero.at = std::min(start_, reading.at - 1);
  zero.value = 0;
  open_->from = zero.at;
  count(zero, reading, reading.value, true);
  if (fell && trusted_) trusted_ = last_;
}

void RawCounter::read(const RawReading& reading, bool own_time, Ns beat) {
  if (reading.at >= rule_.span.from && reading.at < rule_.span.to) ++view_.readings;
  const bool other = any_ && reading.stream != last_.stream;
  if (gauge_) return gauge(reading, other, own_time, beat);
  if (any_ && reading.at <= last_.at) return learnt_late(reading, own_time);
  if (!any_) {
    begin(reading, false);
  } else if (reading.value >= last_.value) {
    count(last_, reading, u128{reading.value} - last_.value, false);
    open_->last = reading;
    ++open_->readings;
  } else if (slipped(reading)) {
    open_->last = reading;
    ++open_->readings;
  } else {
    begin(reading, true);
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
