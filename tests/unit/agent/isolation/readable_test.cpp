#include "agent/isolation/readable.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>

namespace tallyman::agent {
namespace {

std::string contents(int fd) {
  std::array<char, 64> buffer{};
  const ssize_t n = pread(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

// Given a file, then it is handed out itself while everybody may read it, and as a copy that nobody
// can write when not: the same one until the file changes.
TEST(Readable, copies_what_is_closed) {
  std::string path = "/tmp/tallyman-readable-XXXXXX";
  const Fd made(mkstemp(path.data()));
  ASSERT_TRUE(made.valid());
  ASSERT_EQ(write(made.get(), "one", 3), 3);
  ReadableFiles files;
  fchmod(made.get(), 0755);
  auto open = files.open(path, S_IROTH | S_IXOTH);
  ASSERT_TRUE(open);
  EXPECT_FALSE(is_copy(open->get()));
  EXPECT_EQ(contents(open->get()), "one");

  fchmod(made.get(), 0750);
  auto closed = files.open(path, S_IROTH | S_IXOTH);
  ASSERT_TRUE(closed) << closed.error().text();
  EXPECT_TRUE(is_copy(closed->get()));
  EXPECT_EQ(contents(closed->get()), "one");
  EXPECT_EQ(write(closed->get(), "x", 1), -1);
  struct stat copy {
  }, again{}, other{};
  fstat(closed->get(), &copy);
  EXPECT_EQ(copy.st_mode & 0555U, 0555U) << "its user could not execute it";
  auto second = files.open(path, S_IROTH);
  ASSERT_TRUE(second);
  fstat(second->get(), &again);
  EXPECT_EQ(again.st_ino, copy.st_ino);

  ASSERT_EQ(write(made.get(), " two", 4), 4);
  auto changed = files.open(path, S_IROTH);
  ASSERT_TRUE(changed);
  fstat(changed->get(), &other);
  EXPECT_NE(other.st_ino, copy.st_ino);
  EXPECT_EQ(contents(changed->get()), "one two");
  EXPECT_EQ(contents(closed->get()), "one") << "who has the old one keeps it";
  std::filesystem::remove(path);
  EXPECT_FALSE(files.open(path, S_IROTH));
}

}  // namespace
}  // namespace tallyman::agent
