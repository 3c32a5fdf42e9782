#pragma once
// Raw readings of some series, walked through once: what their counters grew by, slot by slot,
// worked out from values and times alone. A path of its own beside derivation: it shares the batch
// codec and the place of a poll in time with it, and none of its rules. It knows no plausibility,
// no coverage and no forgetting; where those matter, the two differ, and that is what is to be
// seen.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rater/rerate.hpp"

namespace tallyman::rater {

/// One value as the log holds it.
struct RawReading {
  Ns at = 0;  ///< where it stands
  std::uint64_t value = 0;
  std::uint32_t stream = 0;  ///< index into RawWalk::streams
  std::uint64_t batch = 0;   ///< sequence number
};

/// A run of readings of one epoch in which the value never falls.
struct RawSegment {
  std::uint64_t epoch = 0;
  Ns start = 0;            ///< known to be zero at or after this instant; 0 = unknown
  bool from_zero = false;  ///< the first reading counts whole: the start is known, or it was reset
  Ns from = 0;             ///< its growth began here: the first reading, or before it
  RawReading first, last;
  std::uint64_t readings = 0;
  u128 before = 0, after = 0;  ///< of its growth, outside of what was asked for

  /// Last minus first, less what lies outside.
  [[nodiscard]] u128 growth() const {
    const u128 base = from_zero ? 0 : first.value;
    return u128{last.value} - base - before - after;
  }
};

/// What two readings tell of the time between them.
struct RawInterval {
  RawReading from, to;
  bool counted_from_zero = false;  ///< `from` is a start or a reset, and no reading
  u128 delta = 0;                  ///< gauges: units × nanoseconds
  u128 in_slot = 0;                ///< of it, in the slot asked for; of all slots: the whole
};

struct RawGap {
  Ns from = 0, to = 0;
  std::string why;
  std::uint32_t stream = 0;
  std::uint64_t batch = 0, last_batch = 0;
};

/// One series as one instance of one agent read it.
struct RawView {
  std::vector<RawSegment> segments;    ///< those that touch the span, by first reading
  std::map<std::int64_t, u128> slots;  ///< amounts, of the slots that anything grew in
  std::vector<RawInterval> intervals;  ///< those asked for, in order
  std::vector<RawGap> gaps;            ///< that touch the span
  std::uint64_t readings = 0;          ///< in the span
  std::uint64_t intervals_left_out = 0;

  /// Last minus first over all segments: counters.
  [[nodiscard]] u128 total() const;
  [[nodiscard]] u128 slot(std::int64_t number) const;
};

struct RawQuestion {
  std::vector<ViewKey> views;
  Span span;
  /// Which intervals to keep: of the slot that holds this instant; 0 = all; -1 = none.
  Ns intervals_at = -1;
};

struct RawWalk {
  std::vector<StreamMark> streams;  ///< those of the views' agents
  std::map<ViewKey, RawView> views;
  std::uint64_t batches = 0;
};

constexpr std::size_t kMaxRawIntervals = 100'000;  ///< kept of one view
constexpr std::size_t kMaxRawGaps = 10'000;

/// Walks all batches of the views' agents up to the cut. Memory: a row a slot and view, and what is
/// kept of intervals, segments and gaps.
[[nodiscard]] Result<RawWalk> walk_raw(Snapshot& snapshot, const Cut& cut,
                                       const RawQuestion& question,
                                       const RerateProgress& progress = {});

}  // namespace tallyman::rater
