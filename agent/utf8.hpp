#pragma once
// What text of plugins is held to: UTF-8 without control characters. Pure functions, any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tallyman::agent {

/// Bytes of the well-formed character that the text begins with (RFC 3629: shortest form, no
/// surrogates, up to U+10FFFF); 0 when it begins with none.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view s) {
  const auto at = [&](std::size_t i) {
    return i < s.size() ? static_cast<std::uint8_t>(s[i]) : std::uint8_t{0};
  };
  const auto tail = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
  if (s.empty()) return 0;
  const std::uint8_t first = at(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || !tail(1)) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) {
    const bool overlong = first == 0xe0 && at(1) < 0xa0;
    const bool surrogate = first == 0xed && at(1) >= 0xa0;
    return !overlong && !surrogate && tail(2) ? 3 : 0;
  }
  if (first > 0xf4 || (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) >= 0x90)) return 0;
  return tail(2) && tail(3) ? 4 : 0;
}

[[nodiscard]] constexpr bool is_control(char c) {
  return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f;
}

/// Well-formed, and free of control characters.
[[nodiscard]] constexpr bool is_plain_text(std::string_view s) {
  while (!s.empty()) {
    const std::size_t n = utf8_length(s);
    if (n == 0 || is_control(s[0])) return false;
    s.remove_prefix(n);
  }
  return true;
}

/// The text with what is not plain replaced (control characters by a space, other bytes by
/// U+FFFD), cut at a character so that it has at most `max` bytes.
[[nodiscard]] inline std::string plain_text(std::string_view s, std::size_t max) {
  std::string out;
  while (!s.empty()) {
    const std::size_t n = utf8_length(s);
    const std::string_view piece = n == 0             ? std::string_view("\xef\xbf\xbd")
                                   : is_control(s[0]) ? " "
                                                      : s.substr(0, n);
    if (out.size() + piece.size() > max) break;
    out += piece;
    s.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

}  // namespace tallyman::agent
