#pragma once
// Thinning: fewer readings that derive to the same usage, slot by slot. Pure.
//
// What stays of a counter in a run of batches: its first two and last two readings; the one at each
// slot boundary, else both neighbours of the boundary; and both readings beside whatever breaks the
// run: a gap, an end, a poll that lacks it, a decrease, a clock step, a poll that was not in time,
// a change of info labels, and growth beyond the speed that they tell. Beside an end all epochs of
// its series stay. A counter with a reading that has a time of its own is left whole. Every poll
// stays, at its scheduled instant, with what ended in it: a poll that gives no value says that its
// instant was polled. Only its clocks go.
//
// So the rater, which splits an interval over slots, adds up the same sums, covers the same time
// and quarantines the same intervals as with all readings (tests/unit/agent/spool/thin_test.cpp
// holds a model of that). A gauge's readings all stay, until gauges are thinned by the same rules:
// a gauge holds for two beats, so that what lay between becomes unknown, never wrong.

#include <map>
#include <span>
#include <vector>

#include "agent/spool/spool.hpp"
#include "wire/batch.hpp"

namespace tallyman::agent {

/// How much of a segment's batches has been given up, in the order in which it is.
enum class Shed : std::uint8_t {
  nothing = 0,
  counters = 1,  ///< counters are thinned: usage stays exact
  gauges = 2,    ///< gauges, too: their usage is known for less of the time
  lost = 3,      ///< a stand-in says that they are gone
};

/// What thinning knows beside the batches. Holds references: lives shorter than the dictionary.
class ThinRule {
 public:
  /// `slot`: the rater's slot length in nanoseconds, above zero. `shed`: counters or gauges.
  ThinRule(const Dictionary& dictionary, Ns slot, Shed shed);

  [[nodiscard]] Ns slot() const { return slot_; }
  /// Whether readings of this epoch are thinned at all.
  [[nodiscard]] bool applies(wire::DefNo epoch) const;
  /// 0 when it is not known.
  [[nodiscard]] wire::DefNo series(wire::DefNo epoch) const;
  /// Beat of the instance; 0 when it is not known.
  [[nodiscard]] Ns interval(wire::DefNo instance) const;
  /// Whether the two readings of an epoch, neighbours in time, must both stay.
  [[nodiscard]] bool apart(wire::DefNo epoch, const wire::Value& before, Ns from,
                           const wire::Value& after, Ns to) const;

 private:
  struct Info {
    Ns from = 0;
    std::uint64_t mbit = 0;  ///< 0 = not told
  };
  [[nodiscard]] const wire::MetricDef* metric_of(wire::DefNo series) const;

  const Dictionary& dictionary_;
  Ns slot_;
  Shed shed_;
  std::map<wire::DefNo, std::vector<Info>> infos_;  ///< by series, in order of their numbers
};

/// Thins a run of batches, contiguous and in order, in place; for each, whether it has changed. To
/// bound memory, give long histories in pieces: each keeps its own first and last readings.
[[nodiscard]] std::vector<bool> thin(std::span<wire::Batch> batches, const ThinRule& rule);

}  // namespace tallyman::agent
