#include "rater/rating/decimal.hpp"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <iterator>
#include <stdexcept>

namespace tallyman::rater {

using Integer = boost::multiprecision::cpp_int;

/// The bridge between the stored limbs and the library's integers.
struct Rational::Arithmetic {
  Integer dividend, divisor;

  static Integer integer(const Limbs& limbs) {
    Integer value;
    if (!limbs.empty()) {
      boost::multiprecision::import_bits(value, limbs.begin(), limbs.end(), 64, false);
    }
    return value;
  }
  static Limbs limbs(const Integer& magnitude) {
    Limbs out;
    if (!magnitude.is_zero()) {
      boost::multiprecision::export_bits(magnitude, std::back_inserter(out), 64, false);
    }
    return out;
  }

  explicit Arithmetic(const Rational& r)
      : dividend(integer(r.dividend_)), divisor(integer(r.divisor_)) {
    if (r.negative_) dividend = -dividend;
  }
  Arithmetic(Integer a, Integer b) : dividend(std::move(a)), divisor(std::move(b)) {}

  [[nodiscard]] Rational reduced() const {
    if (divisor.is_zero()) throw std::domain_error("a fraction with divisor zero");
    const Integer common = gcd(dividend, divisor);
    Rational r;
    r.negative_ = (dividend < 0) != (divisor < 0) && !dividend.is_zero();
    r.dividend_ = limbs(abs(dividend) / common);
    r.divisor_ = limbs(abs(divisor) / common);
    return r;
  }

  static Integer power_of_ten(unsigned exponent) {
    return boost::multiprecision::pow(Integer(10), exponent);
  }
  /// |value| × 10^decimals as an integer.
  [[nodiscard]] Integer scaled(unsigned decimals, Rounding rounding) const {
    const Integer top = abs(dividend) * power_of_ten(decimals);
    const Integer whole = top / divisor, rest = top % divisor;
    bool up = false;
    switch (rounding) {
      case Rounding::down:
        break;
      case Rounding::up:
        up = !rest.is_zero();
        break;
      case Rounding::half_up:
        up = rest * 2 >= divisor;
        break;
      case Rounding::half_even:
        up = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 != 0);
        break;
    }
    return up ? Integer(whole + 1) : whole;
  }
  static std::string written(const Integer& scaled, bool negative, unsigned decimals) {
    std::string digits = scaled.str();
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    if (decimals > 0) digits.insert(digits.size() - decimals, 1, '.');
    if (negative && !scaled.is_zero()) digits.insert(0, 1, '-');
    return digits;
  }
};

Rational::Rational(u128 whole) : Rational(whole, 1) {}

Rational::Rational(u128 dividend, u128 divisor) {
  const auto integer = [](u128 v) {
    return (Integer(static_cast<std::uint64_t>(v >> 64U)) << 64U) + static_cast<std::uint64_t>(v);
  };
  *this = Arithmetic(integer(dividend), integer(divisor)).reduced();
}

std::optional<Rational> Rational::from_text(std::string_view decimal) {
  const bool negative = decimal.starts_with('-');
  if (negative) decimal.remove_prefix(1);
  const std::size_t point = decimal.find('.');
  std::string digits(decimal.substr(0, point));
  unsigned decimals = 0;
  if (point != std::string_view::npos) {
    const std::string_view fraction = decimal.substr(point + 1);
    if (digits.empty() || fraction.empty()) return std::nullopt;
    digits += fraction;
    decimals = static_cast<unsigned>(fraction.size());
  }
  constexpr std::size_t kMaxDigits = 40;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || digits.size() > kMaxDigits ||
      !std::all_of(digits.begin(), digits.end(), is_digit)) {
    return std::nullopt;
  }
  Integer value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  if (negative) value = -value;
  return Arithmetic(value, Arithmetic::power_of_ten(decimals)).reduced();
}

Rational operator+(const Rational& a, const Rational& b) {
  const Rational::Arithmetic x(a), y(b);
  return Rational::Arithmetic(x.dividend * y.divisor + y.dividend * x.divisor,
                              x.divisor * y.divisor)
      .reduced();
}

Rational operator-(const Rational& a, const Rational& b) {
  const Rational::Arithmetic x(a), y(b);
  return Rational::Arithmetic(x.dividend * y.divisor - y.dividend * x.divisor,
                              x.divisor * y.divisor)
      .reduced();
}

Rational operator*(const Rational& a, const Rational& b) {
  const Rational::Arithmetic x(a), y(b);
  return Rational::Arithmetic(x.dividend * y.dividend, x.divisor * y.divisor).reduced();
}

Rational operator/(const Rational& a, const Rational& b) {
  const Rational::Arithmetic x(a), y(b);
  return Rational::Arithmetic(x.dividend * y.divisor, x.divisor * y.dividend).reduced();
}

std::strong_ordering operator<=>(const Rational& a, const Rational& b) {
  const Rational::Arithmetic x(a), y(b);
  const int order = Integer(x.dividend * y.divisor).compare(Integer(y.dividend * x.divisor));
  return order <=> 0;
}

Rational Rational::rounded(unsigned decimals, Rounding rounding) const {
  const Arithmetic a(*this);
  const Integer scaled = a.scaled(decimals, rounding);
  return Arithmetic(negative_ ? Integer(-scaled) : scaled, Arithmetic::power_of_ten(decimals))
      .reduced();
}

Rational Rational::ceiling() const { return rounded(0, negative_ ? Rounding::down : Rounding::up); }

std::string Rational::fixed(unsigned decimals) const {
  return Arithmetic::written(Arithmetic(*this).scaled(decimals, Rounding::half_up), negative_,
                             decimals);
}

std::string Rational::text(unsigned decimals) const {
  std::string out = fixed(decimals);
  if (decimals == 0) return out;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::string Rational::floored(unsigned decimals) const {
  return Arithmetic::written(Arithmetic(*this).scaled(decimals, Rounding::down), negative_,
                             decimals);
}

std::string Rational::exact() const {
  const Arithmetic a(*this);
  return a.divisor == 1 ? a.dividend.str() : a.dividend.str() + "/" + a.divisor.str();
}

std::string Rational::exact_decimal() const {
  Integer rest = Arithmetic::integer(divisor_);
  unsigned twos = 0, fives = 0;
  for (; rest % 2 == 0; rest /= 2) ++twos;
  for (; rest % 5 == 0; rest /= 5) ++fives;
  return rest == 1 ? text(std::max(twos, fives)) : exact();
}

const char* rounding_name(Rounding rounding) {
  switch (rounding) {
    case Rounding::half_up:
      return "half_up";
    case Rounding::half_even:
      return "half_even";
    case Rounding::up:
      return "up";
    case Rounding::down:
      break;
  }
  return "down";
}

}  // namespace tallyman::rater
