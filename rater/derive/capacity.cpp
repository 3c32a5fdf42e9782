#include "rater/derive/capacity.hpp"

#include <charconv>

namespace tallyman::rater {

std::uint64_t capacity_bytes(const std::map<std::string, std::string>& info) {
  const auto label = info.find("capacity");
  if (label == info.end()) return 0;
  std::uint64_t bytes = 0;
  const std::string& text = label->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc() && end == text.data() + text.size() ? bytes : 0;
}

}  // namespace tallyman::rater
