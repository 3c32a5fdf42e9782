#pragma once
// Parts of catalogues as text, for tests of the loader.

#include <string>

#include "rater/rating/catalogue.hpp"

namespace tallyman::rater::testing {

constexpr const char* kMeters = R"([[meter]]
id = "m"
measure = "volume"
in = "rx"
out = "tx"
unit = "GB"
[[meter]]
id = "rate"
measure = "p95"
in = "rx"
out = "tx"
aggregate = "each"
plan_change = "whole"
unit = "Mbit/s"
increment = "1"
minimum = "10"
cap = "1000.5"
[[meter]]
id = "disk"
measure = "daily_snapshot"
metric = "held"
snapshot_hour = 7
bytes = "replicated"
copies = "1.5"
unit = "GiB"
)";

constexpr const char* kPlans = R"([[plan]]
id = "p"
rounding = "half_even"
[[plan.item]]
meter = "m"
allowance = "10"
pricing = "graduated"
[[plan.item.tier]]
up_to = "100"
price = "2"
[[plan.item.tier]]
price = "1.5"
[[plan.item]]
meter = "rate"
price = "3"
[[plan]]
id = "q"
rounding = "half_even"
[[plan.item]]
meter = "m"
pricing = "package"
package = "100"
price = "7"
[[plan.item]]
meter = "disk"
)";

/// Read as file "c".
inline Catalogue read(const std::string& text, std::string& errors) {
  app::ConfigErrors list;
  Catalogue catalogue = parse_catalogue(text, "c", 5 * kMinute, list);
  errors = list.text();
  return catalogue;
}

inline std::string errors_of(const std::string& text) {
  std::string errors;
  (void)read(text, errors);
  return errors;
}

}  // namespace tallyman::rater::testing
