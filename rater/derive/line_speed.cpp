#include "rater/derive/line_speed.hpp"

#include <charconv>

namespace tallyman::rater {

std::uint64_t line_mbit(const std::map<std::string, std::string>& info) {
  const auto kind = info.find("kind");
  if (kind != info.end() && !kind->second.empty()) return 0;
  const auto speed = info.find("speed");
  if (speed == info.end()) return 0;
  std::uint64_t mbit = 0;
  const std::string& text = speed->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mbit);
  return error == std::errc() && end == text.data() + text.size() ? mbit : 0;
}

}  // namespace tallyman::rater
