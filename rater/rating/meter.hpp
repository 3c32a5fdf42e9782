#pragma once
// A meter: a contract's rule how usage is measured. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "base/u128.hpp"
#include "rater/rating/decimal.hpp"

namespace tallyman::rater {

/// Of counters: volume, p95. Of gauges: time_weighted, peak, p95, daily_snapshot.
enum class Measure : std::uint8_t { volume, p95, time_weighted, peak, daily_snapshot };
enum class Direction : std::uint8_t { out, in, sum, max_of_p95, p95_of_sum, p95_of_max };
/// What a p95 does with a slot that was not measured (under half of it seen by readings at their
/// beat): leave it out, count it as zero, or count what a gap's bytes spread over it come to. A
/// slot nothing can be said of is left out by `spread` too.
enum class Missing : std::uint8_t { exclude, zero, spread };
enum class Hours : std::uint8_t { actual, fixed_730 };
/// p95 and peak of several series: of their sum, slot by slot; or of each port on its own (the
/// series of one source with the same labels: its in and its out), the results added.
enum class Aggregate : std::uint8_t { sum, each };
/// What a gauge counts: bytes as the customer stored them, or as the disks hold them.
enum class Stored : std::uint8_t { logical, replicated };
/// A plan that changes within a period: the measure of each part on its own, or of the whole.
enum class PlanChange : std::uint8_t { segments, whole };

[[nodiscard]] const char* measure_name(Measure measure);
[[nodiscard]] const char* direction_name(Direction direction);
[[nodiscard]] const char* missing_name(Missing missing);
[[nodiscard]] const char* hours_name(Hours hours);
[[nodiscard]] const char* aggregate_name(Aggregate aggregate);
[[nodiscard]] const char* stored_name(Stored stored);
[[nodiscard]] const char* plan_change_name(PlanChange change);

/// What a quantity is counted in: `scale` bytes, bits per second, or bytes held for a month.
struct Unit {
  enum class Of : std::uint8_t { bytes, bits_per_second, byte_months };
  std::string name;
  Of of = Of::bytes;
  u128 scale = 1;
  friend bool operator==(const Unit&, const Unit&) = default;
};

/// "GB", "GiB", "Mbit/s", "GiB-month" …; nothing for a unit that is not known.
[[nodiscard]] std::optional<Unit> unit_named(std::string_view name);
/// All names of a kind, for messages.
[[nodiscard]] std::string unit_names(Unit::Of of);

/// What a contract does to a quantity before it is compared with an allowance, in this order: up to
/// the next whole `increment`, at least `minimum`, at most `cap`; in the meter's unit.
struct QuantityRules {
  std::optional<Rational> increment, minimum, cap;
  friend bool operator==(const QuantityRules&, const QuantityRules&) = default;
};

struct Meter {
  std::string id;
  Measure measure = Measure::volume;
  Direction direction = Direction::out;  ///< volume and p95 of counters
  std::string in, out;                   ///< counters of either direction; may be empty
  std::string metric;                    ///< of gauges; else empty
  Unit unit;
  Hours hours = Hours::actual;                    ///< time_weighted
  Missing missing = Missing::exclude;             ///< p95
  Aggregate aggregate = Aggregate::sum;           ///< p95 and peak
  unsigned snapshot_hour = 0;                     ///< daily_snapshot: 0 to 23, local time
  Stored stored = Stored::logical;                ///< gauges
  std::optional<Rational> copies;                 ///< replicated: × what the metric counts
  PlanChange plan_change = PlanChange::segments;  ///< those that are levels
  QuantityRules rules;
  friend bool operator==(const Meter&, const Meter&) = default;

  [[nodiscard]] bool of_gauges() const { return !metric.empty(); }
  /// A level (a rate, a peak, a percentile, a mean) is not less for lasting shorter. Else the
  /// quantity adds up over time, and half a period holds half of it.
  [[nodiscard]] bool level() const {
    return measure != Measure::volume && measure != Measure::time_weighted;
  }
  [[nodiscard]] Unit::Of unit_kind() const;
  /// Names one content of a meter: what a record cites.
  [[nodiscard]] Hash version() const;
};

}  // namespace tallyman::rater
