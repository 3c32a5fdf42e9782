#pragma once
// Whose usage it is, pure: views of series + catalogue + period → the parts that each customer
// holds. Of several views of one series one is taken per slot (the most of it read, then best
// coverage, then lowest agent, then instance), so that nothing is billed twice; every part goes to
// one customer or to nobody, so that the customers' sums and what is unattributed make up the
// total, to the unit.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

/// What is known of one slot, or of the part of it that one owner holds.
struct Piece {
  std::int64_t slot = 0;
  Ns from = 0, to = 0;     ///< the part; within the slot
  u128 amount = 0;         ///< units, or units × nanoseconds
  Ns covered = 0;          ///< of the part: measured, spread, or known not to exist
  Ns estimated = 0;        ///< of those: spread over a gap, or split within the slot
  std::uint64_t peak = 0;  ///< gauge
  std::uint32_t view = 0;  ///< index into OwnedSeries::views
  Ns absent = 0;           ///< of `covered`: known not to exist
};

/// One series as one owner holds it.
struct OwnedSeries {
  SeriesKey key;
  Ns resolution = 0;
  std::vector<std::string> views;  ///< "agent/instance", ascending
  std::vector<Span> held;          ///< ascending, disjoint, not adjacent: wanted, known or not
  std::vector<Piece> pieces;       ///< ascending; only what something is known of
  u128 waived = 0;                 ///< amount that waivers left out of `pieces`
  Ns waived_ns = 0;                ///< time that they left out of `held`

  [[nodiscard]] Ns held_ns() const;
  [[nodiscard]] Ns covered_ns() const;
};

/// What no customer holds, of one metric.
struct Unattributed {
  std::string metric, unit;
  u128 amount = 0;  ///< gauges: units × nanoseconds
  std::uint64_t series = 0;
};

/// A series that several customers hold at once: billed to none of them.
struct Conflict {
  std::string text;  ///< in words
  std::string metric;
  std::vector<std::size_t> customers;  ///< as in Catalogue::customers, ascending
  friend auto operator<=>(const Conflict&, const Conflict&) = default;
};

struct Attribution {
  std::vector<std::vector<OwnedSeries>> customers;  ///< as in Catalogue::customers; series ascend
  std::vector<Unattributed> unattributed;           ///< ascending by metric
  std::vector<Conflict> conflicts;                  ///< ascending
};

/// `usage` in any order. The period is the catalogue's own; a customer's is period_of() it, cut to
/// when the customer is active. What waivers leave out counts as neither held nor unattributed.
[[nodiscard]] Attribution attribute(const Catalogue& catalogue, const Period& period, Ns slot,
                                    std::span<const ViewUsage> usage, Ns until = kForever,
                                    std::span<const Waiver> waivers = {});

/// The part of `amount` that falls to [from, to) of a length: shares of neighbouring parts add up
/// to the whole, and what does not divide goes to the later one.
[[nodiscard]] u128 share_of(u128 amount, Ns from, Ns to, Ns length);

/// "netif_receive_bytes_total{ifindex="3"} of host:stor-01".
[[nodiscard]] std::string series_text(const SeriesKey& key);

}  // namespace tallyman::rater
