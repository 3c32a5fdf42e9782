// Errors as values, and the one line that people read.

#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace tallyman {
namespace {

// Given an error with or without its parts, then its text is one line of those it has.
TEST(Result, ErrorsAreOneLine) {
  EXPECT_EQ((Error{"it broke", "", ""}.text()), "it broke");
  EXPECT_EQ((Error{"it broke", "a.toml:3:1", ""}.text()), "a.toml:3:1: it broke");
  EXPECT_EQ((Error{"it broke", "a.toml:3:1", "mend it"}.text()), "a.toml:3:1: it broke; mend it");
  EXPECT_EQ((Error{"two\nlines", "", "a\r\nb"}.text()), "two lines; a  b");
}

// Given an errno, then the error says it in words.
TEST(Result, ErrnoIsSaidInWords) {
  EXPECT_EQ(errno_error("cannot open it", "/x", ENOENT, "create it").text(),
            "/x: cannot open it: No such file or directory; create it");
}

// Given a value or an error, then the result holds that one; reading the other side throws.
TEST(Result, HoldsOneSide) {
  const Result<int> good = 3;
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  EXPECT_THROW((void)good.error(), std::bad_variant_access);
  const Result<int> bad = Error{"no", "", ""};
  EXPECT_FALSE(bad);
  EXPECT_THROW((void)bad.value(), std::bad_variant_access);
  Result<std::unique_ptr<int>> owned = std::make_unique<int>(4);
  const std::unique_ptr<int> taken = *std::move(owned);
  EXPECT_EQ(*taken, 4);
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(Status(Error{"no", "", ""}).ok());
}

// Given a result that nobody keeps, then what is read from it is a value of its own, so that a loop
// over it walks over something that lives.
TEST(Result, ATemporaryGivesItsValueAway) {
  using Texts = std::vector<std::string>;
  const auto call = [] { return Result<Texts>(Texts{"one", "a longer one than fits"}); };
  static_assert(!std::is_reference_v<decltype(*call())>);
  static_assert(!std::is_reference_v<decltype(call().value())>);
  std::string all;
  for (const std::string& each : *call()) all += each;
  EXPECT_EQ(all, "onea longer one than fits");
}

}  // namespace
}  // namespace tallyman
