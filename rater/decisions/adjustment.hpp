#pragma once
// Adjustments: what becomes of a released record when late data, a corrected catalogue or a
// person's decision reaches into its period. Pure; adjustment.cpp includes nlohmann-json.
//
// The order of revisions: a period has rounds. Round 1 is its release; each later one has a cut of
// its own and holds an adjustment for every record whose figures came out otherwise under that cut
// than they last stood, and all of a round's adjustments have its number as their `revision`. So a
// record's revisions ascend, with gaps where a round left it as it was; `previous` names the one
// before. Revision r of a period is replayed by rating it at the cut of round r: the figures are
// those of its adjustments, and of every other record what they were.
//
// Behind a round's adjustments stand period records of the same revision: how many they are, what
// they change the sums by, and the hash over their ids.
//
// Figures are what is billed and its bounds, and what they are priced by. What else a record tells
// (evidence, coverage, versions, problems) may differ without an adjustment.

#include <optional>
#include <string>
#include <vector>

#include "rater/rating/record.hpp"

namespace tallyman::rater {

/// A record as it stands after some round.
struct RecordVersion {
  std::string customer, meter;
  std::string original;  ///< id of the record; empty: a later round brought it
  std::string id;        ///< of this revision
  std::string period;    ///< JSON: the key's period, with the customer's bounds
  std::string data;      ///< JSON: the `data` of the record, without key and revision
};

/// One record that comes out otherwise. JSON as above; empty: there is none.
struct Change {
  std::string customer, meter;
  std::string original, previous;
  std::string period;  ///< JSON, as above
  std::string before, after;
};

/// The record that a message of the bus carries (a record, or an adjustment); nothing when it
/// carries none.
[[nodiscard]] std::optional<RecordVersion> version_of(const Message& message);

/// Replaces what `later` has newer versions of. Ascending by customer and meter.
[[nodiscard]] std::vector<RecordVersion> newest(std::vector<RecordVersion> then,
                                                std::vector<RecordVersion> later);

/// Records of one period whose figures differ. Both ascending by customer and meter.
[[nodiscard]] std::vector<Change> changes_between(const std::vector<RecordVersion>& before,
                                                  const std::vector<Message>& after);

/// What it came from shows in it: other evidence, another catalogue's version, a correction. `end`:
/// of the period. The id is a hash of what is adjusted and to what: the same content is the same
/// adjustment.
[[nodiscard]] Message adjustment_of(const Change& change, std::uint64_t revision, Ns end,
                                    const std::string& source);

/// The period records that belong behind a round's adjustments, one for each customer and one for
/// all: their number, what they change the sums by, and the hash over their ids.
[[nodiscard]] std::vector<PeriodRecord> round_records(const std::vector<Message>& adjustments,
                                                      const Period& period, std::uint64_t revision,
                                                      const Hash& catalogue, const Hash& cut);

/// One line of what a person looks at: {"customer","meter","unit","before","after","difference",
/// "amount_before","amount_after","amount_difference","currency"}.
[[nodiscard]] std::string change_line(const Change& change);
/// How a record stood in another period: {"quantity","change","amount","amount_change"}; empty when
/// it did not.
[[nodiscard]] std::string previous_line(const Message& now,
                                        const std::vector<RecordVersion>& before);
/// The same of an adjustment on its way.
[[nodiscard]] std::string adjustment_line(const Message& message);

}  // namespace tallyman::rater
