#include "printable.hpp"

#include <cstdint>

namespace ceph {
namespace {

bool is_control(unsigned c) { return c < 0x20 || c == 0x7f; }

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Whether a reader would take it for a character written as %XX.
bool reads_as_written(std::string_view rest) {
  if (rest.size() < 3 || rest[0] != '%') return false;
  const int high = digit(rest[1]), low = digit(rest[2]);
  if (high < 0 || low < 0) return false;
  const auto c = static_cast<unsigned>(high * 16 + low);
  return is_control(c) || c == '%';
}

}  // namespace

std::string printable(std::string_view name) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(name.size());
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(name[i]);
    if (!is_control(c) && !reads_as_written(name.substr(i))) {
      out += name[i];
      continue;
    }
    out += '%';
    out += kDigits[c >> 4U];
    out += kDigits[c & 0xfU];
  }
  return out;
}

}  // namespace ceph
