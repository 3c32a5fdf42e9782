#include "rater/slots/slot_block.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tallyman::rater {

namespace {

constexpr unsigned kMostBits = 128;
constexpr unsigned kFastBits = 56;  ///< that eight bytes from any bit on hold
constexpr std::size_t kMostExceptions = 255;

unsigned bits_of(u128 value) {
  const auto high = static_cast<std::uint64_t>(value >> 64U);
  return high != 0 ? 64U + static_cast<unsigned>(std::bit_width(high))
                   : static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(value)));
}

u128 low_bits(unsigned width) { return width >= kMostBits ? ~u128{0} : (u128{1} << width) - 1; }
u128 above(u128 value, unsigned width) { return width >= kMostBits ? 0 : value >> width; }

u128 gcd(u128 a, u128 b) {
  while (b != 0) {
    const u128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

std::size_t packed_bytes(std::size_t values, unsigned width) { return (values * width + 7) / 8; }

/// The width that takes least, with what is wider as exceptions.
unsigned best_width(std::span<const u128> values) {
  std::array<std::size_t, kMostBits + 1> of_width{};
  for (const u128 value : values) ++of_width[bits_of(value)];
  unsigned widest = kMostBits;
  while (widest > 0 && of_width[widest] == 0) --widest;
  unsigned best = widest;
  std::size_t least = packed_bytes(values.size(), widest);
  std::size_t exceptions = 0, exception_bytes = 0;
  for (unsigned width = widest; width-- > 0;) {
    // Each one above gets another bit, about a seventh of a byte: counted as if all grew together.
    exceptions += of_width[width + 1];
    if (exceptions > kMostExceptions) break;
    exception_bytes = exceptions * (1 + (widest - width + 6) / 7);
    const std::size_t bytes = packed_bytes(values.size(), width) + exception_bytes;
    if (bytes < least) least = bytes, best = width;
  }
  return best;
}

void pack(ByteWriter& out, std::span<const u128> values, unsigned width) {
  const std::size_t bytes = packed_bytes(values.size(), width);
  std::array<std::uint8_t, kBlock * kMostBits / 8> packed{};
  std::size_t bit = 0;
  for (const u128 value : values) {
    u128 left = value & low_bits(width);
    for (unsigned done = 0; done < width;) {
      const std::size_t at = bit + done;
      const unsigned room = 8U - static_cast<unsigned>(at % 8);
      packed[at / 8] = static_cast<std::uint8_t>(
          packed[at / 8] | static_cast<std::uint8_t>(static_cast<unsigned>(left) << (at % 8)));
      left >>= room;
      done += room;
    }
    bit += width;
  }
  out.raw(ByteView(packed).first(bytes));
}

/// Packed values, with room to read eight bytes from any of them.
struct Packed {
  std::array<std::uint8_t, kBlock * kMostBits / 8 + 32> bytes;

  std::uint64_t eight(std::size_t at) const {
    std::uint64_t word = 0;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(&word, bytes.data() + at, 8);
    } else {
      for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{bytes[at + i]} << (8 * i);
    }
    return word;
  }
  u128 value(std::size_t bit, unsigned width) const {
    u128 out = 0;
    for (unsigned done = 0; done < width; done += 32) {
      const unsigned part = std::min(width - done, 32U);
      const std::uint64_t word = eight((bit + done) / 8) >> ((bit + done) % 8);
      out |= u128{word & ((std::uint64_t{1} << part) - 1)} << done;
    }
    return out;
  }
};

struct Head {
  unsigned width = 0;
  std::size_t exceptions = 0;
  u128 base = 0, scale = 0;
};

/// base + scale × n; false when that is more than 128 bits hold.
bool value_of(const Head& head, u128 n, u128& out) {
  u128 product = 0;
  return !__builtin_mul_overflow(n, head.scale, &product) &&
         !__builtin_add_overflow(product, head.base, &out);
}

void unpack_narrow(const Packed& packed, const Head& head, std::span<std::uint64_t> out) {
  const std::uint64_t mask = (std::uint64_t{1} << head.width) - 1;
  const auto base = static_cast<std::uint64_t>(head.base);
  const auto scale = static_cast<std::uint64_t>(head.scale);
  std::size_t bit = 0;
  if (scale == 1) {
    for (std::uint64_t& value : out) {
      value = base + (packed.eight(bit / 8) >> (bit % 8) & mask);
      bit += head.width;
    }
    return;
  }
  for (std::uint64_t& value : out) {
    value = base + scale * (packed.eight(bit / 8) >> (bit % 8) & mask);
    bit += head.width;
  }
}

}  // namespace

