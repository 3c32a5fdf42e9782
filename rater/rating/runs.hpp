#pragma once
// Between which bounds the growth of a counter lies that one owner holds, pure. Inside of what is
// held every byte is told; at its ends an interval, or a slot, may be cut in two, and how its
// growth fell to either side is an estimate. Each end counts by itself: all of what it cuts may
// have been on either side.
//
// Rejected: the growth that crosses in one number (where it is split is needed: an outage of ten
// days that begins on a month's last one says nothing against the nine and twenty before it), and
// keeping what crosses with every piece (of counters that are read off the slots' starts that is
// more than the pieces themselves).

#include <cstdint>
#include <span>
#include <vector>

#include "rater/derive/derive.hpp"
#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

/// Growth around an instant of which nothing tells on which side of it it was: as much is counted
/// before it, and as much from it on.
struct Doubt {
  u128 before = 0, after = 0;
  bool no_end = false;  ///< or more than that
  friend bool operator==(const Doubt&, const Doubt&) = default;
};

/// As a counter's slots tell of any instant; of one within a slot all of the slot is in doubt.
[[nodiscard]] Doubt doubt_at(const SlotArray& slots, Ns at);

/// What one view tells of a series, and one owner holds, without a break.
struct Run {
  Span span;
  std::uint32_t view = 0;  ///< index into OwnedSeries::views
  u128 amount = 0;
  Doubt begin, end;  ///< at its ends
  friend bool operator==(const Run&, const Run&) = default;
};

/// By how much the truth may differ from the sum of runs.
struct Leeway {
  u128 less = 0, more = 0;
  bool no_end = false;  ///< nothing bounds it from above
};

/// Runs ascend. Where one goes on from where another of its view ends, that is no end.
[[nodiscard]] Leeway leeway_of(std::span<const Run> runs);

/// What lies within spans, which ascend. Of a run that one cuts all may have been on either side:
/// let runs end where spans may.
[[nodiscard]] std::vector<Run> cut_runs(std::span<const Run> runs, std::span<const Span> spans);

}  // namespace tallyman::rater
