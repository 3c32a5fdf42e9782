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

/// Given each rule and values at, below and above a half, then the minor unit is the rule's.
TEST(Price, RoundsByEveryRule) {
  struct Row {
    const char* exact;
    const char* half_up;
    const char* half_even;
    const char* up;
    const char* down;
  };
  for (const Row& row :
       {Row{"0.125", "0.13", "0.12", "0.13", "0.12"}, Row{"0.135", "0.14", "0.14", "0.14", "0.13"},
        Row{"0.1349", "0.13", "0.13", "0.14", "0.13"},
        Row{"0.1351", "0.14", "0.14", "0.14", "0.13"}, Row{"0.13", "0.13", "0.13", "0.13", "0.13"},
        Row{"0.001", "0.00", "0.00", "0.01", "0.00"},
        Row{"-0.125", "-0.13", "-0.12", "-0.13", "-0.12"}}) {
    const auto text = [&](Rounding rounding) { return amount_of(r(row.exact), "EUR", rounding); };
    EXPECT_EQ(text(Rounding::half_up).text, row.half_up) << row.exact;
    EXPECT_EQ(text(Rounding::half_even).text, row.half_even) << row.exact;
    EXPECT_EQ(text(Rounding::up).text, row.up) << row.exact;
    EXPECT_EQ(text(Rounding::down).text, row.down) << row.exact;
    for (const Rounding rounding : {Rounding::half_up, Rounding::half_even, Rounding::up}) {
      const Amount amount = text(rounding);
      EXPECT_EQ(amount.value + amount.remainder, r(row.exact));
    }
  }
}

TEST(Decimal, WritesADecimalWhereOneIsExact) {
  EXPECT_EQ(Rational(1, 8).exact_decimal(), "0.125");
  EXPECT_EQ(Rational(7, 20).exact_decimal(), "0.35");
  EXPECT_EQ(Rational(2, 3).exact_decimal(), "2/3");
  EXPECT_EQ(Rational(12).exact_decimal(), "12");
  EXPECT_EQ(Rational().exact_decimal(), "0");
  EXPECT_EQ(r("-2.50").exact_decimal(), "-2.5");
  EXPECT_EQ(r("7.2").ceiling(), r("8"));
  EXPECT_EQ(r("7").ceiling(), r("7"));
  EXPECT_EQ(r("-7.2").ceiling(), r("-7"));
}

PlanItem item_of(Pricing pricing,
                 std::initializer_list<std::pair<const char*, const char*>> tiers) {
  PlanItem item;
  item.pricing = pricing;
  for (const auto& [up_to, price] : tiers) {
    Tier tier{std::nullopt, r(price)};
    if (*up_to != '\0') tier.up_to = r(up_to);
    item.tiers.push_back(tier);
  }
  return item;
}

Rational cost(const PlanItem& item, const Rational& overuse, const Rational& scale = Rational(1)) {
  Rational sum;
  for (const ChargeLine& line : charge_of(item, overuse, scale)) {
    EXPECT_FALSE(line.quantity.zero());
    sum = sum + line.amount();
  }
  return sum;
}

