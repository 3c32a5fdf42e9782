#include "ceph/printable.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ceph {
namespace {

// Given names as they usually are, then they are their own labels; control characters are written.
TEST(Printable, Names) {
  for (const char* name : {"", "acme", "tenant$user", "50%", "100%zz", "%41", "m\xc3\xbcller"}) {
    EXPECT_EQ(printable(name), name);
  }
  EXPECT_EQ(printable("a\nb"), "a%0Ab");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "%00");
  EXPECT_EQ(printable("\x7f"), "%7F");
  EXPECT_EQ(printable("a%0Ab"), "a%250Ab");
}

// Given any names, then no two of them give one label, and none has a control character.
TEST(Printable, NoTwoGiveOne) {
  static constexpr char kLetters[] = {'%', '0', '2', '5', 'A', '\n', '\x7f', 'x'};
  std::mt19937_64 random(3);
  std::map<std::string, std::string> names;
  for (int i = 0; i < 20'000; ++i) {
    std::string name;
    for (std::uint64_t n = random() % 7; n > 0; --n) name += kLetters[random() % sizeof kLetters];
    const std::string label = printable(name);
    EXPECT_EQ(names.try_emplace(label, name).first->second, name) << label;
    for (const char c : label) EXPECT_TRUE(c >= 0x20 && c != 0x7f);
  }
}

}  // namespace
}  // namespace ceph
