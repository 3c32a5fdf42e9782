#pragma once
// Billing periods. Instants are UTC; a time zone only picks the boundaries of months, so months of
// 743 and 745 hours exist. Howard Hinnant's tz library is included by calendar.cpp only; it reads
// the system's tz database.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "rater/derive/usage.hpp"

namespace tallyman::rater {

/// Calendar months, or lengths of time that lie end to end from the Unix epoch.
struct PeriodRule {
  Ns length = 0;  ///< 0 = a calendar month
  [[nodiscard]] bool monthly() const { return length == 0; }
  friend bool operator==(const PeriodRule&, const PeriodRule&) = default;
};

/// When a customer's month begins, by local time: a day that the month does not have is its last
/// one. Of calendar months: the first, at midnight.
struct Anchor {
  unsigned day = 1;   ///< 1 to 31
  unsigned hour = 0;  ///< 0 to 23
  friend bool operator==(const Anchor&, const Anchor&) = default;
};

/// [start, end), named "2026-11" or "2026-11-22T15:05:00Z/10s". The name of a month is the same in
/// every zone, its bounds are not.
struct Period {
  std::string id;
  Ns start = 0;
  Ns end = 0;
  friend bool operator==(const Period&, const Period&) = default;
};

[[nodiscard]] bool zone_known(const std::string& zone);
/// Of the tz database in use: part of a close's cut.
[[nodiscard]] std::string tz_version();

/// The period that holds an instant. The zone must be known; it does not matter to fixed lengths.
[[nodiscard]] Period period_at(const PeriodRule& rule, const std::string& zone, Ns instant);
/// The period of that name; nothing when the name is none of this rule's. A month with an anchor is
/// named after the calendar month that its last day lies in, so that all months of a name have
/// ended when the calendar's has: with day 15 "2026-11" is [15 October, 15 November). The anchor
/// does not matter to fixed lengths.
[[nodiscard]] std::optional<Period> period_named(const PeriodRule& rule, const std::string& zone,
                                                 std::string_view id, const Anchor& anchor = {});
/// The instants of [from, to) at which local clocks show that hour, ascending. Of an hour that a
/// change of clocks shows twice the first; of one it leaves out the instant of the change.
[[nodiscard]] std::vector<Ns> daily_at(const std::string& zone, unsigned hour, Ns from, Ns to);
/// The calendar month that holds an instant.
[[nodiscard]] Span month_at(const std::string& zone, Ns instant);

}  // namespace tallyman::rater
