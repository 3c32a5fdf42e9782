#pragma once
// 128-bit unsigned integers: byte-seconds and money in fractions overflow 64.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

__extension__ using u128 = unsigned __int128;

[[nodiscard]] std::string to_decimal(u128 value);
/// Digits only, at least one, at most what 128 bits hold; nothing otherwise.
[[nodiscard]] std::optional<u128> u128_from_decimal(std::string_view digits);

/// Sixteen bytes, most significant first: how quantities stand in the ledger.
[[nodiscard]] std::array<std::uint8_t, 16> to_big_endian(u128 value);
[[nodiscard]] u128 from_big_endian(const std::array<std::uint8_t, 16>& bytes);

/// a × b / c rounded down, over a 256-bit product; nothing when the result exceeds 128 bits or c =
/// 0. `remainder`, when given, receives a × b mod c.
[[nodiscard]] std::optional<u128> mul_div(u128 a, u128 b, u128 c, u128* remainder = nullptr);

}  // namespace tallyman
