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

Amount amount_of(const Rational& exact, std::string_view currency, Rounding rounding) {
  const unsigned decimals = minor_unit_decimals(currency);
  const Rational rounded = exact.rounded(decimals, rounding);
  return {rounded.fixed(decimals), rounded, exact - rounded};
}

Rational overuse_of(const Rational& quantity, const Rational& allowance) {
  return quantity > allowance ? quantity - allowance : Rational();
}

std::vector<ChargeLine> charge_of(const PlanItem& item, const Rational& overuse,
                                  const Rational& scale) {
  if (overuse.zero()) return {};
  std::vector<ChargeLine> lines;
  const Rational price = item.price.value_or(Rational());
  switch (item.pricing) {
    case Pricing::flat:
      return {{overuse, price}};
    case Pricing::package:
      return {{(overuse / item.package).ceiling(), price}};
    case Pricing::volume:
      for (const Tier& tier : item.tiers) {
        if (!tier.up_to || overuse <= *tier.up_to * scale) return {{overuse, tier.price}};
      }
      break;
    case Pricing::graduated: {
      Rational below;
      for (const Tier& tier : item.tiers) {
        if (overuse <= below) break;
        const Rational bound = tier.up_to ? *tier.up_to * scale : overuse;
        const Rational upper = std::min(bound, overuse);
        lines.push_back({upper - below, tier.price});
        below = upper;
      }
      break;
    }
  }
  return lines;
}

std::vector<AppliedRule> apply_rules(const QuantityRules& rules, const Rational& quantity,
                                     const Rational& scale) {
  std::vector<AppliedRule> applied;
  Rational now = quantity;
  const auto note = [&](const char* rule, const Rational& value, const Rational& after) {
    applied.push_back({rule, value, now, after});
    now = after;
  };
  if (rules.increment) {
    note("increment", *rules.increment, (now / *rules.increment).ceiling() * *rules.increment);
  }
  if (rules.minimum) {
    const Rational minimum = *rules.minimum * scale;
    note("minimum", minimum, std::max(now, minimum));
  }
  if (rules.cap) {
    const Rational cap = *rules.cap * scale;
    note("cap", cap, std::min(now, cap));
  }
  return applied;
}

}  // namespace tallyman::rater
