#pragma once
// One block of values, packed. Private to slot_codec.cpp and its tests; the layout is in
// slot_codec.hpp.

#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "base/u128.hpp"

namespace tallyman::rater {

constexpr std::size_t kBlock = 256;  ///< values at most

void put_number(ByteWriter& out, u128 value);
[[nodiscard]] u128 take_number(ByteReader& in);

/// At least one value.
void put_block(ByteWriter& out, std::span<const u128> values);
/// Fills `low` and `high`, both of the same length; fails the reader on what is no block. `high`
/// is written to only when `wide` comes out true; else all of it is zeros.
void take_block(ByteReader& in, std::span<std::uint64_t> low, std::span<std::uint64_t> high,
                bool& wide);

}  // namespace tallyman::rater
