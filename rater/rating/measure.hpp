#pragma once
// The measures, pure: one customer's series of a period → one quantity with its bounds. Sums are
// integers, and become a fraction of the meter's unit once, at the end.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rater/rating/catalogue.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

struct Measured {
  /// In base units: volume, peak, daily_snapshot and p95 of a gauge: bytes; p95: bytes in a slot;
  /// time_weighted: byte-seconds.
  Rational base;
  /// What is unknown counted as nothing, as is, of a volume, what may have been outside.
  Rational base_low;
  std::optional<Rational> base_high;  ///< at most this; nothing = nobody can say
  Rational per_unit = Rational(1);    ///< base units in one of the meter's unit
  Rational coverage;                  ///< 0 to 1: known time ÷ held time; 0 when nothing is held
  Rational estimated;                 ///< 0 to 1: of the known time
  std::uint64_t series = 0;           ///< that it draws on
  std::uint64_t slots = 0;            ///< levels: slots held; snapshots: days
  std::uint64_t missing = 0;          ///< of those, not measured

  [[nodiscard]] Rational quantity() const { return base / per_unit; }
  [[nodiscard]] Rational low() const { return base_low / per_unit; }
  [[nodiscard]] std::optional<Rational> high() const {
    return base_high ? std::optional(*base_high / per_unit) : std::nullopt;
  }
};

/// Name of the base unit: "bytes", "bytes per slot", "byte-seconds".
[[nodiscard]] const char* base_unit(const Meter& meter);

/// Whether a meter reads series of that metric.
[[nodiscard]] bool reads(const Meter& meter, const std::string& metric);

/// What of a customer's series a meter reads, and what it cannot use (in words, in `errors`): a
/// series of another kind or unit, or too coarse for a p95's slots.
struct MeterInput {
  std::vector<const OwnedSeries*> in, out;  ///< of gauges: `out`
  std::vector<std::string> errors;
};
[[nodiscard]] MeterInput select(const Meter& meter, std::span<const OwnedSeries> owned, Ns slot);

/// `period` and `zone` are the customer's. `month` is what "a month" of byte-months means; without
/// it the calendar month that the middle of the period lies in.
[[nodiscard]] Measured measure(const Meter& meter, const MeterInput& input, const Period& period,
                               const std::string& zone, Ns slot,
                               const std::optional<Span>& month = std::nullopt);

/// Rank (from 1) of the value billed of n slots, ascending; 0 when n = 0.
[[nodiscard]] constexpr std::uint64_t p95_rank(std::uint64_t n) { return (95 * n + 99) / 100; }

}  // namespace tallyman::rater
