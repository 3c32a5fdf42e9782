#include "rater/rating/price.hpp"

#include <algorithm>
#include <array>

namespace tallyman::rater {

namespace {

constexpr std::array<std::string_view, 15> kNoMinor{"BIF", "CLP", "DJF", "GNF", "ISK",
                                                    "JPY", "KMF", "KRW", "PYG", "RWF",
                                                    "UGX", "VND", "VUV", "XAF", "XOF"};
constexpr std::array<std::string_view, 7> kThree{"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};

}  // namespace

unsigned minor_unit_decimals(std::string_view currency) {
  const auto is = [&](std::string_view code) { return code == currency; };
  if (currency == "XPF" || std::any_of(kNoMinor.begin(), kNoMinor.end(), is)) return 0;
  if (std::any_of(kThree.begin(), kThree.end(), is)) return 3;
  return currency == "CLF" || currency == "UYW" ? 4 : 2;
}

Amount amount_of(const Rational& exact, std::string_view currency) {
  const unsigned decimals = minor_unit_decimals(currency);
  const Rational rounded = exact.rounded(decimals);
  return {exact.fixed(decimals), rounded, exact - rounded};
}

Rational overuse_of(const Rational& quantity, const Rational& allowance) {
  return quantity > allowance ? quantity - allowance : Rational();
}

}  // namespace tallyman::rater
