// Given exact fractions, then arithmetic stays exact and is rounded once, half away from zero, with
// the remainder told.

#include "rater/rating/price.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tallyman::rater {
namespace {

Rational r(const char* text) { return Rational::from_text(text).value(); }

TEST(Decimal, ReadsDecimalsAndNothingElse) {
  EXPECT_EQ(r("0.0215"), Rational(215, 10'000));
  EXPECT_EQ(r("-3.50").exact(), "-7/2");
  EXPECT_EQ(r("007").exact(), "7");
  EXPECT_EQ(r("-0"), Rational());
  EXPECT_FALSE(r("-0").negative());
  for (const char* bad : {"", "-", ".5", "5.", "1e3", "+1", " 1", "1,5", "0x1", "1.2.3", "--1",
                          "99999999999999999999999999999999999999999"}) {
    EXPECT_FALSE(Rational::from_text(bad)) << bad;
  }
}

TEST(Decimal, RoundsHalfAwayFromZeroOnce) {
  EXPECT_EQ(r("0.125").fixed(2), "0.13");
  EXPECT_EQ(r("0.1249999").fixed(2), "0.12");
  EXPECT_EQ(r("-0.125").fixed(2), "-0.13");
  EXPECT_EQ(r("-0.001").fixed(2), "0.00");
  EXPECT_EQ(r("2.5").fixed(0), "3");
  EXPECT_EQ(r("1.9999999").floored(6), "1.999999");
  EXPECT_EQ(r("12.500").text(9), "12.5");
  EXPECT_EQ(r("100").text(9), "100");
  EXPECT_EQ(Rational(1, 3).fixed(9), "0.333333333");
}

TEST(Decimal, IsExactBeyond53And64And128Bits) {
  const Rational big(~u128{0});
  EXPECT_EQ(big.exact(), "340282366920938463463374607431768211455");
  EXPECT_EQ(((big * big) / big), big);
  EXPECT_EQ((Rational(9007199254740993) / Rational(1'000'000'000)).text(9), "9007199.254740993");
  EXPECT_EQ((Rational(1, 3) + Rational(1, 6)), Rational(1, 2));
  EXPECT_LT(big - Rational(1), big);
}

TEST(Decimal, AgreesWithIntegersOnRandomFractions) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto pick = [&] { return static_cast<__int128>(random() % 2'000'000); };
    const __int128 a = pick(), b = pick() + 1, c = pick(), d = pick() + 1;
    const Rational x(static_cast<u128>(a), static_cast<u128>(b));
    const Rational y(static_cast<u128>(c), static_cast<u128>(d));
    EXPECT_EQ(x < y, a * d < c * b);
    EXPECT_EQ(x * y, Rational(static_cast<u128>(a * c), static_cast<u128>(b * d)));
    EXPECT_EQ(x + y, Rational(static_cast<u128>(a * d + c * b), static_cast<u128>(b * d)));
    EXPECT_EQ((x - y) + y, x);
    EXPECT_EQ(x.fixed(0), to_decimal(static_cast<u128>((2 * a + b) / (2 * b))));
  }
}

TEST(Price, RoundsToTheMinorUnitAndTellsTheRemainder) {
  const Amount euro = amount_of(r("12.345"), "EUR");
  EXPECT_EQ(euro.text, "12.35");
  EXPECT_EQ(euro.remainder.text(12), "-0.005");
  EXPECT_EQ(euro.value + euro.remainder, r("12.345"));
  EXPECT_EQ(amount_of(r("12.5"), "JPY").text, "13");
  EXPECT_EQ(amount_of(r("12.3456"), "KWD").text, "12.346");
  EXPECT_EQ(amount_of(r("0"), "EUR").text, "0.00");
}

TEST(Price, OveruseIsNeverNegative) {
  EXPECT_EQ(overuse_of(r("5"), r("7.5")), Rational());
  EXPECT_EQ(overuse_of(r("7.5"), r("5")), r("2.5"));
}

}  // namespace
}  // namespace tallyman::rater
