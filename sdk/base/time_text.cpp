#include "base/time_text.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <limits>

namespace tallyman {
namespace {

/// Wide enough for any four-digit year in nanoseconds.
__extension__ using Wide = __int128;

struct Unit {
  std::string_view name;
  Ns length;
};
constexpr std::array<Unit, 7> kUnits{{{"d", kDay},
                                      {"h", kHour},
                                      {"m", kMinute},
                                      {"s", kSecond},
                                      {"ms", kMillisecond},
                                      {"us", kMicrosecond},
                                      {"ns", 1}}};

/// Takes exactly `digits` decimal digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// ".123" → 123,000,000 ns; digits beyond the ninth must be zero.
std::optional<Ns> take_fraction(std::string_view& text) {
  if (!take_char(text, ".")) return 0;
  Ns value = 0;
  std::size_t digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 9) value = value * 10 + (text.front() - '0');
    if (digits >= 9 && text.front() != '0') return std::nullopt;
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

/// "Z" or "+hh:mm": how far local time is ahead of UTC.
std::optional<Ns> take_offset(std::string_view& text) {
  if (take_char(text, "Zz")) return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take_char(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || !take_char(text, ":")) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const Ns offset = *hours * kHour + *minutes * kMinute;
  return west ? -offset : offset;
}

std::string format(Ns wall, bool always_fraction) {
  using namespace std::chrono;
  Ns day = wall / kDay;
  Ns in_day = wall % kDay;
  if (in_day < 0) --day, in_day += kDay;  // the first day of all begins before the least instant
  const year_month_day date{sys_days{days{day}}};
  const hh_mm_ss time{nanoseconds{in_day}};
  char text[48];
  int n = std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d",
                        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                        static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                        static_cast<int>(time.minutes().count()),
                        static_cast<int>(time.seconds().count()));
  std::string out(text, static_cast<std::size_t>(n));
  const auto fraction = time.subseconds().count();
  if (always_fraction || fraction != 0) {
    n = std::snprintf(text, sizeof text, ".%09d", static_cast<int>(fraction));
    out.append(text, static_cast<std::size_t>(n));
  }
  return out + "Z";
}

}  // namespace

std::string to_rfc3339(Ns wall) { return format(wall, true); }
std::string to_rfc3339_short(Ns wall) { return format(wall, false); }

std::optional<Ns> from_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto y = take_number(text, 4);
  if (!y || !take_char(text, "-")) return std::nullopt;
  const auto mo = take_number(text, 2);
  if (!mo || !take_char(text, "-")) return std::nullopt;
  const auto d = take_number(text, 2);
  if (!d || !take_char(text, "Tt ")) return std::nullopt;
  const auto h = take_number(text, 2);
  if (!h || !take_char(text, ":")) return std::nullopt;
  const auto mi = take_number(text, 2);
  if (!mi || !take_char(text, ":")) return std::nullopt;
  const auto s = take_number(text, 2);
  if (!s) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)},
                            day{static_cast<unsigned>(*d)}};
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  const Ns in_day = *h * kHour + *mi * kMinute + *s * kSecond + *fraction - *offset;
  const Wide instant = static_cast<Wide>(sys_days{date}.time_since_epoch().count()) * kDay + in_day;
  if (instant < std::numeric_limits<Ns>::min() || instant > std::numeric_limits<Ns>::max()) {
    return std::nullopt;
  }
  return static_cast<Ns>(instant);
}

std::optional<Ns> duration_from_text(std::string_view text) {
  Ns total = 0;
  Ns last_unit = std::numeric_limits<Ns>::max();
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    Ns value = 0;
    std::size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      if (__builtin_mul_overflow(value, Ns{10}, &value)) return std::nullopt;
      if (__builtin_add_overflow(value, Ns{text[digits] - '0'}, &value)) return std::nullopt;
      ++digits;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    Ns unit = 0;
    for (const Unit& candidate : kUnits) {
      if (candidate.name == text.substr(0, letters)) unit = candidate.length;
    }
    if (unit == 0 || unit >= last_unit) return std::nullopt;
    last_unit = unit;
    text.remove_prefix(letters);
    if (__builtin_mul_overflow(value, unit, &value)) return std::nullopt;
    if (__builtin_add_overflow(total, value, &total)) return std::nullopt;
  }
  return total;
}

std::string to_duration_text(Ns length) {
  if (length == 0) return "0s";
  std::string out = length < 0 ? "-" : "";
  const auto magnitude = static_cast<std::uint64_t>(length);
  std::uint64_t rest = length < 0 ? 0 - magnitude : magnitude;
  for (const Unit& unit : kUnits) {
    const auto of = static_cast<std::uint64_t>(unit.length);
    if (rest >= of) out += std::to_string(rest / of) + std::string(unit.name);
    rest %= of;
  }
  return out;
}

}  // namespace tallyman
