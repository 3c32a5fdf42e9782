#pragma once
// The evidence of one usage record, down to the raw readings. Two paths lead to its quantity: the
// rater's (the log derived and rated again), and one that sums raw readings itself
// and measures them (views/raw_walk.hpp, raw_measure.hpp): of all measures, of every part with a
// plan of its own, up to the quantity that is billed. Both are told, and whether they agree, as is
// a person's correction beside what was computed. Before either, the chain of every stream of the
// cut is verified, so that what is summed is what was received.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rater/rerate.hpp"
#include "rater/views/raw_measure.hpp"
#include "rater/views/raw_walk.hpp"

namespace tallyman::rater {

/// Which record, or adjustment: its id, of which eight digits are enough if they are one record's;
/// or three names, which are those of the record as it was released.
struct RecordName {
  std::string id;
  std::string customer, meter, period;
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
  std::vector<AnomalyContent> accepted;   ///< that count because a person says so
  u128 slots_sum = 0, raw_sum = 0, at_risk = 0;
  std::uint64_t slots_differ = 0;  ///< in which rating and raw readings do not agree
  u128 kept_out = 0;               ///< by the raw path: intervals of anomalies that it left out

  /// Last minus first of the raw readings, where that is the whole truth: a counter that one view
  /// read and the customer held from end to end.
  std::optional<u128> last_minus_first;
  [[nodiscard]] bool agrees() const { return slots_differ == 0 && slots_sum == raw_sum; }
};

/// A person's figure in the computed one's place.
struct ExplainedCorrection {
  std::string quantity;  ///< in the meter's unit
  std::string who, why;
  Ns at = 0;
};

/// What an adjustment makes of a released record, and what brought it.
struct ExplainedAdjustment {
  /// Of "quantity", "exact" and "amount": empty where there is none.
  struct Change {
    std::string name, before, after, difference;
  };
  std::uint64_t revision = 0;
  std::string original, previous;  ///< ids; empty: a later round brought the record
  std::vector<Change> changes;
  std::vector<std::string> causes;  ///< data, decisions and a catalogue that came in between
  std::string released;             ///< by whom, when and why; empty: it is a draft
};

/// A record that is explained, or one that adjusts it.
struct Explanation {
  Message record;  ///< as stored
  std::optional<ExplainedAdjustment> adjusts;
  std::vector<std::string> adjusted;  ///< ids of what adjusts the record, by revision
  ClosedPeriod period;                ///< of an adjustment: as its round rated it
  Meter meter;
  Ns slot = 0;
  Cut cut;
  LedgerReport chain;
  std::optional<std::string>
      again;  ///< the record as it comes out of the log; nothing = it does not
  std::vector<ExplainedSeries> series;
  std::vector<StreamMark> streams;    ///< that RawReading::stream counts
  std::optional<RawFigures> figures;  ///< by the raw path; nothing = see `without`
  std::string without;                ///< why the raw path has no figures
  std::optional<ExplainedCorrection> correction;
  std::vector<std::string> faults;  ///< in words; empty = it all agrees
};

/// `intervals_at`: keep the raw intervals of the slot that holds this instant; 0 = all, -1 = none.
[[nodiscard]] Result<Explanation> explain(Snapshot& snapshot, const RecordName& name,
                                          Ns intervals_at, const LedgerProgress& verifying = {},
                                          const RerateProgress& deriving = {});

/// What of `texts` (record_texts()) raw readings do not come to, as faults. Pure.
void check_figures(const std::map<std::string, std::string>& texts, Explanation& explanation);

}  // namespace tallyman::rater
