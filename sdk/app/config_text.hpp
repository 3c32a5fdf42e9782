#pragma once
// How configuration values and their errors are worded: texts in, texts out.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace tallyman::app {

/// The key between backquotes.
[[nodiscard]] std::string quoted(std::string_view key);
/// What to expect instead of an unknown key: the nearest known one, else all of them.
[[nodiscard]] std::string expected_key(std::string_view unknown,
                                       const std::set<std::string, std::less<>>& known);
/// Words joined by commas.
template <typename Range>
std::string listed(const Range& words) {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ", ";
    out += word;
  }
  return out;
}
/// "64KiB", "10MB", "512": bytes.
[[nodiscard]] std::optional<std::uint64_t> size_from_text(std::string_view text);
/// Digits with at most one point between them, at most 36 digits.
[[nodiscard]] bool is_decimal(std::string_view text);

}  // namespace tallyman::app
