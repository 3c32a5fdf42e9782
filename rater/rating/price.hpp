#pragma once
// From a quantity to money. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "rater/rating/decimal.hpp"

namespace tallyman::rater {

/// Decimals of a currency's minor unit (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD; 2 for one that
/// is not known to differ.
[[nodiscard]] unsigned minor_unit_decimals(std::string_view currency);

/// What overuse costs.
struct Amount {
  std::string text;    ///< rounded half-up to the currency's minor units: "12.35"
  Rational value;      ///< the same, to be added up
  Rational remainder;  ///< exact amount − rounded amount: what the one rounding gave or took
};
[[nodiscard]] Amount amount_of(const Rational& exact, std::string_view currency);

/// max(0, quantity − allowance).
[[nodiscard]] Rational overuse_of(const Rational& quantity, const Rational& allowance);

}  // namespace tallyman::rater