/// Given overuse at, below and above the bounds of tiers, then each pricing costs what it says.
TEST(Price, TiersAtTheirBounds) {
  const auto tiers = {std::pair{"10", "3"}, std::pair{"20", "2"}, std::pair{"", "1"}};
  const PlanItem graduated = item_of(Pricing::graduated, tiers);
  const PlanItem volume = item_of(Pricing::volume, tiers);
  PlanItem package, flat;
  package.pricing = Pricing::package;
  package.package = r("10");
  flat.price = package.price = r("3");
  struct Row {
    const char* overuse;
    const char* graduated;
    const char* volume;
    const char* package;
    const char* flat;
  };
  for (const Row& row :
       {Row{"0", "0", "0", "0", "0"}, Row{"0.5", "1.5", "1.5", "3", "1.5"},
        Row{"9.999", "29.997", "29.997", "3", "29.997"}, Row{"10", "30", "30", "3", "30"},
        Row{"10.001", "30.002", "20.002", "6", "30.003"}, Row{"20", "50", "40", "6", "60"},
        Row{"20.5", "50.5", "20.5", "9", "61.5"}, Row{"1000", "1030", "1000", "300", "3000"}}) {
    EXPECT_EQ(cost(graduated, r(row.overuse)), r(row.graduated)) << row.overuse;
    EXPECT_EQ(cost(volume, r(row.overuse)), r(row.volume)) << row.overuse;
    EXPECT_EQ(cost(package, r(row.overuse)), r(row.package)) << row.overuse;
    EXPECT_EQ(cost(flat, r(row.overuse)), r(row.flat)) << row.overuse;
  }
  EXPECT_EQ(charge_of(graduated, r("20"), Rational(1)).size(), 2U);
  EXPECT_EQ(charge_of(graduated, r("20.1"), Rational(1)).size(), 3U);
  // Half of a period: the bounds are half of what they were, the packages are not.
  EXPECT_EQ(cost(graduated, r("10"), Rational(1, 2)), r("25"));
  EXPECT_EQ(cost(volume, r("10"), Rational(1, 2)), r("20"));
  EXPECT_EQ(cost(volume, r("10.5"), Rational(1, 2)), r("10.5"));
  EXPECT_EQ(cost(package, r("10.5"), Rational(1, 2)), r("6"));
}

/// Given random tiers and whole units, then the charge is that of counting unit by unit.
TEST(Price, TiersAgreeWithCountingUnits) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 500; ++round) {
    PlanItem graduated;
    graduated.pricing = Pricing::graduated;
    std::vector<std::uint64_t> bounds;
    std::uint64_t bound = 0;
    for (std::uint64_t i = random() % 4; i > 0; --i) bounds.push_back(bound += 1 + random() % 30);
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      Tier tier{std::nullopt, Rational(random() % 1000, 100)};
      if (i < bounds.size()) tier.up_to = Rational(bounds[i]);
      graduated.tiers.push_back(tier);
    }
    PlanItem volume = graduated;
    volume.pricing = Pricing::volume;
    const std::uint64_t units = random() % 150;
    Rational by_unit, by_last;
    for (std::uint64_t unit = 1; unit <= units; ++unit) {
      std::size_t tier = 0;
      while (tier < bounds.size() && unit > bounds[tier]) ++tier;
      by_unit = by_unit + graduated.tiers[tier].price;
      by_last = graduated.tiers[tier].price * Rational(units);
    }
    EXPECT_EQ(cost(graduated, Rational(units)), by_unit);
    EXPECT_EQ(cost(volume, Rational(units)), by_last);
  }
}

/// Given increment, minimum and cap, then they apply in this order, and each is told.
TEST(Price, RulesApplyInOrder) {
  QuantityRules rules{r("1"), r("10"), r("20.5")};
  const auto after = [&](const char* quantity, const Rational& scale = Rational(1)) {
    return apply_rules(rules, r(quantity), scale).back().after;
  };
  EXPECT_EQ(after("0"), r("10"));
  EXPECT_EQ(after("9.2"), r("10"));
  EXPECT_EQ(after("10.2"), r("11"));
  EXPECT_EQ(after("11"), r("11"));
  EXPECT_EQ(after("20.1"), r("20.5")) << "a cap is no multiple of the increment";
  EXPECT_EQ(after("3.5", Rational(1, 2)), r("5")) << "half of the minimum";
  EXPECT_EQ(after("30", Rational(1, 2)), r("10.25"));
  const auto steps = apply_rules(rules, r("10.2"), Rational(1));
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_STREQ(steps[0].rule, "increment");
  EXPECT_EQ(steps[0].before, r("10.2"));
  EXPECT_EQ(steps[1].before, steps[0].after);
  EXPECT_TRUE(apply_rules({}, r("1"), Rational(1)).empty());
  rules = {r("0.3"), std::nullopt, std::nullopt};
  EXPECT_EQ(after("1"), r("1.2"));
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
