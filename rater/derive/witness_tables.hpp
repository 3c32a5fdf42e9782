#pragma once
// What witnesses of shared sources disagree about, as the ledger keeps it: a function of the slots
// and beats it stands beside, whatever the steps they came in.
//
//   usage_beat(agent, instance, beat)     the longest interval an instance polled at, nanoseconds
//   usage_compare(series, block)          its past is to be compared again, from this block on: a
//                                         beat or a resolution has changed, or nobody ever did.
//                                         What such a series says is not to be billed by till it is
//                                         done
//   usage_witness(series, block, view, from_ns, to_ns, value, why)
//                                         series: encode_series_key(); block: of kWitnessBlock
//                                         slots. value NULL: another view counts in this time, and
//                                         this one does not; else this one counts, and the value is
//                                         at risk: an anomaly
//
// Rejected: comparing when a period is rated (what a comparison says would hang on where the period
// begins, and `anomaly ls` would walk all slots of all time); comparing raw readings as they come
// (whoever comes first would decide: of two agents either may be days late); comparing all the past
// in the transaction that learns of a slower beat (years of slots of every series it reads).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "rater/derive/derive.hpp"
#include "rater/derive/witness.hpp"
#include "rater/ledger/sqlite.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {

extern const char* const kWitnessTables;  ///< made where they are not there yet

/// All of the past of all series that have witnesses is to be compared: inside an upgrade.
[[nodiscard]] Status compare_all_anew(Database& database);

/// Keeps the comparison in step with the slots. Owned by who keeps what one agent's batches came
/// to; inside its transaction; used once.
class WitnessTables {
 public:
  WitnessTables(Database& database, Ns slot);

  /// Before anything of a shared series is kept: its views, their resolutions, when they were seen,
  /// their slots. Any number of times.
  [[nodiscard]] Status before(const SeriesKey& series);
  /// An instance of the agent polls at this interval; kept when it is the longest so far.
  [[nodiscard]] Status beat(const std::string& agent, const std::string& instance, Ns interval);
  /// After all is kept. Compares again what may come out otherwise, given the slots that were added
  /// to by view; `changed` is told where it does. What may in all of the past is left to
  /// compare_past().
  using Added = std::map<std::int64_t, std::vector<std::int64_t>>;
  using Changed = std::function<void(Ns from, Ns to)>;
  [[nodiscard]] Status after(const Added& added, const Changed& changed);
  /// Compares some of what is to be compared again of the past, a few hundred thousand slots.
  [[nodiscard]] Status compare_past(const Changed& changed);
  /// After that, by view: slots before this one are told, and count in comparisons.
  [[nodiscard]] const std::map<std::int64_t, std::int64_t>& told() const { return told_; }

 private:
  struct View {
    std::int64_t id = 0;
    std::string name;  ///< "agent/instance"
    Ns last = 0, resolution = 0;
    Ns beat = 0;  ///< 0 = unknown
  };
  using Views = std::vector<View>;  ///< ascending by key; those that were ever seen
  /// First and last slot, by block, that may compare otherwise.
  using Due = std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>>;
  struct Row {
    std::int64_t view = 0;
    Ns from = 0, to = 0;
    bool counts = false;
    u128 value = 0;
    std::string why;
    friend bool operator==(const Row&, const Row&) = default;
  };

  [[nodiscard]] Result<Views> views_of(const Bytes& series);
  /// Slots that a view has told all of.
  [[nodiscard]] std::int64_t seen_to(const View& view) const;
  [[nodiscard]] std::int64_t lag_of(const Views& views) const;
  static void add(Due& due, std::int64_t first, std::int64_t last);
  [[nodiscard]] Status add_all(const Views& views, Due& due);
  void add_news(const View* was, const View& is, const Added& added, Due& due) const;
  [[nodiscard]] std::set<std::int64_t> blocks_of(const Views& views, const Due& due) const;
  [[nodiscard]] Status compare(const Bytes& series, const Views& views, std::int64_t block,
                               const Changed& changed);
  /// From a block on, as long as `reads` last; the block to go on with, or nothing.
  [[nodiscard]] Result<std::optional<std::int64_t>> compare_from(const Bytes& series,
                                                                 std::int64_t from,
                                                                 std::size_t& reads,
                                                                 const Changed& changed);
  [[nodiscard]] Result<std::vector<Row>> found(const Views& views, std::int64_t block,
                                               std::int64_t lag);
  [[nodiscard]] Result<std::vector<Row>> held(const Bytes& series, std::int64_t block);
  [[nodiscard]] Status replace(const Bytes& series, std::int64_t block,
                               const std::vector<Row>& rows);

  Database& db_;
  Ns slot_;
  SlotTables slots_;
  Statement read_views_, read_rows_, drop_rows_, write_row_, write_past_;
  std::map<Bytes, Views> before_;  ///< by series
  std::map<std::int64_t, std::int64_t> told_;
};

/// Series whose past is to be compared again.
[[nodiscard]] Result<std::uint64_t> to_compare(Database& database);

/// When this view does not count because another witness does, ascending: of [from, to).
[[nodiscard]] Result<std::vector<Span>> withheld(Database& database, std::int64_t view, Ns from,
                                                 Ns to);

}  // namespace tallyman::rater
