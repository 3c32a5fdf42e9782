#pragma once
// The hash that plugins make epochs of. Part of plugin.hpp, on its own for code that needs no host.

#include <concepts>
#include <cstdint>
#include <string_view>

namespace tallyman::plugin {

/// A 64-bit hash that says "the same counter": the same for the same parts for ever, never 0.
/// FNV-1a (64 bits) over, for each part, its length as eight bytes little-endian and its bytes; a
/// whole number is a part of eight bytes, little-endian two's complement; then the finaliser of
/// MurmurHash3 (fmix64); 0 becomes 1.
class EpochHash {
 public:
  constexpr EpochHash& part(std::string_view text) {
    number(text.size());
    for (const char c : text) byte(static_cast<unsigned char>(c));
    return *this;
  }
  template <std::integral T>
  constexpr EpochHash& part(T value) {
    number(8);
    number(static_cast<std::uint64_t>(value));
    return *this;
  }
  [[nodiscard]] constexpr std::uint64_t value() const {
    std::uint64_t h = hash_;
    h = (h ^ (h >> 33U)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33U)) * 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33U;
    return h == 0 ? 1 : h;
  }

 private:
  constexpr void byte(std::uint64_t b) { hash_ = (hash_ ^ b) * 0x100000001b3ULL; }
  constexpr void number(std::uint64_t v) {
    for (unsigned i = 0; i < 8; ++i) byte((v >> (8 * i)) & 0xffU);
  }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

template <typename... Parts>
[[nodiscard]] constexpr std::uint64_t epoch(const Parts&... parts) {
  EpochHash hash;
  (hash.part(parts), ...);
  return hash.value();
}

}  // namespace tallyman::plugin
