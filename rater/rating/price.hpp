#pragma once
// From a quantity to money. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rater/rating/catalogue.hpp"
#include "rater/rating/decimal.hpp"

namespace tallyman::rater {

/// Decimals of a currency's minor unit (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD; 2 for one that
/// is not known to differ.
[[nodiscard]] unsigned minor_unit_decimals(std::string_view currency);

/// An amount of money.
struct Amount {
  std::string text;    ///< rounded to the currency's minor units: "12.35"
  Rational value;      ///< the same, to be added up
  Rational remainder;  ///< exact amount − rounded amount: what the one rounding gave or took
};
[[nodiscard]] Amount amount_of(const Rational& exact, std::string_view currency,
                               Rounding rounding = Rounding::half_up);

/// max(0, quantity − allowance).
[[nodiscard]] Rational overuse_of(const Rational& quantity, const Rational& allowance);

/// So many units, or packages, at one price.
struct ChargeLine {
  Rational quantity, price;
  [[nodiscard]] Rational amount() const { return quantity * price; }
};
/// What overuse costs by an item of a plan, exactly; lines of nothing are left out. The bounds of
/// tiers apply `scale` times; packages are not scaled. The item is priced.
[[nodiscard]] std::vector<ChargeLine> charge_of(const PlanItem& item, const Rational& overuse,
                                                const Rational& scale);

/// One rule of a meter at work.
struct AppliedRule {
  const char* rule;  ///< "increment", "minimum", "cap"
  Rational value, before, after;
};
/// What the rules make of a quantity, in order: each that the meter has, whether it changes
/// anything or not. Minimum and cap apply `scale` times.
[[nodiscard]] std::vector<AppliedRule> apply_rules(const QuantityRules& rules,
                                                   const Rational& quantity, const Rational& scale);

}  // namespace tallyman::rater
