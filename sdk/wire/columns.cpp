#include "wire/columns.hpp"

#include <algorithm>
#include <bit>

namespace tallyman::wire {
namespace {

std::size_t bitmap_size(std::size_t bits) { return (bits + 7) / 8; }
bool bit(ByteView map, std::size_t i) { return ((map[i / 8] >> (i % 8)) & 1U) != 0; }

/// A bitmap of `bits` bits; fails the reader when a bit beyond them is set.
ByteView take_bitmap(ByteReader& in, std::size_t bits) {
  const ByteView map = in.raw(bitmap_size(bits));
  if (!map.empty() && bits % 8 != 0 && (map.back() >> (bits % 8)) != 0) in.fail();
  return map;
}

unsigned byte_length(std::uint64_t v) { return (static_cast<unsigned>(std::bit_width(v)) + 7) / 8; }

std::uint64_t load(const std::uint8_t* from, unsigned bytes) {
  std::uint64_t v = 0;
  for (unsigned i = 0; i < bytes; ++i) v |= static_cast<std::uint64_t>(from[i]) << (8 * i);
  return v;
}

std::size_t count_bits(ByteView map) {
  std::size_t count = 0;
  for (const std::uint8_t byte : map) count += static_cast<std::size_t>(std::popcount(byte));
  return count;
}

unsigned nibble(ByteView nibbles, std::size_t i) { return (nibbles[i / 2] >> (i % 2 * 4)) & 15U; }

/// The byte lengths of `count` differences, each 1 to 8, and their sum; fails the reader otherwise.
ByteView take_lengths(ByteReader& in, std::size_t count, std::size_t& total) {
  const ByteView nibbles = in.raw((count + 1) / 2);
  total = 0;
  if (!in.ok()) return {};
  bool good = count % 2 == 0 || nibbles.back() >> 4U == 0;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned length = nibble(nibbles, i);
    good = good && length >= 1 && length <= 8;
    total += length;
  }
  if (!good) in.fail();
  return nibbles;
}

/// Behind the longest run of evenly spaced epochs that begins at `begin`.
std::size_t run_end(std::span<const Value> values, std::size_t begin) {
  std::size_t end = begin + 1;
  if (end == values.size()) return end;
  const std::uint64_t stride = values[end].epoch - values[begin].epoch;
  while (end < values.size() && values[end].epoch - values[end - 1].epoch == stride) ++end;
  return end;
}

}  // namespace

bool same_epochs(std::span<const Value> a, std::span<const Value> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Value& x, const Value& y) { return x.epoch == y.epoch; });
}

void put_epochs(ByteWriter& out, std::span<const Value> values) {
  std::size_t runs = 0;
  for (std::size_t i = 0; i < values.size(); i = run_end(values, i)) ++runs;
  out.varint(runs);
  DefNo last = 0;
  for (std::size_t i = 0; i < values.size();) {
    const std::size_t end = run_end(values, i);
    out.varint(values[i].epoch - last);
    out.varint(end - i - 1);
    if (end - i > 1) out.varint(values[i + 1].epoch - values[i].epoch);
    last = values[end - 1].epoch;
    i = end;
  }
}

std::vector<Value> take_epochs(ByteReader& in, std::size_t max) {
  const std::size_t runs = in.count(2);
  std::vector<Value> values;
  DefNo last = 0;
  for (std::size_t run = 0; run < runs && in.ok(); ++run) {
    const DefNo step = in.varint();
    const std::uint64_t more = in.varint();  // after the run's first
    const std::uint64_t stride = more == 0 ? 0 : in.varint();
    DefNo first = 0;
    DefNo length = 0;
    DefNo end = 0;
    // Each value takes a bit of the bitmap to come: what the input cannot hold is refused here.
    if (__builtin_add_overflow(last, step, &first) ||
        __builtin_mul_overflow(stride, more, &length) ||
        __builtin_add_overflow(first, length, &end) || more >= max - values.size() ||
        (values.size() + more) / 8 > in.left()) {
      in.fail();
      return {};
    }
    for (std::uint64_t i = 0; i <= more; ++i) values.push_back({.epoch = first + i * stride});
    last = end;
  }
  return values;
}

void ValueColumn::set_base(std::span<const Value> values, std::span<const Value> before,
                           bool same) {
  base_.resize(values.size());
  if (same) {
    for (std::size_t i = 0; i < values.size(); ++i) base_[i] = before[i].value;
    return;
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    while (at < before.size() && before[at].epoch < values[i].epoch) ++at;
    while (at + 1 < before.size() && before[at + 1].epoch == values[i].epoch) ++at;
    const bool known = at < before.size() && before[at].epoch == values[i].epoch;
    base_[i] = known ? before[at].value : 0;
  }
}

void ValueColumn::put(Bytes& out, std::span<const Value> values, std::span<const Value> before,
                      bool same) {
  set_base(values, before, same);
  nonzero_.clear();
  const std::size_t map = out.size();
  out.resize(map + bitmap_size(values.size()));
  std::size_t total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t difference = values[i].value - base_[i];
    if (difference == 0) continue;
    out[map + i / 8] = static_cast<std::uint8_t>(out[map + i / 8] | (1U << (i % 8)));
    nonzero_.push_back(zigzag(static_cast<std::int64_t>(difference)));
    total += byte_length(nonzero_.back());
  }
  const std::size_t lengths = out.size();
  std::size_t at = lengths + (nonzero_.size() + 1) / 2;
  out.resize(at + total);
  for (std::size_t i = 0; i < nonzero_.size(); ++i) {
    const unsigned length = byte_length(nonzero_[i]);
    out[lengths + i / 2] =
        static_cast<std::uint8_t>(out[lengths + i / 2] | (length << (i % 2 * 4)));
    for (unsigned b = 0; b < length; ++b) {
      out[at++] = static_cast<std::uint8_t>(nonzero_[i] >> (8 * b));
    }
  }
}

void ValueColumn::take(ByteReader& in, std::span<Value> values, std::span<const Value> before,
                       bool same) {
  const ByteView map = take_bitmap(in, values.size());
  std::size_t total = 0;
  const ByteView nibbles = take_lengths(in, count_bits(map), total);
  const ByteView bytes = in.raw(total);
  if (!in.ok()) return;
  set_base(values, before, same);
  const std::uint8_t* from = bytes.data();
  std::size_t taken = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i].value = base_[i];
    if (!bit(map, i)) continue;
    const unsigned length = nibble(nibbles, taken++);
    values[i].value += static_cast<std::uint64_t>(unzigzag(load(from, length)));
    from += length;
  }
}

void put_own_times(ByteWriter& out, std::span<const Value> values, Ns wall) {
  Bytes map(bitmap_size(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].time != 0) map[i / 8] = static_cast<std::uint8_t>(map[i / 8] | (1U << (i % 8)));
  }
  out.raw(map);
  for (const Value& value : values) {
    if (value.time != 0) out.svarint(wrapping_minus(value.time, wall));
  }
}

void take_own_times(ByteReader& in, std::span<Value> values, Ns wall) {
  const ByteView map = take_bitmap(in, values.size());
  for (std::size_t i = 0; i < values.size() && in.ok(); ++i) {
    if (bit(map, i)) values[i].time = wrapping_plus(wall, in.svarint());
  }
}

}  // namespace tallyman::wire
