#include "agent/instance/schedule.hpp"

#include <algorithm>

namespace tallyman::agent {

Ns last_instant(Ns instant, Ns interval) { return instant - instant % interval; }
Ns next_instant(Ns instant, Ns interval) { return last_instant(instant, interval) + interval; }

Schedule::Schedule(Ns interval, Ns wall, Ns boot, Ns covered)
    : interval_(interval),
      next_(next_instant(wall, interval)),
      highest_(covered),
      offset_(wall - boot) {
  if (covered < next_) return;
  // The clock stands behind what is covered: a little is waited out, a lot is lived through again.
  if (covered - wall <= 2 * interval) {
    next_ = next_instant(covered, interval);
  } else {
    stepped_ = true;
    forget_a_far_future(wall);
  }
}

// A clock that once stood far ahead must not mark every poll until it gets there again: the first
// one says it all.
void Schedule::forget_a_far_future(Ns wall) {
  if (highest_ - wall > std::max(2 * interval_, kMinute)) highest_ = 0;
}

Due Schedule::look(Ns wall, Ns boot) {
  Due due;
  Ns step = (wall - boot) - offset_;
  offset_ = wall - boot;
  if (step < -kStepTolerance) {
    stepped_ = true;
    if (next_ - wall > 2 * interval_) next_ = next_instant(wall, interval_);
    forget_a_far_future(wall);
  }
  if (wall >= next_) {
    Ns instant = last_instant(wall, interval_);
    if (instant > next_) {
      due.missed = Due::Missed{next_, instant - interval_, step > kStepTolerance};
    }
    due.poll = instant;
    due.stepped = stepped_ || instant <= highest_;
    stepped_ = false;
    highest_ = std::max(highest_, instant);
    next_ = instant + interval_;
  }
  due.wait = std::max<Ns>(next_ - wall, 1);
  return due;
}

}  // namespace tallyman::agent
