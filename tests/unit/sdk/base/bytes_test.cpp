// Bytes: what is written is read back, and reading past any end fails without harm.

#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace tallyman {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

Bytes varint_of(std::uint64_t v) {
  Bytes out;
  ByteWriter(out).varint(v);
  return out;
}

// Given fixed-width integers, then they stand least significant byte first.
TEST(Bytes, FixedIntegersAreLittleEndian) {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  writer.i64(-2);
  writer.fixed(0x112233, 2);
  EXPECT_EQ(out,
            (Bytes{0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a,
                   0x09, 0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x33, 0x22}));
  ByteReader reader(out);
  EXPECT_EQ(reader.u8(), 0x01U);
  EXPECT_EQ(reader.u16(), 0x0203U);
  EXPECT_EQ(reader.u32(), 0x04050607U);
  EXPECT_EQ(reader.u64(), 0x08090a0b0c0d0e0fU);
  EXPECT_EQ(reader.i64(), -2);
  EXPECT_EQ(reader.fixed(2), 0x2233U);
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

// Given known varints, then their bytes are LEB128's; and 64 bits take ten.
TEST(Bytes, VarintsAreLeb128) {
  EXPECT_EQ(varint_of(0), (Bytes{0}));
  EXPECT_EQ(varint_of(127), (Bytes{0x7f}));
  EXPECT_EQ(varint_of(128), (Bytes{0x80, 0x01}));
  EXPECT_EQ(varint_of(624485), (Bytes{0xe5, 0x8e, 0x26}));
  EXPECT_EQ(varint_of(kMax).size(), 10U);
}

// Given integers of all magnitudes, then varint and svarint give them back.
TEST(Bytes, VarintsComeBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t v = random() >> (random() % 64);
    Bytes out;
    ByteWriter writer(out);
    writer.varint(v);
    writer.svarint(static_cast<std::int64_t>(v));
    writer.svarint(-static_cast<std::int64_t>(v >> 1U));
    ByteReader reader(out);
    EXPECT_EQ(reader.varint(), v);
    EXPECT_EQ(reader.svarint(), static_cast<std::int64_t>(v));
    EXPECT_EQ(reader.svarint(), -static_cast<std::int64_t>(v >> 1U));
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
}

// Given a varint of more than 64 bits, or one that never ends, then reading it fails.
TEST(Bytes, VarintsBeyond64BitsFail) {
  Bytes bytes(10, 0xff);
  bytes[9] = 0x01;
  EXPECT_EQ(ByteReader(bytes).varint(), kMax);
  for (const unsigned last : {0x02U, 0x7fU, 0x80U, 0x81U, 0xffU}) {
    bytes[9] = static_cast<std::uint8_t>(last);
    ByteReader reader(bytes);
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok());
  }
  ByteReader endless(ByteView(bytes).first(5));
  (void)endless.varint();
  EXPECT_FALSE(endless.ok());
}

// Given the least and greatest integers, then zigzag keeps them apart and small ones small.
TEST(Bytes, ZigzagIsOneToOne) {
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  static_assert(zigzag(0) == 0 && zigzag(-1) == 1 && zigzag(1) == 2 && zigzag(-2) == 3);
  static_assert(zigzag(kHigh) == kMax - 1 && zigzag(kLow) == kMax);
  for (const std::int64_t v :
       {kLow, kLow + 1, std::int64_t{-1}, std::int64_t{0}, kHigh - 1, kHigh}) {
    EXPECT_EQ(unzigzag(zigzag(v)), v);
  }
}

// Given a text or blob longer than allowed, or than there are bytes, then reading it fails, and
// everything read after that is empty.
TEST(Bytes, TextsAreBounded) {
  Bytes out;
  ByteWriter writer(out);
  writer.text("hello");
  writer.blob(Bytes{1, 2, 3});
  ByteReader reader(out);
  EXPECT_EQ(reader.text(5), "hello");
  const ByteView blob = reader.blob(3);
  EXPECT_EQ(Bytes(blob.begin(), blob.end()), (Bytes{1, 2, 3}));
  EXPECT_TRUE(reader.ok() && reader.at_end());

  ByteReader too_long(out);
  EXPECT_EQ(too_long.text(4), "");
  EXPECT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.u64(), 0U);
  EXPECT_EQ(too_long.left(), 0U);

  Bytes hostile = varint_of(kMax);
  hostile.push_back('x');
  ByteReader huge(hostile);
  EXPECT_EQ(huge.text(std::numeric_limits<std::size_t>::max()), "");
  EXPECT_FALSE(huge.ok());
}

// Given a count that the rest of the input cannot hold, then it fails before anything is reserved.
TEST(Bytes, CountsAreBoundedByTheInput) {
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{4}, kMax}) {
    Bytes bytes = varint_of(count);
    bytes.resize(bytes.size() + 13);
    ByteReader reader(bytes);
    EXPECT_EQ(reader.count(4), count <= 3 ? count : 0);
    EXPECT_EQ(reader.ok(), count <= 3);
  }
}

// Given any bytes and any order of reads, then each read gives a value or fails for good.
TEST(Bytes, RandomReadsEndWell) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 5'000; ++round) {
    Bytes bytes(random() % 40);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    ByteReader reader(bytes);
    bool failed = false;
    for (int i = 0; i < 12; ++i) {
      const std::size_t left = reader.left();
      switch (random() % 5) {
        case 0:
          (void)reader.varint();
          break;
        case 1:
          (void)reader.text(random() % 50);
          break;
        case 2:
          (void)reader.raw(random() % 50);
          break;
        case 3:
          (void)reader.fixed(static_cast<unsigned>(random() % 9));
          break;
        default:
          (void)reader.count(1 + random() % 9);
      }
      EXPECT_LE(reader.left(), left);
      EXPECT_FALSE(failed && reader.ok());
      failed = !reader.ok();
    }
  }
}

}  // namespace
}  // namespace tallyman
