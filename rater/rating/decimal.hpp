#pragma once
// Exact numbers: what is billed is a fraction of integers until its one final rounding. The
// arithmetic is Boost.Multiprecision's, included by decimal.cpp only.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/u128.hpp"

namespace tallyman::rater {

/// How an amount becomes whole minor units. Away from zero: half_up (of halves), up (of all).
enum class Rounding : std::uint8_t { half_up, half_even, up, down };
[[nodiscard]] const char* rounding_name(Rounding rounding);

/// A fraction of unbounded integers, always in lowest terms; a plain value, any thread. Dividing by
/// zero is a programming error and throws std::domain_error.
class Rational {
 public:
  Rational() = default;                   ///< 0
  explicit Rational(u128 whole);          ///< an integer
  Rational(u128 dividend, u128 divisor);  ///< divisor ≠ 0
  /// "12", "0.0215", "-3.5": at most 40 digits in all; nothing else, no exponent.
  static std::optional<Rational> from_text(std::string_view decimal);

  friend Rational operator+(const Rational& a, const Rational& b);
  friend Rational operator-(const Rational& a, const Rational& b);
  friend Rational operator*(const Rational& a, const Rational& b);
  friend Rational operator/(const Rational& a, const Rational& b);
  friend std::strong_ordering operator<=>(const Rational& a, const Rational& b);
  friend bool operator==(const Rational& a, const Rational& b) = default;

  [[nodiscard]] bool zero() const { return dividend_.empty(); }
  [[nodiscard]] bool negative() const { return negative_; }

  /// The nearest multiple of 10^-decimals; a half goes away from zero, or by another rule.
  [[nodiscard]] Rational rounded(unsigned decimals, Rounding rounding = Rounding::half_up) const;
  /// The least integer that is not below it.
  [[nodiscard]] Rational ceiling() const;
  /// rounded(), written with exactly that many decimals: "12.50".
  [[nodiscard]] std::string fixed(unsigned decimals) const;
  /// rounded(), written without trailing zeros: "12.5".
  [[nodiscard]] std::string text(unsigned decimals) const;
  /// Cut off towards zero, with exactly that many decimals: what a coverage is shown with, so that
  /// 1 means all of it.
  [[nodiscard]] std::string floored(unsigned decimals) const;
  /// The whole of it: an integer "12", or a fraction "1/3".
  [[nodiscard]] std::string exact() const;
  /// The same as a decimal, "12.5", wherever a decimal can be exact; else as exact().
  [[nodiscard]] std::string exact_decimal() const;

 private:
  struct Arithmetic;
  using Limbs = std::vector<std::uint64_t>;  ///< least significant first, no leading zeros
  bool negative_ = false;                    ///< never of zero
  Limbs dividend_;                           ///< empty = 0
  Limbs divisor_ = {1};
};

}  // namespace tallyman::rater
