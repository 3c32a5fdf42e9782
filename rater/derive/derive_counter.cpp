#include "rater/derive/derive_counter.hpp"

#include <algorithm>

namespace tallyman::rater::fold {
namespace {

/// The most that the info labels told of for any part of [from, to]; 0 = unknown. What the poll at
/// `to` tells was so before it, nobody knows since when.
std::uint64_t most_within(const View& view, Ns from, Ns to) {
  std::uint64_t best = 0;
  const auto& limits = view.limits;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool over = i + 1 < limits.size() && limits[i + 1].from <= from;
    if (over || (i > 0 && limits[i].from > to)) continue;
    if (limits[i].most == 0) return 0;
    best = std::max(best, limits[i].most);
  }
  return best;
}

bool gap_within(const Instance& instance, const std::string& subject, Ns from, Ns to) {
  const auto it = instance.gaps.find(subject);
  return it != instance.gaps.end() &&
         std::any_of(it->second.begin(), it->second.end(),
                     [&](const Span& gap) { return gap.to > from && gap.from < to; });
}

}  // namespace

bool Reader::plausible(const View& view, const Placed& reading, const Interval& interval) const {
  if (view.limits.empty() || interval.blurred) return true;
  const std::uint64_t mbit = most_within(view, interval.from, interval.to);
  if (mbit == 0) return true;
  // A reading positioned at its scheduled instant was made up to `read`: the line ran on till then.
  const Ns elapsed = std::max(interval.to, reading.read) - interval.from;
  // Δ bytes ≤ Mbit/s × 125,000 bytes/s × elapsed × 1.05, in integers.
  const auto limit = mul_div(static_cast<u128>(mbit) * 125'000 * 105, static_cast<u128>(elapsed),
                             static_cast<u128>(kSecond) * 100);
  return !limit || interval.before + interval.delta <= *limit;
}

bool Reader::shape_guessed(const Target& target, const Interval& interval) const {
  const Instance& instance = *target.view->instance;
  const Ns length = interval.to - interval.from;
  if (length <= instance.interval || spreader_.one_slot(interval.from, interval.to)) return false;
  if (interval.broken || length > two_beats(instance)) return true;
  if (instance.gaps.empty()) return false;
  if (gap_within(instance, "", interval.from, interval.to)) return true;
  const auto subjects = part_subjects(target.view->key.series);
  return std::any_of(subjects.begin(), subjects.end(), [&](const std::string& subject) {
    return gap_within(instance, subject, interval.from, interval.to);
  });
}

void Reader::quarantine(const View& view, const Interval& interval, AnomalyCause cause) {
  if (interval.delta == 0) return;
  anomalies_.push_back({view.id, interval.from, interval.to, interval.delta, cause});
}

bool Reader::count(const Target& target, const Placed& reading, Interval interval) {
  View& view = *target.view;
  if (!plausible(view, reading, interval)) {
    quarantine(view, interval, AnomalyCause::speed);
    return false;
  }
  interval.from = spreader_.bounded(interval.from, interval.to);
  spreader_.count(view, interval.from, interval.to, interval.delta);
  spreader_.cover(view, interval.from, interval.to,
                  interval.estimated || shape_guessed(target, interval));
  target.counter->from = interval.from;
  target.counter->within = interval.before + interval.delta;
  return true;
}

void Reader::first(const Target& target, const Placed& reading) {
  Counter& c = *target.counter;
  c.position = reading.at;
  c.blurred = reading.estimated;
  c.value = reading.value;
  c.from = reading.at;
  c.within = 0;
  if (target.start == 0) return;
  const Interval interval{.from = std::min(target.start, reading.at - 1),
                          .to = reading.at,
                          .delta = reading.value,
                          .estimated = reading.estimated,
                          .blurred = reading.estimated};
  if (target.start <= target.view->instance->forgotten) {
    quarantine(*target.view, interval, AnomalyCause::forgotten);
    return;
  }
  if (!count(target, reading, interval)) {
    c.suspect = true;
    c.trusted = 0;
    c.trusted_at = interval.from;
  }
}

bool Reader::recover(const Target& target, const Placed& reading) {
  Counter& c = *target.counter;
  if (!c.suspect || reading.value >= c.value || reading.value < c.trusted) return false;
  c.suspect = false;
  const Interval interval{.from = std::min(c.trusted_at, reading.at - 1),
                          .to = std::max(c.position, reading.at),
                          .delta = reading.value - c.trusted,
                          .estimated = true,
                          .blurred = c.blurred || reading.estimated};
  if (count(target, reading, interval)) return true;
  c.suspect = true;
  c.from = interval.to;  // quarantined: nothing learnt late makes it known
  c.within = 0;
  return true;
}

