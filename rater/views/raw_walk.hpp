#pragma once
// Raw readings of some series, walked through once: what their counters grew by, slot by slot,
// worked out from values and times alone. A path of its own beside derivation: it shares the batch
// codec and the place of a poll in time with it, and none of its rules. It knows no plausibility,
// no coverage and no forgetting: what is kept out of usage it is told, interval by interval, and
// leaves out those alone. Where the rest matters, the two differ, and that is what is to be seen.

#include <cstdint>
#include <map>
#include <set>
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
  u128 kept_out = 0;           ///< of its growth, in intervals that are kept out

  /// Last minus first, less what lies outside and what is kept out.
  [[nodiscard]] u128 growth() const {
    const u128 base = from_zero ? 0 : first.value;
    return u128{last.value} - base - before - after - kept_out;
  }
};

/// What two readings tell of the time between them.
struct RawInterval {
  RawReading from, to;
  bool counted_from_zero = false;  ///< `from` is a start or a reset, and no reading
  bool kept_out = false;           ///< an anomaly: in no slot
  u128 delta = 0;                  ///< gauges: units × nanoseconds
  u128 in_slot = 0;                ///< of it, in the slot asked for; of all slots: the whole
};

struct RawGap {
  Ns from = 0, to = 0;
  std::string why;
  std::uint32_t stream = 0;
  std::uint64_t batch = 0, last_batch = 0;
};

/// What readings come to in one slot.
struct RawSlot {
  u128 amount = 0;         ///< gauges: units × nanoseconds
  std::uint64_t peak = 0;  ///< gauges: the highest value that held in it
};

/// An amount that came evenly between two instants.
struct RawAmount {
  Ns from = 0, to = 0;
  u128 delta = 0;
  friend auto operator<=>(const RawAmount&, const RawAmount&) = default;
};

/// One series as one instance of one agent read it.
struct RawView {
  std::vector<RawSegment> segments;       ///< those that touch the span, by first reading
  std::map<std::int64_t, RawSlot> slots;  ///< of the slots that anything grew in, or was held in
  std::vector<RawInterval> intervals;     ///< those asked for, in order
  std::vector<RawGap> gaps;               ///< that touch the span
  std::uint64_t readings = 0;             ///< in the span
  std::uint64_t intervals_left_out = 0;

  /// Last minus first over all segments: counters.
  [[nodiscard]] u128 total() const;
  [[nodiscard]] RawSlot slot(std::int64_t number) const;
  /// Spreads an amount over the slots of a span; tells what of it falls into slot `wanted`, or,
  /// below zero, into any.
  u128 spread(const RawAmount& amount, std::uint64_t peak, const Span& span, Ns slot,
              std::int64_t wanted = -1);
};

struct RawQuestion {
  std::vector<ViewKey> views;
  Span span;
  /// Of a view, intervals of readings that are left out: anomalies.
  std::map<ViewKey, std::set<RawAmount>> kept_out;
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
