#pragma once
// Whether witnesses of one shared source can all be right, pure.
//
// Every agent that reads a shared source sees the same thing, but not at the same moment: one polls
// a little later, one is served from a cache. So two honest witnesses tell of one slot differently.
// What they cannot do is to differ for long. What a witness has counted from one slot's end to
// another's (for a gauge: units × nanoseconds) happened in that time or shortly before it; another
// witness's count of the same time, begun a lag earlier and ended a lag later, holds all of it. A
// count that is more than that of the other with the lag at both ends disagrees with it, whoever is
// wrong. The lag is what beats and caches explain: three beats of the slowest witness, in whole
// slots, at least one. A stale reading, one between what was so before and what is so later, is so
// no disagreement, nor is a difference that was there before both looked: two counters that stand
// apart and grow alike bill the same.
//
// Of slots in which witnesses disagree the lowest count is billed, as all of them tell of so much,
// and what the highest has beyond it is an anomaly with its value at risk: a person decides.
// Rejected: a tolerance in per cent (a burst across a slot's end is 100 %, and 5 % of a month is
// money); to bill nobody's count (a witness a byte off would unbill the customer); a vote (two
// agents may share one cache); comparing what was read at one instant (honest witnesses of a busy
// counter never agree there).

#include <cstdint>
#include <span>
#include <vector>

#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

/// Slots are compared within such blocks, aligned to slot 0, and a lag beyond them: a day of
/// five-minute slots. What a block says does not depend on where a period begins.
constexpr std::int64_t kWitnessBlock = 288;
/// Of more witnesses than these the later ones are not compared.
constexpr std::size_t kMostWitnesses = 16;

/// One view of the series, as far as it counts.
struct Witness {
  SlotArray slots;
  std::int64_t seen_to = 0;  ///< slots before this one are told: it polled after their end
};

/// Slots [first, end) in which not all can be right.
struct Disagreement {
  std::int64_t first = 0, end = 0;
  std::size_t lowest = 0, highest = 0;  ///< whose counts; of equal ones the first
  u128 excess = 0;                      ///< what the highest has beyond the lowest; not 0
  friend bool operator==(const Disagreement&, const Disagreement&) = default;
};

/// In slots: what witnesses of which the slowest has this beat may be behind each other. A beat of
/// 0 is unknown, and taken for a slot.
[[nodiscard]] std::int64_t witness_lag(Ns beat, Ns slot);

/// Within the slots [first, end), ascending and disjoint; each as short as can be. Only slots that
/// a witness covers from end to end, estimating nothing, are compared, without a break, and by the
/// same witnesses; the arrays hold those up to `lag` before and after. A lag of more than half a
/// block is too coarse to tell.
[[nodiscard]] std::vector<Disagreement> disagreements(std::span<const Witness> witnesses,
                                                      std::int64_t first, std::int64_t end,
                                                      std::int64_t lag);

}  // namespace tallyman::rater