bool Reader::disputed(const Target& target, const Placed& reading, bool other) {
  Counter& c = *target.counter;
  if (!other && !reading.own_time) return false;
  if (reading.own_time && reading.value > c.value) return false;  // growth learnt late
  if (reading.value == c.value || reading.value == c.disputed) return true;
  const std::uint64_t known = reading.value > c.value      ? c.value
                              : reading.value > c.disputed ? c.disputed
                                                           : 0;
  const Interval interval{
      .from = std::min(c.from, c.position - 1), .to = c.position, .delta = reading.value - known};
  quarantine(*target.view, interval, AnomalyCause::disputed);
  c.disputed = reading.value;
  return true;
}

/// What is told again of a time in which counters have ended and are forgotten since: nothing tells
/// whether it was counted.
bool Reader::told_again(const Target& target, const Placed& reading, Ns at) {
  if (reading.own_time || at > target.view->instance->forgotten) return false;
  Counter& c = *target.counter;
  const std::uint64_t delta = reading.value < c.value ? reading.value : reading.value - c.value;
  quarantine(*target.view, {.from = std::min(c.position, at - 1), .to = at, .delta = delta},
             AnomalyCause::forgotten);
  c.from = at;
  c.within = 0;
  return true;
}

bool Reader::counter(const Stream& stream, const Target& target, const Placed& reading) {
  Counter& c = *target.counter;
  if (c.position == kNever) {
    c.stream = stream.id;
    c.losses = stream.losses;
    first(target, reading);
    return true;
  }
  const bool other = c.stream != stream.id;
  const bool before = reading.raw < c.position;
  if (before && other) return false;  // the counter went on: this is in already
  if (before && reading.own_time && reading.value <= c.value) return false;
  if (reading.raw == c.position && disputed(target, reading, other)) return false;
  const Ns at = std::max(reading.at, c.position);
  const bool broken = !other && c.losses != stream.losses;
  c.stream = stream.id;
  c.losses = stream.losses;
  if (!reading.own_time || at > c.ended) c.ended = 0;
  if (!told_again(target, reading, at) && !recover(target, reading)) {
    const bool reset = reading.value < c.value;
    Interval interval{.from = c.position,
                      .to = at,
                      .delta = reset ? reading.value : reading.value - c.value,
                      .estimated = reset || reading.estimated,
                      .broken = broken,
                      .blurred = c.blurred || reading.estimated};
    if (at == c.position) {  // learnt late: of the interval that ended here
      interval.from = std::min(c.from, at - 1);
      interval.before = c.within;
      interval.blurred = true;
      if (interval.delta == 0) {
        c.value = reading.value;
        return true;
      }
    }
    const std::uint64_t trusted = c.value;
    const Ns trusted_at = c.position;
    if (count(target, reading, interval)) {
      c.suspect = false;
    } else {
      c.from = at;
      c.within = 0;
      if (!c.suspect) c.trusted = trusted, c.trusted_at = trusted_at;
      c.suspect = true;
    }
  }
  c.value = reading.value;
  if (at > c.position) c.disputed = 0;
  c.position = at;
  c.blurred = reading.estimated;
  return true;
}

void Reader::hold(View& view, Counter& gauge, Ns to) {
  if (gauge.ended != 0) return;
  to = std::min(to, gauge.position + two_beats(*view.instance));
  gauge.from = std::max(gauge.from, view.instance->forgotten);
  if (to <= gauge.from) return;
  const std::uint64_t most = most_within(view, gauge.from, to);
  if (most != 0 && gauge.value > most) {
    const u128 amount = static_cast<u128>(gauge.value) * static_cast<u128>(to - gauge.from);
    quarantine(view, {.from = gauge.from, .to = to, .delta = amount}, AnomalyCause::room);
  } else {
    const Ns from = spreader_.bounded(gauge.from, to);
    spreader_.hold(view, from, to, gauge.value);
    spreader_.cover(view, from, to, false);
  }
  gauge.from = to;
}

bool Reader::gauge(const Stream& stream, const Target& target, const Placed& reading) {
  Counter& g = *target.counter;
  if (g.position != kNever) {
    if (reading.raw < g.position && (g.stream != stream.id || reading.own_time)) return false;
    hold(*target.view, g, reading.at);
  }
  g.stream = stream.id;
  g.losses = stream.losses;
  g.ended = 0;
  g.value = reading.value;
  g.position = std::max(g.position, reading.at);
  g.from = std::max(g.from, g.position);
  return true;
}

bool Reader::end(const Stream& stream, const Target& target, Ns at) {
  View& view = *target.view;
  Counter& c = *target.counter;
  if (c.position == kNever || (at < c.position && c.stream != stream.id)) return false;
  if (c.ended != 0) return true;
  if (view.key.series.kind == wire::Kind::gauge) hold(view, c, at);
  c.ended = std::max(at, c.position);
  return true;
}

}  // namespace tallyman::rater::fold
