#include "app/config_text.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "app/config.hpp"

namespace tallyman::app {
namespace {

/// How many letters differ: for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<Unit, 11> kUnits{{{"", 1},
                                       {"B", 1},
                                       {"kB", 1'000},
                                       {"KB", 1'000},
                                       {"MB", 1'000'000},
                                       {"GB", 1'000'000'000},
                                       {"TB", 1'000'000'000'000},
                                       {"KiB", 1ULL << 10U},
                                       {"MiB", 1ULL << 20U},
                                       {"GiB", 1ULL << 30U},
                                       {"TiB", 1ULL << 40U}}};

}  // namespace

std::string quoted(std::string_view key) { return "`" + std::string(key) + "`"; }

std::string expected_key(std::string_view unknown,
                         const std::set<std::string, std::less<>>& known) {
  if (known.empty()) return "no keys here";
  const auto nearest = std::min_element(
      known.begin(), known.end(),
      [&](const auto& a, const auto& b) { return distance(unknown, a) < distance(unknown, b); });
  if (distance(unknown, *nearest) <= 2) return quoted(*nearest);
  return "one of " + listed(known);
}

std::optional<std::uint64_t> size_from_text(std::string_view text) {
  std::uint64_t value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (__builtin_mul_overflow(value, 10U, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<unsigned>(text[digits] - '0'), &value)) {
      return std::nullopt;
    }
  }
  if (digits == 0) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (unit.name != text.substr(digits)) continue;
    if (__builtin_mul_overflow(value, unit.bytes, &value)) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

bool is_decimal(std::string_view text) {
  std::size_t digits = 0;
  std::size_t points = 0;
  for (const char c : text) {
    if (c == '.' && digits > 0) {
      ++points;
    } else if (c >= '0' && c <= '9') {
      ++digits;
    } else {
      return false;
    }
  }
  return digits > 0 && digits <= 36 && points <= 1 && text.back() != '.';
}

std::string ConfigError::text() const {
  std::string out = file + ":";
  if (line != 0) out += std::to_string(line) + ":" + std::to_string(column) + ":";
  out += " " + what;
  if (!expected.empty()) out += ", expected " + expected;
  return out;
}

std::vector<ConfigError> ConfigErrors::sorted() const {
  auto out = errors_;
  std::stable_sort(out.begin(), out.end(), [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
  return out;
}

std::string ConfigErrors::text() const {
  std::string out;
  for (const ConfigError& error : sorted()) out += error.text() + "\n";
  return out;
}

}  // namespace tallyman::app
