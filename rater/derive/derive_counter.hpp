#pragma once
// What one reading means for its counter or gauge. Private to derive*.cpp.

#include <cstdint>

#include "rater/derive/derive_spread.hpp"
#include "rater/derive/derive_state.hpp"

namespace tallyman::rater::fold {

/// One value, placed in time.
struct Placed {
  std::uint64_t value = 0;
  Ns raw = 0;              ///< where it says it stands: its own time, or its poll's before clamping
  Ns at = 0;               ///< its position
  Ns read = 0;             ///< when it was read at the latest, by the agent's wall clock
  bool own_time = false;   ///< it brought a time of its own
  bool estimated = false;  ///< a clock step forced its position
};

/// Applies readings to counters. Borrows the spreader; anomalies go where the caller says.
class Reader {
 public:
  Reader(Spreader& spreader, std::vector<Anomaly>& anomalies)
      : spreader_(spreader), anomalies_(anomalies) {}

  /// False when the reading says nothing new: it stands before what is counted already.
  bool counter(const Stream& stream, const Target& target, const Placed& reading);
  bool gauge(const Stream& stream, const Target& target, const Placed& reading);
  /// A gauge holds its value up to `to`, or as far as two beats reach.
  void hold(View& view, Counter& gauge, Ns to);
  /// A good poll of the stream at `at`, that is in no gap, lacks it. False when another stream has
  /// read it since.
  bool end(const Stream& stream, const Target& target, Ns at);

 private:
  struct Interval {
    Ns from = 0, to = 0;
    u128 before = 0;         ///< what it has counted already
    u128 delta = 0;          ///< what it counts now
    bool estimated = false;  ///< whatever its length
    bool broken = false;     ///< a batch of its stream was lost within
    bool blurred = false;    ///< its length cannot be trusted: a clock step bounds it
  };
  void first(const Target& target, const Placed& reading);
  bool recover(const Target& target, const Placed& reading);
  /// Whether a reading at the very instant the counter stands at counts nothing; told when it says
  /// otherwise than what is counted.
  bool disputed(const Target& target, const Placed& reading, bool other);
  /// Whether it stands, at `at`, where nothing tells what was counted; then it is an anomaly.
  bool told_again(const Target& target, const Placed& reading, Ns at);
  bool count(const Target& target, const Placed& reading, Interval interval);
  void quarantine(const View& view, const Interval& interval, AnomalyCause cause);
  [[nodiscard]] bool plausible(const View& view, const Placed& reading,
                               const Interval& interval) const;
  [[nodiscard]] bool shape_guessed(const Target& target, const Interval& interval) const;
  [[nodiscard]] Ns two_beats(const Instance& instance) const {
    return 2 * (instance.interval > 0 ? instance.interval : spreader_.slot());
  }

  Spreader& spreader_;
  std::vector<Anomaly>& anomalies_;
};

}  // namespace tallyman::rater::fold
