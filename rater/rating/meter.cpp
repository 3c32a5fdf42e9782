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
                        kTera = kGiga * kKilo, kPeta = kTera * kKilo;
constexpr auto kBytes = Unit::Of::bytes;
constexpr auto kRate = Unit::Of::bits_per_second;
constexpr auto kMonths = Unit::Of::byte_months;

constexpr std::array kUnits = std::to_array<UnitSize>({
    {"B", kBytes, 1},
    {"kB", kBytes, kKilo},
    {"KiB", kBytes, 1ULL << 10U},
    {"MB", kBytes, kMega},
    {"MiB", kBytes, 1ULL << 20U},
    {"GB", kBytes, kGiga},
    {"GiB", kBytes, 1ULL << 30U},
    {"TB", kBytes, kTera},
    {"TiB", kBytes, 1ULL << 40U},
    {"PB", kBytes, kPeta},
    {"PiB", kBytes, 1ULL << 50U},
    {"bit/s", kRate, 1},
    {"kbit/s", kRate, kKilo},
    {"Mbit/s", kRate, kMega},
    {"Gbit/s", kRate, kGiga},
    {"Tbit/s", kRate, kTera},
    {"B-month", kMonths, 1},
    {"kB-month", kMonths, kKilo},
    {"KiB-month", kMonths, 1ULL << 10U},
    {"MB-month", kMonths, kMega},
    {"MiB-month", kMonths, 1ULL << 20U},
    {"GB-month", kMonths, kGiga},
    {"GiB-month", kMonths, 1ULL << 30U},
    {"TB-month", kMonths, kTera},
    {"TiB-month", kMonths, 1ULL << 40U},
    {"PB-month", kMonths, kPeta},
    {"PiB-month", kMonths, 1ULL << 50U},
});

void add(FieldHasher& hasher, const std::optional<Rational>& value) {
  hasher.field(value ? value->exact() : "");
}

}  // namespace

const char* measure_name(Measure measure) {
  switch (measure) {
    case Measure::volume:
      return "volume";
    case Measure::p95:
      return "p95";
    case Measure::time_weighted:
      return "time_weighted";
    case Measure::peak:
      return "peak";
    case Measure::daily_snapshot:
      break;
  }
  return "daily_snapshot";
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

const char* aggregate_name(Aggregate aggregate) {
  return aggregate == Aggregate::sum ? "sum" : "each";
}

const char* stored_name(Stored stored) {
  return stored == Stored::logical ? "logical" : "replicated";
}

const char* plan_change_name(PlanChange change) {
  return change == PlanChange::segments ? "segments" : "whole";
}

std::optional<Unit> unit_named(std::string_view name) {
  for (const UnitSize& unit : kUnits) {
    if (name == unit.name) return Unit{unit.name, unit.of, unit.scale};
  }
  return std::nullopt;
}

std::string unit_names(Unit::Of of) {
  std::string names;
  for (const UnitSize& unit : kUnits) {
    if (unit.of != of) continue;
    if (!names.empty()) names += ", ";
    names += unit.name;
  }
  return names;
}

Unit::Of Meter::unit_kind() const {
  if (measure == Measure::time_weighted) return Unit::Of::byte_months;
  if (measure == Measure::p95 && !of_gauges()) return Unit::Of::bits_per_second;
  return Unit::Of::bytes;
}

Hash Meter::version() const {
  FieldHasher hasher;
  hasher.field("tallyman meter 2").field(id).field(measure_name(measure));
  hasher.field(direction_name(direction)).field(in).field(out).field(metric);
  hasher.field(unit.name).field(hours_name(hours)).field(missing_name(missing));
  hasher.field(aggregate_name(aggregate)).number(snapshot_hour).field(stored_name(stored));
  add(hasher, copies);
  hasher.field(plan_change_name(plan_change));
  add(hasher, rules.increment);
  add(hasher, rules.minimum);
  add(hasher, rules.cap);
  return hasher.finish();
}

}  // namespace tallyman::rater
