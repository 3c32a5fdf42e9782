#include "rater/bus/record_routing.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '~';
}

}  // namespace

std::size_t percent_encoded_size(std::string_view text) {
  const auto plain_bytes = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), plain));
  return plain_bytes + 3 * (text.size() - plain_bytes);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (plain(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::string routing_key(std::string_view type, std::string_view meter, std::string_view customer) {
  const auto part = [](std::string_view text) { return text.empty() ? "-" : percent_encode(text); };
  return "v1." + percent_encode(type) + "." + part(meter) + "." + part(customer);
}

}  // namespace tallyman::rater
