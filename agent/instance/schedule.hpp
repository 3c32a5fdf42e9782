#pragma once
// When an instance is polled: at the multiples of its interval since the Unix epoch, so that polls
// stand on slot boundaries. Pure: clocks are handed in.

#include <optional>

#include "base/clock.hpp"

namespace tallyman::agent {

/// The first multiple of `interval` after `instant`. Interval > 0; instant ≥ 0.
[[nodiscard]] Ns next_instant(Ns instant, Ns interval);
/// The last multiple of `interval` at or before `instant`.
[[nodiscard]] Ns last_instant(Ns instant, Ns interval);

/// A change of wall − boot larger than this is a step of the wall clock; less is the time between
/// reading the two clocks.
constexpr Ns kStepTolerance = 50 * kMillisecond;

/// What a look at the clocks says. All instants are wall instants.
struct Due {
  std::optional<Ns> poll;  ///< poll for this instant now
  bool stepped = false;    ///< with `poll`: the wall clock went back, so its position is estimated
  /// Scheduled instants [from, to] that passed with nobody looking.
  struct Missed {
    Ns from = 0, to = 0;
    bool clock = false;  ///< the wall clock stepped over them; else the agent was held up
  };
  std::optional<Missed> missed;
  Ns wait = 0;  ///< until the next look; > 0
};

/// The beat of one instance. Gives every instant exactly once, as poll or as missed, in ascending
/// order, but after a large backward step of the wall clock, when instants run again: after a step
/// of more than two intervals and a minute the first of them is marked, after a smaller one all.
/// Owned by the instance; not thread-safe.
class Schedule {
 public:
  /// `covered`: the last instant already accounted for (in an earlier life), 0 = none.
  Schedule(Ns interval, Ns wall, Ns boot, Ns covered);

  /// The beat as values, and again as a beat: it goes on as if it had not been interrupted.
  struct Saved {
    Ns next = 0;
    Ns highest = 0;
    Ns offset = 0;
    bool stepped = false;
  };
  [[nodiscard]] Saved save() const { return {next_, highest_, offset_, stepped_}; }
  Schedule(Ns interval, const Saved& saved)
      : interval_(interval),
        next_(saved.next),
        highest_(saved.highest),
        offset_(saved.offset),
        stepped_(saved.stepped) {}

  /// A look at the clocks, at any time.
  Due look(Ns wall, Ns boot);

  /// The earliest instant not given yet.
  [[nodiscard]] Ns next() const { return next_; }
  [[nodiscard]] Ns interval() const { return interval_; }

 private:
  void forget_a_far_future(Ns wall);

  Ns interval_;
  Ns next_;
  Ns highest_;  ///< highest instant given since the last large step back; 0 = none
  Ns offset_;   ///< wall − boot at the last look
  bool stepped_ = false;
};

}  // namespace tallyman::agent
