#include "rater/views/local_time.hpp"

#include <date/date.h>
#include <date/tz.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace tallyman::rater {

namespace {

constexpr std::array kMonths = {"January",   "February", "March",    "April",
                                "May",       "June",     "July",     "August",
                                "September", "October",  "November", "December"};

const date::time_zone* zone_of(const std::string& zone) {
  try {
    return date::locate_zone(zone);
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}

using Seconds = std::chrono::seconds;

date::local_time<Seconds> local_of(const std::string& zone, Ns instant) {
  const date::sys_time<Seconds> at{Seconds{instant / kSecond}};
  const date::time_zone* z = zone_of(zone);
  if (z == nullptr) return date::local_time<Seconds>{at.time_since_epoch()};
  return z->to_local(at);
}

/// The instant of a local midnight; of one that the clocks leave out, the change.
Ns instant_of(const std::string& zone, date::local_days day) {
  const date::time_zone* z = zone_of(zone);
  const auto since = z == nullptr ? day.time_since_epoch()
                                  : z->to_sys(day, date::choose::earliest).time_since_epoch();
  return std::chrono::duration_cast<Seconds>(since).count() * kSecond;
}

std::string two(std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); }

struct Parts {
  date::local_days day;
  date::year_month_day date;
  std::string clock;  ///< "14:30", with seconds where there are any
};

Parts parts_of(const std::string& zone, Ns instant) {
  const auto local = local_of(zone, instant);
  const auto day = date::floor<date::days>(local);
  const std::int64_t seconds = (local - day).count();
  std::string clock = two(seconds / 3600) + ":" + two(seconds / 60 % 60);
  if (seconds % 60 != 0) clock += ":" + two(seconds % 60);
  return {day, date::year_month_day{day}, clock};
}

std::string month_of(const date::year_month_day& date) {
  return kMonths[static_cast<unsigned>(date.month()) - 1];
}

std::string date_text(const date::year_month_day& date) {
  return std::to_string(static_cast<unsigned>(date.day())) + " " + month_of(date) + " " +
         std::to_string(static_cast<int>(date.year()));
}

}  // namespace

std::string local_date(const std::string& zone, Ns instant, bool hours) {
  const Parts parts = parts_of(zone, instant);
  return date_text(parts.date) + (hours ? ", " + parts.clock : "");
}

std::string local_span(const std::string& zone, const Span& span) {
  const Parts from = parts_of(zone, span.from), to = parts_of(zone, span.to);
  if (from.clock != "00:00" || to.clock != "00:00") {
    return date_text(from.date) + ", " + from.clock + " to " +
           (from.day == to.day ? "" : date_text(to.date) + ", ") + to.clock;
  }
  const date::year_month_day last{to.day - date::days{1}};
  if (last == from.date) return date_text(last);
  const std::string day = std::to_string(static_cast<unsigned>(from.date.day()));
  if (last.year() != from.date.year()) return date_text(from.date) + " to " + date_text(last);
  if (last.month() != from.date.month()) {
    return day + " " + month_of(from.date) + " to " + date_text(last);
  }
  return day + " to " + date_text(last);
}

std::vector<LocalTick> local_ticks(const std::string& zone, const Span& span) {
  constexpr Ns kWanted = 6;
  std::vector<LocalTick> ticks;
  const Ns length = span.to - span.from;
  if (length <= 0) return ticks;
  if (length <= 2 * kDay) {
    const Ns step = std::max<Ns>(length / kWanted, kSecond);
    for (Ns at = span.from; at < span.to; at += step) {
      ticks.push_back({at, parts_of(zone, at).clock});
    }
    return ticks;
  }
  const auto days = date::days{std::max<std::int64_t>(1, length / kDay / kWanted)};
  for (date::local_days day = parts_of(zone, span.from).day;; day += days) {
    const Ns at = instant_of(zone, day);
    if (at >= span.to) return ticks;
    if (at < span.from) continue;
    const date::year_month_day date{day};
    ticks.push_back({at, std::to_string(static_cast<unsigned>(date.day())) + " " +
                             month_of(date).substr(0, 3)});
  }
}

}  // namespace tallyman::rater
