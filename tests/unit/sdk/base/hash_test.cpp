// Hashes and checksums against published vectors.

#include "base/hash.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/bytes.hpp"

namespace tallyman {
namespace {

std::string blake(std::string_view text) { return to_hex(hash_of(as_bytes(text))); }

// Given published inputs, then BLAKE2b-256 gives the published digests.
TEST(Hash, Blake2bKnownAnswers) {
  EXPECT_EQ(blake(""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(blake("abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

// Given published inputs, then CRC-32C gives the published values (RFC 3720, B.4, and the check).
TEST(Hash, Crc32cKnownAnswers) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c({}), 0U);
  std::vector<std::uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes), 0x8a9136aaU);
  bytes.assign(32, 0xff);
  EXPECT_EQ(crc32c(bytes), 0x62a8ab43U);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  EXPECT_EQ(crc32c(bytes), 0x46dd794eU);
}

// Given fields that run together to the same text, then their hashes differ; and a field hash is
// the hash of the length-prefixed bytes.
TEST(Hash, FieldsDoNotRunTogether) {
  EXPECT_NE(FieldHasher().field("ab").field("c").finish(),
            FieldHasher().field("a").field("bc").finish());
  EXPECT_NE(FieldHasher().field("").field("a").finish(),
            FieldHasher().field("a").field("").finish());
  Bytes plain;
  ByteWriter writer(plain);
  writer.u64(2);
  writer.raw(as_bytes("ab"));
  writer.u64(77);
  EXPECT_EQ(FieldHasher().field("ab").number(77).finish(), hash_of(plain));
  EXPECT_EQ(FieldHasher().field(as_bytes("ab")).finish(), FieldHasher().field("ab").finish());
}

// Given hexadecimal digits, then they come back; wrong length or digits are refused.
TEST(Hash, HexComesBack) {
  std::array<std::uint8_t, 4> out{};
  EXPECT_TRUE(from_hex("00fFaB19", out).ok());
  EXPECT_EQ(to_hex(out), "00ffab19");
  for (const char* wrong : {"", "00ffab1", "00ffab190", "00ffab1g", "00ff b19", "0x00ffab"}) {
    EXPECT_FALSE(from_hex(wrong, out).ok()) << wrong;
  }
  EXPECT_TRUE(from_hex("", {}).ok());
}

// Given two draws of randomness, then they differ.
TEST(Hash, RandomBytesDiffer) {
  Hash a{};
  Hash b{};
  random_bytes(a);
  random_bytes(b);
  EXPECT_NE(a, b);
  EXPECT_NE(a, kNoHash);
}

}  // namespace
}  // namespace tallyman
