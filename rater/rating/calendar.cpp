#include "rater/rating/calendar.hpp"

#include <date/tz.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>

#include "base/time_text.hpp"

namespace tallyman::rater {

namespace {

using Instant = date::sys_time<std::chrono::nanoseconds>;

const date::time_zone* zone_of(const std::string& zone) {
  try {
    return date::locate_zone(zone);
  } catch (const std::exception&) {
    return nullptr;
  }
}

/// Where a local time falls into a gap or happens twice, the earlier of the instants in question.
Ns instant_of(const date::time_zone& zone, date::local_days day, unsigned hour) {
  const auto local = day + std::chrono::hours(hour);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             zone.to_sys(local, date::choose::earliest).time_since_epoch())
      .count();
}

/// The instant of a month that an anchor names.
Ns month_start(const date::time_zone& zone, date::year_month month, const Anchor& anchor = {}) {
  const date::day last = (month / date::last).day();
  const date::local_days day{month / std::min(date::day(anchor.day), last)};
  return instant_of(zone, day, anchor.hour);
}

date::year_month month_of(const date::time_zone& zone, Ns instant) {
  const auto local = zone.to_local(Instant{std::chrono::nanoseconds(instant)});
  const date::year_month_day day{date::floor<date::days>(local)};
  return day.year() / day.month();
}

const date::time_zone& known_zone(const std::string& zone) {
  const date::time_zone* found = zone_of(zone);
  if (found == nullptr) throw std::invalid_argument("unknown time zone " + zone);
  return *found;
}

std::string month_text(date::year_month month) { return date::format("%Y-%m", month); }

Ns floor_to(Ns instant, Ns length) {
  const Ns rest = instant % length;
  return instant - (rest < 0 ? rest + length : rest);
}

std::optional<date::year_month> month_named(std::string_view id) {
  if (id.size() != 7 || id[4] != '-') return std::nullopt;
  int year = 0;
  unsigned month = 0;
  const char* text = id.data();
  const auto [year_end, year_error] = std::from_chars(text, text + 4, year);
  const auto [month_end, month_error] = std::from_chars(text + 5, text + 7, month);
  if (year_error != std::errc{} || month_error != std::errc{}) return std::nullopt;
  if (year_end != text + 4 || month_end != text + 7) return std::nullopt;
  // Nanoseconds since the epoch reach from 1678 to 2262.
  if (year < 1700 || year > 2250 || month < 1 || month > 12) return std::nullopt;
  return date::year{year} / date::month{month};
}

}  // namespace

bool zone_known(const std::string& zone) { return zone_of(zone) != nullptr; }

std::string tz_version() {
  try {
    return date::get_tzdb().version;
  } catch (const std::exception&) {
    return "unknown";
  }
}

Span month_at(const std::string& zone, Ns instant) {
  const date::time_zone& z = known_zone(zone);
  date::year_month month = month_of(z, instant);
  // Where clocks went back over midnight, the local month lags behind its first instant.
  if (month_start(z, month + date::months(1)) <= instant) month += date::months(1);
  return {month_start(z, month), month_start(z, month + date::months(1))};
}

std::vector<Ns> daily_at(const std::string& zone, unsigned hour, Ns from, Ns to) {
  const date::time_zone& z = known_zone(zone);
  const auto local_day = [&](Ns instant) {
    return date::floor<date::days>(z.to_local(Instant{std::chrono::nanoseconds(instant)}));
  };
  std::vector<Ns> instants;
  const date::local_days last = local_day(to) + date::days(1);
  for (date::local_days day = local_day(from) - date::days(1); day <= last; day += date::days(1)) {
    const Ns at = instant_of(z, day, hour);
    // A day that clocks leave out whole has no hour of its own.
    if (at >= from && at < to && local_day(at) == day) instants.push_back(at);
  }
  return instants;
}

Period period_at(const PeriodRule& rule, const std::string& zone, Ns instant) {
  if (!rule.monthly()) {
    const Ns start = floor_to(instant, rule.length);
    return {to_rfc3339_short(start) + "/" + to_duration_text(rule.length), start,
            start + rule.length};
  }
  const Span bounds = month_at(zone, instant);
  const Ns middle = bounds.from + (bounds.to - bounds.from) / 2;
  return {month_text(month_of(known_zone(zone), middle)), bounds.from, bounds.to};
}

std::optional<Period> period_named(const PeriodRule& rule, const std::string& zone,
                                   std::string_view id, const Anchor& anchor) {
  if (rule.monthly()) {
    const auto month = month_named(id);
    if (!month) return std::nullopt;
    const date::time_zone& z = known_zone(zone);
    const date::year_month begins = anchor.day == 1 ? *month : *month - date::months(1);
    return Period{month_text(*month), month_start(z, begins, anchor),
                  month_start(z, begins + date::months(1), anchor)};
  }
  const auto start = from_rfc3339(id.substr(0, id.find('/')));
  if (!start) return std::nullopt;
  Period period = period_at(rule, zone, *start);
  if (period.id != id) return std::nullopt;
  return period;
}

}  // namespace tallyman::rater
