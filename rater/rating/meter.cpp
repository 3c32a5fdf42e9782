#include "rater/rating/meter.hpp"

#include <array>

namespace tallyman::rater {

namespace {

struct UnitSize {
  const char* name;
  Unit::Of of;
  std::uint64_t scale;
};
constexpr std::uint64_t kKilo = 1'000, kMega = kKilo * kKilo, kGiga = kMega * kKilo,
                        kTera = kGiga * kKilo;
constexpr auto kBytes = Unit::Of::bytes;
constexpr auto kRate = Unit::Of::bits_per_second;
constexpr auto kMonths = Unit::Of::byte_months;

constexpr std::array kUnits = std::to_array<UnitSize>({
    {"B", kBytes, 1},
    {"MB", kBytes, kMega},
    {"MiB", kBytes, 1ULL << 20U},
    {"GB", kBytes, kGiga},
    {"GiB", kBytes, 1ULL << 30U},
    {"TB", kBytes, kTera},
    {"TiB", kBytes, 1ULL << 40U},
    {"bit/s", kRate, 1},
    {"kbit/s", kRate, kKilo},
    {"Mbit/s", kRate, kMega},
    {"Gbit/s", kRate, kGiga},
    {"MB-month", kMonths, kMega},
    {"MiB-month", kMonths, 1ULL << 20U},
    {"GB-month", kMonths, kGiga},
    {"GiB-month", kMonths, 1ULL << 30U},
    {"TB-month", kMonths, kTera},
    {"TiB-month", kMonths, 1ULL << 40U},
});

constexpr Unit::Of unit_of(Measure measure) {
  switch (measure) {
    case Measure::volume:
      return Unit::Of::bytes;
    case Measure::p95:
      return Unit::Of::bits_per_second;
    case Measure::time_weighted:
      break;
  }
  return Unit::Of::byte_months;
}

}  // namespace

const char* measure_name(Measure measure) {
  switch (measure) {
    case Measure::volume:
      return "volume";
    case Measure::p95:
      return "p95";
    case Measure::time_weighted:
      break;
  }
  return "time_weighted";
}

const char* direction_name(Direction direction) {
  switch (direction) {
    case Direction::out:
      return "out";
    case Direction::in:
      return "in";
    case Direction::sum:
      return "sum";
    case Direction::max_of_p95:
      return "max_of_p95";
    case Direction::p95_of_sum:
      return "p95_of_sum";
    case Direction::p95_of_max:
      break;
  }
  return "p95_of_max";
}

const char* missing_name(Missing missing) {
  switch (missing) {
    case Missing::exclude:
      return "exclude";
    case Missing::zero:
      return "zero";
    case Missing::spread:
      break;
  }
  return "spread";
}

const char* hours_name(Hours hours) { return hours == Hours::actual ? "actual" : "730"; }

std::optional<Unit> unit_named(std::string_view name) {
  for (const UnitSize& unit : kUnits) {
    if (name == unit.name) return Unit{unit.name, unit.of, unit.scale};
  }
  return std::nullopt;
}

bool unit_fits(const Unit& unit, Measure measure) { return unit.of == unit_of(measure); }

std::string unit_names(Measure measure) {
  std::string names;
  for (const UnitSize& unit : kUnits) {
    if (unit.of != unit_of(measure)) continue;
    if (!names.empty()) names += ", ";
    names += unit.name;
  }
  return names;
}

Hash Meter::version() const {
  FieldHasher hasher;
  hasher.field("tallyman meter 1").field(id).field(measure_name(measure));
  hasher.field(direction_name(direction)).field(in).field(out).field(metric);
  hasher.field(unit.name).field(hours_name(hours)).field(missing_name(missing));
  return hasher.finish();
}

}  // namespace tallyman::rater
