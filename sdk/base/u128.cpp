#include "base/u128.hpp"

#include <algorithm>
#include <limits>

namespace tallyman {

std::string to_decimal(u128 value) {
  std::string out;
  do {
    out += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

std::optional<u128> u128_from_decimal(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  u128 value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, static_cast<u128>(10), &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<u128>(c - '0'), &value)) return std::nullopt;
  }
  return value;
}

std::array<std::uint8_t, 16> to_big_endian(u128 value) {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[out.size() - 1 - i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return out;
}

u128 from_big_endian(const std::array<std::uint8_t, 16>& bytes) {
  u128 value = 0;
  for (const std::uint8_t byte : bytes) value = (value << 8U) | byte;
  return value;
}

std::optional<u128> mul_div(u128 a, u128 b, u128 c, u128* remainder) {
  if (c == 0) return std::nullopt;
  u128 product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) {
    if (remainder != nullptr) *remainder = product % c;
    return product / c;
  }
  // 256-bit schoolbook: four 64-bit partial products, then bit-by-bit division.
  constexpr u128 kLow = std::numeric_limits<std::uint64_t>::max();
  const u128 ll = (a & kLow) * (b & kLow);
  const u128 lh = (a & kLow) * (b >> 64U);
  const u128 hl = (a >> 64U) * (b & kLow);
  const u128 hh = (a >> 64U) * (b >> 64U);
  const u128 middle = (ll >> 64U) + (lh & kLow) + (hl & kLow);
  const u128 low = (middle << 64U) | (ll & kLow);
  const u128 high = hh + (lh >> 64U) + (hl >> 64U) + (middle >> 64U);
  if (high >= c) return std::nullopt;
  u128 rest = high;
  u128 quotient = 0;
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (rest >> 127U) != 0;
    rest = (rest << 1U) | ((low >> static_cast<unsigned>(bit)) & 1U);
    quotient <<= 1U;
    if (carry || rest >= c) {
      rest -= c;
      quotient |= 1U;
    }
  }
  if (remainder != nullptr) *remainder = rest;
  return quotient;
}

}  // namespace tallyman
