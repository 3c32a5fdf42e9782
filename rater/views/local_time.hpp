#pragma once
// Instants in a customer's own zone, for people.

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "rater/derive/derive.hpp"

namespace tallyman::rater {

/// "1 November 2026"; with `hours` "1 November 2026, 14:30". An unknown zone is UTC.
[[nodiscard]] std::string local_date(const std::string& zone, Ns instant, bool hours);
/// "1 to 30 November 2026" when it is whole days, else both instants with their hours.
[[nodiscard]] std::string local_span(const std::string& zone, const Span& span);

struct LocalTick {
  Ns at = 0;
  std::string label;  ///< "8 Nov", or "14:30" within a day or two
};
/// Some six instants that a plot of a span is marked at, at midnights if it is longer than two
/// days.
[[nodiscard]] std::vector<LocalTick> local_ticks(const std::string& zone, const Span& span);

}  // namespace tallyman::rater
