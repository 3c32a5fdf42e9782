#pragma once
// Whose usage it is, pure: views of series + catalogue + period → the parts that each customer
// holds. Of several views of one series one is taken per slot (the most of it read, then best
// coverage, then lowest agent, then instance), so that nothing is billed twice; every part goes to
// one customer or to nobody, so that the customers' sums and what is unattributed make up the
// total, to the unit.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/claims.hpp"
#include "rater/rating/pieces.hpp"
#include "rater/rating/runs.hpp"

namespace tallyman::rater {

/// One series as one owner holds it.
struct OwnedSeries {
  SeriesKey key;
  Ns resolution = 0;
  std::vector<std::string> views;  ///< "agent/instance", ascending
  std::vector<Span> held;          ///< ascending, disjoint, not adjacent: wanted, known or not
  Pieces pieces;                   ///< ascending; only what something is known of
  u128 waived = 0;                 ///< amount that waivers left out of `pieces`
  Ns waived_ns = 0;                ///< time that they left out of `held`
  std::uint64_t mbit = 0;          ///< what its line carries at most, as info told; 0 = unknown
  std::vector<Run> runs{};         ///< of a counter: `pieces`, up to where its owner's plans change

  [[nodiscard]] Ns held_ns() const;
  [[nodiscard]] Ns covered_ns() const;
};

/// What no customer holds, of one metric of one source.
struct Unattributed {
  std::string metric, unit;
  u128 amount = 0;  ///< gauges: units × nanoseconds
  std::uint64_t series = 0;
  std::string source{};  ///< empty: of all, as ledgers of older raters have it
};

/// One series of those.
struct LooseSeries {
  SeriesKey key;
  u128 amount = 0;
};

/// Where all usage of one metric of one source has gone. What was read is summed up from the slots
/// as they are; what customers hold from their pieces.
struct MetricTotal {
  std::string metric, unit;
  u128 read = 0;         ///< within the bounds of everybody's period; gauges: units × nanoseconds
  u128 customers = 0;    ///< of that: what they hold, waived or not
  u128 nobody = 0;       ///< unattributed
  u128 elsewhere = 0;    ///< of other periods: time zones differ
  std::string source{};  ///< empty: of all, as ledgers of older raters have it
  friend bool operator==(const MetricTotal&, const MetricTotal&) = default;
};

struct Attribution {
  std::vector<std::vector<OwnedSeries>> customers;  ///< as in Catalogue::customers; series ascend
  std::vector<Unattributed> unattributed;           ///< ascending by metric and source
  std::vector<LooseSeries> loose;                   ///< ascending; with an amount
  std::vector<MetricTotal> totals;                  ///< ascending by metric and source
  std::vector<Conflict> conflicts;                  ///< ascending
};

/// Attributes a period customer by customer: whose a series is follows from the views' facts; its
/// slots are read when its owner's turn comes, and dropped with them. A series that moved from one
/// customer to another is read for each. Catalogue and source outlive it; one thread.
///
/// The period is the catalogue's own; a customer's is period_of() it, cut to when the customer is
/// active. What waivers leave out counts as neither held nor unattributed.
class Attributor {
 public:
  Attributor(const Catalogue& catalogue, const Period& period, Ns slot, UsageSource& source,
             Ns until = kForever, std::span<const Waiver> waivers = {});
  ~Attributor();
  Attributor(const Attributor&) = delete;
  Attributor& operator=(const Attributor&) = delete;

  [[nodiscard]] const std::vector<Conflict>& conflicts() const;  ///< ascending
  /// What one customer holds; series ascend. Each customer once, in any order.
  [[nodiscard]] Result<std::vector<OwnedSeries>> customer(std::size_t index);
  /// Has those of a customer's series that `first` names come before the others, each ascending.
  void read_first(std::size_t index, const std::function<bool(const SeriesKey&)>& first);
  /// The same in steps: appends what the customer holds of some further series, of which `next`
  /// counts, from 0; false: there were no more.
  [[nodiscard]] Result<bool> customer_some(std::size_t index, std::size_t& next,
                                           std::vector<OwnedSeries>& out);
  /// The next series that no customer holds any part of; false: there are no more.
  [[nodiscard]] Result<bool> next_unclaimed();
  /// Once all of that is done; ascending by metric and source.
  [[nodiscard]] std::vector<Unattributed> unattributed() const;
  [[nodiscard]] std::vector<LooseSeries> loose() const;
  [[nodiscard]] std::vector<MetricTotal> totals() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// All of it at once.
[[nodiscard]] Attribution attribute(const Catalogue& catalogue, const Period& period, Ns slot,
                                    std::span<const ViewUsage> usage, Ns until = kForever,
                                    std::span<const Waiver> waivers = {});

/// An error that names metric, source and sums when not everything that was read is with a
/// customer, with nobody, or elsewhere.
[[nodiscard]] Status conserved(std::span<const MetricTotal> totals);

/// The part of `amount` that falls to [from, to) of a length: shares of neighbouring parts add up
/// to the whole, and what does not divide goes to the later one.
[[nodiscard]] u128 share_of(u128 amount, Ns from, Ns to, Ns length);

}  // namespace tallyman::rater
