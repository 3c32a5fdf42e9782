// 128-bit integers against an independent model: long multiplication and division on digits.

#include "base/u128.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tallyman {
namespace {

constexpr u128 kMax = ~static_cast<u128>(0);

/// A natural number of any size as bytes, least significant first, without zeros at its end.
using Big = std::vector<unsigned>;

void trim(Big& big) {
  while (!big.empty() && big.back() == 0) big.pop_back();
}

Big big_of(u128 value) {
  Big out;
  for (; value != 0; value >>= 8U) out.push_back(static_cast<unsigned>(value & 0xffU));
  return out;
}

Big product(const Big& a, const Big& b) {
  Big out(a.size() + b.size() + 1, 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    unsigned carry = 0;
    for (std::size_t k = 0; k < b.size() || carry != 0; ++k) {
      const unsigned sum = out[i + k] + carry + (k < b.size() ? a[i] * b[k] : 0);
      out[i + k] = sum & 0xffU;
      carry = sum >> 8U;
    }
  }
  trim(out);
  return out;
}

bool less(const Big& a, const Big& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

void add(Big& a, const Big& b) {
  unsigned carry = 0;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()) || carry != 0; ++i) {
    if (i == a.size()) a.push_back(0);
    const unsigned sum = a[i] + carry + (i < b.size() ? b[i] : 0);
    a[i] = sum & 0xffU;
    carry = sum >> 8U;
  }
}

u128 random_number(std::mt19937_64& random) {
  const u128 full = (static_cast<u128>(random()) << 64U) | random();
  switch (random() % 8) {
    case 0:
      return kMax - random() % 3;
    case 1:
      return (static_cast<u128>(1) << (random() % 128)) - random() % 2;
    default:
      return full >> (random() % 128);
  }
}

// Given random factors and divisors of all sizes, then quotient × divisor + remainder is the exact
// product, the remainder is below the divisor, and nothing is given only when it cannot be held.
TEST(U128, MulDivIsExact) {
  std::mt19937_64 random(1);
  int wide = 0;
  int refused = 0;
  for (int i = 0; i < 40'000; ++i) {
    const u128 a = random_number(random);
    const u128 b = random_number(random);
    const u128 c = random_number(random);
    u128 rest = 12345;
    const auto quotient = mul_div(a, b, c, &rest);
    const Big exact = product(big_of(a), big_of(b));
    if (!quotient) {
      ++refused;
      // Refused: c is zero, or the product is at least c × 2^128.
      Big bound = big_of(c);
      bound.insert(bound.begin(), 16, 0);
      ASSERT_TRUE(c == 0 || !less(exact, bound));
      continue;
    }
    if (exact.size() > 16) ++wide;
    ASSERT_LT(rest, c);
    Big back = product(big_of(*quotient), big_of(c));
    add(back, big_of(rest));
    ASSERT_EQ(back, exact);
    ASSERT_EQ(mul_div(a, b, c), quotient);
  }
  EXPECT_GT(wide, 2'000);
  EXPECT_GT(refused, 2'000);
}

// Given the corners, then mul_div holds them.
TEST(U128, MulDivCorners) {
  u128 rest = 0;
  EXPECT_EQ(mul_div(kMax, kMax, kMax, &rest), kMax);
  EXPECT_EQ(rest, 0U);
  EXPECT_EQ(mul_div(kMax, kMax - 1, kMax, &rest), kMax - 1);
  EXPECT_FALSE(mul_div(kMax, kMax, kMax - 1).has_value());
  EXPECT_FALSE(mul_div(1, 1, 0).has_value());
  EXPECT_EQ(mul_div(0, kMax, 7), static_cast<u128>(0));
}

// Given decimal texts, then exactly those that 128 bits hold are read, and they come back.
TEST(U128, DecimalsComeBack) {
  EXPECT_EQ(to_decimal(0), "0");
  EXPECT_EQ(to_decimal(kMax), "340282366920938463463374607431768211455");
  EXPECT_EQ(u128_from_decimal("340282366920938463463374607431768211455"), kMax);
  EXPECT_FALSE(u128_from_decimal("340282366920938463463374607431768211456").has_value());
  EXPECT_FALSE(u128_from_decimal("3402823669209384634633746074317682114550").has_value());
  for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3"}) {
    EXPECT_FALSE(u128_from_decimal(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(u128_from_decimal("0007"), static_cast<u128>(7));
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    const u128 v = random_number(random);
    ASSERT_EQ(u128_from_decimal(to_decimal(v)), v);
  }
}

// Given numbers as sixteen bytes, then they come back, and sort as the numbers do.
TEST(U128, BigEndianKeepsTheOrder) {
  EXPECT_EQ(to_big_endian(1)[15], 1);
  EXPECT_EQ(to_big_endian(static_cast<u128>(1) << 120U)[0], 1);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const u128 a = random_number(random);
    const u128 b = random_number(random);
    ASSERT_EQ(from_big_endian(to_big_endian(a)), a);
    ASSERT_EQ(to_big_endian(a) < to_big_endian(b), a < b);
  }
}

}  // namespace
}  // namespace tallyman
