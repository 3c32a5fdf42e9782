#pragma once
// A meter: a contract's rule how usage is measured. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "base/u128.hpp"

namespace tallyman::rater {

enum class Measure : std::uint8_t { volume, p95, time_weighted };
enum class Direction : std::uint8_t { out, in, sum, max_of_p95, p95_of_sum, p95_of_max };
/// What a p95 does with a slot that was not measured (under half of it seen by readings at their
/// beat): leave it out, count it as zero, or count what a gap's bytes spread over it come to. A
/// slot nothing can be said of is left out by `spread` too.
enum class Missing : std::uint8_t { exclude, zero, spread };
enum class Hours : std::uint8_t { actual, fixed_730 };

[[nodiscard]] const char* measure_name(Measure measure);
[[nodiscard]] const char* direction_name(Direction direction);
[[nodiscard]] const char* missing_name(Missing missing);
[[nodiscard]] const char* hours_name(Hours hours);

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
/// All names that fit a measure, for messages.
[[nodiscard]] std::string unit_names(Measure measure);
[[nodiscard]] bool unit_fits(const Unit& unit, Measure measure);

struct Meter {
  std::string id;
  Measure measure = Measure::volume;
  Direction direction = Direction::out;  ///< volume and p95
  std::string in, out;                   ///< counters of either direction; may be empty
  std::string metric;                    ///< time_weighted: the gauge
  Unit unit;
  Hours hours = Hours::actual;         ///< time_weighted
  Missing missing = Missing::exclude;  ///< p95
  friend bool operator==(const Meter&, const Meter&) = default;

  /// Names one content of a meter: what a record cites.
  [[nodiscard]] Hash version() const;
};

}  // namespace tallyman::rater
