#include "base/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/fake_files.hpp"

namespace tallyman {
namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/tallyman-files-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path;
};

Bytes text(std::string_view s) { return {s.begin(), s.end()}; }

// Both must behave alike, or tests against the fake prove nothing.
void behaves_as_a_file_system(Files& files, const std::string& root) {
  const std::string folder = root + "/a/b";
  ASSERT_TRUE(files.make_directories(folder).ok());
  ASSERT_TRUE(files.make_directories(folder).ok());
  auto file = files.open(folder + "/x", OpenMode::create_new);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(files.open(folder + "/x", OpenMode::create_new).ok());
  ASSERT_TRUE((*file)->allocate(4096).ok());
  ASSERT_TRUE((*file)->write_at(0, text("hello world")).ok());
  ASSERT_TRUE((*file)->write_at(6, text("there")).ok());
  EXPECT_EQ(*(*file)->size(), 11U);
  EXPECT_EQ(*(*file)->read_at(6, 100), text("there"));
  EXPECT_EQ((*file)->read_at(11, 1)->size(), 0U);
  ASSERT_TRUE((*file)->truncate(5).ok());
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_EQ(*read_file(files, folder + "/x"), text("hello"));
  EXPECT_FALSE(read_file(files, folder + "/x", 4).ok());
  EXPECT_FALSE(read_file(files, folder + "/none").ok());

  ASSERT_TRUE(write_file_atomically(files, folder + "/y", text("one")).ok());
  ASSERT_TRUE(write_file_atomically(files, folder + "/y", text("two"), Durable::no).ok());
  EXPECT_EQ(*read_file(files, folder + "/y"), text("two"));
  EXPECT_EQ(*files.list(folder), (std::vector<std::string>{"x", "y"}));
  EXPECT_FALSE(files.list(root + "/none").ok());
  EXPECT_FALSE(files.remove(folder).ok());
  ASSERT_TRUE(files.rename(folder + "/x", folder + "/z").ok());
  ASSERT_TRUE(files.remove(folder + "/z").ok());
  EXPECT_FALSE(files.remove(folder + "/z").ok());
  EXPECT_FALSE(files.exists(folder + "/z"));
  EXPECT_TRUE(files.exists(folder + "/y"));
  ASSERT_TRUE(files.sync_directory(folder).ok());
  EXPECT_GT(files.space(folder)->total, 0U);

  auto lock = files.lock(folder + "/lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(files.lock(folder + "/lock").ok());
  lock->reset();
  EXPECT_TRUE(files.lock(folder + "/lock").ok());
}

// Given a real folder, then files are written, read, renamed, listed and locked in it.
TEST(Files, Real) {
  const Folder folder;
  behaves_as_a_file_system(real_files(), folder.path);
  struct stat st {};
  ASSERT_EQ(::stat((folder.path + "/a/b/y").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
}

// Given the fake, then it does the same.
TEST(Files, Fake) {
  FakeFiles files;
  behaves_as_a_file_system(files, "/spool");
}

// Given a failure at any call of an atomic write, then the file holds the old bytes or the new.
TEST(Files, AtomicWriteIsAllOrNothing) {
  for (std::uint64_t k = 0;; ++k) {
    FakeFiles files;
    ASSERT_TRUE(files.make_directories("/d").ok());
    ASSERT_TRUE(write_file_atomically(files, "/d/f", text("old")).ok());
    const std::uint64_t before = files.calls();
    files.fail(before + k, EIO, 1000);
    const bool ok = write_file_atomically(files, "/d/f", text("newer")).ok();
    for (const Crash crash : {Crash::process, Crash::lost, Crash::torn}) {
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto bytes = read_file(*files.after(crash, seed), "/d/f");
        ASSERT_TRUE(bytes.ok());
        EXPECT_TRUE(*bytes == text("newer") || (!ok && *bytes == text("old")));
      }
    }
    if (ok) {
      EXPECT_EQ(k, 5U);  // open, write, sync, rename, sync_directory
      break;
    }
  }
}

// Given unsynced writes and names, then a power loss may leave each sector in any of its versions,
// each length and each name, in every combination; and what was synced is in all of them.
TEST(Files, FakePowerLossStates) {
  FakeFiles files;
  ASSERT_TRUE(files.make_directories("/d").ok());
  auto file = files.open("/d/f", OpenMode::create_new);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write_at(0, Bytes(512, 'a')).ok());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE(files.sync_directory("/d").ok());
  EXPECT_EQ(files.open_questions(), std::vector<std::size_t>{1});  // of its length: no question

  ASSERT_TRUE((*file)->write_at(0, Bytes(512, 'b')).ok());
  ASSERT_TRUE((*file)->write_at(0, Bytes(520, 'c')).ok());
  ASSERT_TRUE(files.rename("/d/f", "/d/g").ok());
  // The name; two lengths; three versions of the first sector, two of the second.
  EXPECT_EQ(files.open_questions(), (std::vector<std::size_t>{2, 2, 3, 2}));
  std::set<std::string> states;
  for (std::size_t n = 0; n < 24; ++n) {
    const std::vector<std::size_t> answers{n % 2, n / 2 % 2, n / 4 % 3, n / 12};
    const auto left = files.after(answers);
    ASSERT_EQ(left->paths().size(), 1U);
    const Bytes& bytes = *left->bytes_of(left->paths()[0]);
    states.insert(left->paths()[0] + " " + std::string(bytes.begin(), bytes.end()));
  }
  // With the old length the second sector does not matter.
  EXPECT_EQ(states.size(), 2U * (3U + 3U * 2U));
  EXPECT_TRUE(states.contains("/d/f " + std::string(512, 'a')));
  EXPECT_TRUE(states.contains("/d/g " + std::string(512, 'b') + std::string(8, 'c')));
  EXPECT_TRUE(states.contains("/d/g " + std::string(512, 'a') + std::string(8, '\0')));
}

// Given a full disk, then an error names the path and the remedy, and half a write is what stands.
TEST(Files, ErrorsSayWhatToDo) {
  FakeFiles files;
  ASSERT_TRUE(files.make_directories("/d").ok());
  files.set_space(10, 4);
  auto file = files.open("/d/f", OpenMode::truncate);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->write_at(0, text("abcdef")).ok());
  EXPECT_EQ(*(*file)->size(), 4U);
  const auto none = real_files().open("/nonexistent/f", OpenMode::truncate);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().where, "/nonexistent/f");
  EXPECT_FALSE(none.error().todo.empty());
}

}  // namespace
}  // namespace tallyman