void put_number(ByteWriter& out, u128 value) {
  for (; value >= 0x80; value >>= 7U) out.u8(static_cast<std::uint8_t>((value & 0x7FU) | 0x80U));
  out.u8(static_cast<std::uint8_t>(value));
}

u128 take_number(ByteReader& in) {
  u128 value = 0;
  for (unsigned shift = 0; shift < kMostBits; shift += 7) {
    const std::uint8_t byte = in.u8();
    const u128 part = byte & 0x7FU;
    if (part << shift >> shift != part) in.fail();
    value |= part << shift;
    if ((byte & 0x80U) == 0) return in.ok() ? value : 0;
  }
  in.fail();
  return 0;
}

void put_block(ByteWriter& out, std::span<const u128> values) {
  std::array<u128, kBlock> room{};
  const std::span<u128> numbers = std::span(room).first(values.size());
  const u128 base = *std::min_element(values.begin(), values.end());
  u128 scale = 0;
  for (const u128 value : values) {
    if (scale == 1) break;
    scale = gcd(value - base, scale);
  }
  if (scale == 0) scale = 1;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const u128 over = values[i] - base;
    numbers[i] = scale == 1 ? over : over / scale;
  }
  const unsigned width = best_width(numbers);
  const auto exceptional = [&](u128 number) { return above(number, width) != 0; };
  out.u8(static_cast<std::uint8_t>(width));
  out.u8(static_cast<std::uint8_t>(std::count_if(numbers.begin(), numbers.end(), exceptional)));
  put_number(out, base);
  put_number(out, scale);
  pack(out, numbers, width);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!exceptional(numbers[i])) continue;
    out.u8(static_cast<std::uint8_t>(i));
    put_number(out, above(numbers[i], width));
  }
}

void take_block(ByteReader& in, std::span<std::uint64_t> low, std::span<std::uint64_t> high,
                bool& wide) {
  const std::size_t count = low.size();
  Head head;
  head.width = in.u8();
  head.exceptions = in.u8();
  head.base = take_number(in);
  head.scale = take_number(in);
  if (head.width > kMostBits || head.scale == 0 || head.exceptions > count) return in.fail();
  Packed packed;
  const ByteView bytes = in.raw(packed_bytes(count, head.width));
  if (!in.ok()) return;
  std::copy(bytes.begin(), bytes.end(), packed.bytes.begin());
  std::fill_n(packed.bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size()), 32, 0);
  u128 most = 0;
  const bool fits = value_of(head, low_bits(head.width), most);
  const auto set = [&](std::size_t i, u128 value) {
    low[i] = static_cast<std::uint64_t>(value);
    high[i] = static_cast<std::uint64_t>(value >> 64U);
    wide |= high[i] != 0;
  };
  if (fits && most >> 64U == 0 && head.width <= kFastBits) {
    unpack_narrow(packed, head, low);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      u128 value = 0;
      if (!value_of(head, packed.value(i * head.width, head.width), value)) return in.fail();
      set(i, value);
    }
  }
  for (std::size_t n = 0; n < head.exceptions; ++n) {
    const std::size_t i = in.u8();
    const u128 upper = take_number(in);
    if (i >= count || upper == 0 || head.width >= kMostBits ||
        above(upper, kMostBits - head.width) != 0) {
      return in.fail();
    }
    u128 value = 0;
    const u128 number = upper << head.width | packed.value(i * head.width, head.width);
    if (!value_of(head, number, value)) return in.fail();
    set(i, value);
  }
}

}  // namespace tallyman::rater
