#pragma once
// The evidence of one usage record, down to the raw readings. Two paths lead to its quantity: the
// rater's (the log derived and rated again), and one that sums raw readings itself
// (views/raw_walk.hpp); both figures are told, and whether they agree. Before either, the chain of
// every stream of the cut is verified, so that what is summed is what was received.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rater/rerate.hpp"
#include "rater/views/raw_walk.hpp"

namespace tallyman::rater {

/// Which record: its id, of which eight digits are enough if they are one record's; or three names.
struct RecordName {
  std::string id;
  std::string customer, meter, period;
};

/// A slot of one series, or the part of it that the customer holds.
struct ExplainedSlot {
  Ns from = 0, to = 0;
  u128 amount = 0;  ///< as rating has it; gauges: units × nanoseconds
  u128 raw = 0;     ///< the same out of raw readings
  Ns covered = 0, estimated = 0, absent = 0;
  std::uint32_t view = 0;  ///< index into ExplainedSeries::views
};

struct ExplainedSeries {
  SeriesKey key;
  bool in = false;  ///< of the meter's two directions
  std::vector<ViewKey> views;
  std::vector<RawView> raw;  ///< of each view
  std::vector<Span> held;
  Ns held_ns = 0, covered_ns = 0, estimated_ns = 0, absent_ns = 0;
  std::vector<ExplainedSlot> slots;
  std::vector<AnomalyContent> anomalies;  ///< kept out of usage
  u128 slots_sum = 0, raw_sum = 0, at_risk = 0;
  std::uint64_t slots_differ = 0;  ///< in which rating and raw readings do not agree

  /// Last minus first of the raw readings, where that is the whole truth: a counter that one view
  /// read and the customer held from end to end.
  std::optional<u128> last_minus_first;
  [[nodiscard]] bool agrees() const { return slots_differ == 0 && slots_sum == raw_sum; }
};

/// How a percentile was picked: from the slots of one direction, or of several together.
struct ExplainedRank {
  struct Place {
    std::uint64_t rank = 0;
    Ns slot = 0;  ///< its start
    u128 value = 0;
  };
  std::string of;           ///< "in", "out", "in + out", "the higher of in and out"
  std::uint64_t slots = 0;  ///< that count
  std::uint64_t held = 0, left_out = 0, discarded = 0;
  std::optional<Place> picked{}, below{}, above{};
};

struct Explanation {
  Message record;  ///< as stored
  ClosedPeriod period;
  Meter meter;
  Ns slot = 0;
  Cut cut;
  LedgerReport chain;
  std::optional<std::string>
      again;  ///< the record as it comes out of the log; nothing = it does not
  std::vector<ExplainedSeries> series;
  std::vector<StreamMark> streams;  ///< that RawReading::stream counts
  std::vector<ExplainedRank> ranks;
  std::optional<Rational> raw_base;  ///< in base units, by the raw path; nothing = see `without`
  std::string without;               ///< why the raw path has no quantity
  std::vector<std::string> faults;   ///< in words; empty = it all agrees
};

/// `intervals_at`: keep the raw intervals of the slot that holds this instant; 0 = all, -1 = none.
[[nodiscard]] Result<Explanation> explain(Snapshot& snapshot, const RecordName& name,
                                          Ns intervals_at, const LedgerProgress& verifying = {},
                                          const RerateProgress& deriving = {});

/// The ranks of a meter's percentile, out of the series' raw amounts, and what is billed by them in
/// bytes of a slot. Pure. Nothing when the measure is another one, or a contract's rule is in the
/// way that this does not know.
[[nodiscard]] std::optional<u128> explain_p95(Explanation& explanation);

}  // namespace tallyman::rater
