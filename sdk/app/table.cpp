#include "app/table.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace tallyman::app {
namespace {

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

}  // namespace

std::string paint(std::string_view text, Colour colour, bool on) {
  static constexpr std::array<const char*, 5> kCodes{"", "\x1b[32m", "\x1b[33m", "\x1b[31m",
                                                     "\x1b[2m"};
  if (!on || colour == Colour::none) return std::string(text);
  return kCodes[static_cast<std::size_t>(colour)] + std::string(text) + "\x1b[0m";
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (std::string& heading : headings_) {
    const bool right = !heading.empty() && heading.front() == '>';
    if (right) heading.erase(0, 1);
    right_.push_back(right);
  }
}

std::string Table::text(bool colour) const {
  std::vector<std::size_t> widths;
  for (const std::string& heading : headings_) widths.push_back(width_of(heading));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size() && i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i].text));
    }
  }
  std::string out;
  const auto put = [&](std::size_t i, std::string_view text, Colour shade) {
    const std::string pad(widths[i] - width_of(text), ' ');
    const bool last = i + 1 == widths.size();
    if (right_[i]) out += pad;
    out += paint(text, shade, colour);
    if (!right_[i] && !last) out += pad;
    if (!last) {
      out += "  ";
      return;
    }
    while (out.back() == ' ') out.pop_back();
    out += "\n";
  };
  for (std::size_t i = 0; i < widths.size(); ++i) put(i, headings_[i], Colour::faint);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const Cell cell = i < row.size() ? row[i] : Cell{};
      put(i, cell.text, cell.colour);
    }
  }
  return out;
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  std::size_t unit = 0;
  std::uint64_t rest = 0;
  while (bytes >= 1024) {
    rest = bytes % 1024;
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + "." + std::to_string(rest * 10 / 1024) + " " + kUnits[unit];
}

std::string human_seconds(std::int64_t seconds) {
  static constexpr std::array<std::pair<std::int64_t, const char*>, 4> kUnits{
      {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}}};
  if (seconds < 0) return "-" + human_seconds(-seconds);
  std::string out;
  int used = 0;
  for (const auto& [length, name] : kUnits) {
    if (used == 2 || (out.empty() && seconds < length && length > 1)) continue;
    ++used;
    if (seconds / length != 0 || out.empty()) out += std::to_string(seconds / length) + name;
    seconds %= length;
  }
  return out;
}

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }

bool stdout_has_colour() {
  const char* term = std::getenv("TERM");
  return stdout_is_terminal() && std::getenv("NO_COLOR") == nullptr &&
         (term == nullptr || std::string_view(term) != "dumb");
}

}  // namespace tallyman::app
