#include "agent/dropin/settling.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tallyman::agent {
namespace {

using Paths = std::vector<std::string>;

FileStamp stamp(std::uint64_t number) {
  FileStamp out;
  out.inode = number;
  return out;
}

auto said(Writer writer) {
  return [writer](const std::string&) { return writer; };
}

// Given a file that appears, then it is taken once it was quiet, sooner when nobody has it open for
// writing, at once when its writer closed it, and not while somebody writes.
TEST(Settling, waits_for_quiet) {
  SettlingFiles files;
  files.look({{"a", stamp(1)}}, 0);
  EXPECT_TRUE(files.unsettled());
  EXPECT_EQ(files.take(kQuietUnwritten - 1, said(Writer::none)), Paths{});
  EXPECT_EQ(files.take(kQuietUnwritten, said(Writer::unknown)), Paths{});
  EXPECT_EQ(files.take(kQuietUnknown, said(Writer::some)), Paths{});
  EXPECT_EQ(files.take(kQuietUnwritten, said(Writer::none)), Paths{"a"});
  EXPECT_EQ(files.take(kQuietUnknown, said(Writer::none)), Paths{});
  EXPECT_FALSE(files.unsettled());
  files.look({{"a", stamp(2)}}, kSecond);
  EXPECT_EQ(files.take(2 * kSecond, said(Writer::unknown)), Paths{"a"});
  files.whole("a");
  files.look({{"a", stamp(3)}}, 3 * kSecond);
  EXPECT_EQ(files.take(3 * kSecond, said(Writer::some)), Paths{});
  EXPECT_EQ(files.take(3 * kSecond, said(Writer::unknown)), Paths{"a"});
}

// Given a file that was closed and is then changed again, then the close says nothing of the
// change.
TEST(Settling, a_close_is_of_what_was_closed) {
  SettlingFiles files;
  files.whole("a");
  files.look({{"a", stamp(1)}}, 0);
  files.look({{"a", stamp(2)}}, 1);
  EXPECT_EQ(files.take(1, said(Writer::unknown)), Paths{});
  files.whole("b");  // of a file that is never seen
  files.look({{"a", stamp(2)}}, kQuietUnknown + 1);
  EXPECT_EQ(files.take(kQuietUnknown + 1, said(Writer::unknown)), Paths{"a"});
}

// Given a file that vanishes, then it is gone after a while, once; one that comes back before is
// not, and was not changed if it is as it was.
TEST(Settling, gone_is_gone_after_a_while) {
  SettlingFiles files;
  files.look({{"a", stamp(1)}, {"b", stamp(1)}}, 0);
  EXPECT_EQ(files.take(kSecond, said(Writer::none)), (Paths{"a", "b"}));
  files.look({}, 2 * kSecond);
  EXPECT_TRUE(files.unsettled());
  EXPECT_FALSE(files.as_taken("a"));
  EXPECT_EQ(files.gone(2 * kSecond + kGoneAfter - 1), Paths{});
  files.look({{"a", stamp(1)}}, 2 * kSecond + kGoneAfter - 1);
  EXPECT_TRUE(files.as_taken("a"));
  EXPECT_EQ(files.gone(2 * kSecond + kGoneAfter), Paths{"b"});
  EXPECT_EQ(files.gone(9 * kSecond), Paths{});
  EXPECT_EQ(files.take(9 * kSecond, said(Writer::none)), Paths{});
  files.again();
  EXPECT_EQ(files.take(9 * kSecond, said(Writer::none)), Paths{"a"});
}

// Given any sequence of writes, closes, removals and looks, then every file that is left alone is
// taken in its last state, none is taken while it is written, and what is gone is told as often as
// it went for good after it was taken.
TEST(Settling, ends_with_the_last_state) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 200; round++) {
    SettlingFiles files;
    SettlingFiles::Seen there;
    std::map<std::string, std::uint64_t> taken;
    std::map<std::string, bool> writing;
    std::uint64_t next = 1;
    Ns boot = 0;
    const bool told = round % 2 == 0;  // whether the kernel tells who writes
    const auto who = [&](const std::string& path) {
      if (!told) return Writer::unknown;
      return writing[path] ? Writer::some : Writer::none;
    };
    const auto step = [&] {
      files.look(there, boot);
      for (const std::string& path : files.take(boot, who)) {
        ASSERT_TRUE(there.contains(path));
        ASSERT_FALSE(told && writing[path]);
        taken[path] = there[path].inode;
      }
      for (const std::string& path : files.gone(boot)) {
        ASSERT_FALSE(there.contains(path));
        taken.erase(path);
      }
    };
    for (int i = 0; i < 100; i++) {
      const std::string path(1, static_cast<char>('a' + random() % 3));
      boot += static_cast<Ns>(random() % 400) * kMillisecond;
      switch (random() % 5) {
        case 0:
          writing[path] = true;
          there[path] = stamp(next++);
          break;
        case 1:
          if (there.contains(path)) files.whole(path);
          writing[path] = false;
          break;
        case 2:
          there.erase(path);
          writing[path] = false;
          break;
        default:
          step();
      }
    }
    writing.clear();
    step();
    boot += kGoneAfter + kQuietUnknown;
    step();
    ASSERT_EQ(taken.size(), there.size());
    for (const auto& [path, last] : there) {
      ASSERT_EQ(taken[path], last.inode);
      ASSERT_TRUE(files.as_taken(path));
    }
    ASSERT_FALSE(files.unsettled());
  }
}

}  // namespace
}  // namespace tallyman::agent
