#include "rater/ledger/ledger.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

// Given a new ledger, then it has a random id, which it keeps when it is opened again.
TEST(Ledger, KeepsItsId) {
  const testing::TempFolder folder;
  const FakeClock clock(5 * kSecond);
  std::uint64_t id = 0;
  {
    auto ledger = Ledger::open(folder.file("ledger.db"), clock);
    ASSERT_TRUE(ledger.ok()) << ledger.error().text();
    id = (*ledger)->id();
    EXPECT_NE(id, 0U);
    EXPECT_EQ((*ledger)->id_text().size(), 16U);
    EXPECT_GT((*ledger)->bytes(), 0U);
  }
  auto again = Ledger::open(folder.file("ledger.db"), clock);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_EQ((*again)->id(), id);
  auto other = Ledger::open(":memory:", clock);
  ASSERT_TRUE(other.ok());
  EXPECT_NE((*other)->id(), id);
}

// Given a ledger that a rater has open, then a second rater is refused, and the file is its owner's
// alone.
TEST(Ledger, OneRaterAndOneOwner) {
  const testing::TempFolder folder;
  const FakeClock clock;
  const std::string path = folder.file("ledger.db");
  const auto first = Ledger::open(path, clock);
  ASSERT_TRUE(first.ok()) << first.error().text();
  const auto second = Ledger::open(path, clock);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().where, path);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

// Given a file that is no database, and a folder that is not there, then opening says so and the
// file stays as it was.
TEST(Ledger, RefusesOtherFiles) {
  const testing::TempFolder folder;
  const FakeClock clock;
  const std::string text(4096, 'x');
  std::ofstream(folder.file("notes.txt")) << text;
  const auto notes = Ledger::open(folder.file("notes.txt"), clock);
  ASSERT_FALSE(notes.ok());
  EXPECT_EQ(notes.error().where, folder.file("notes.txt")) << notes.error().text();
  std::ifstream in(folder.file("notes.txt"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
  EXPECT_FALSE(Ledger::open(folder.file("nowhere/ledger.db"), clock).ok());
}

// Given a part whose tables are in the file already, then they are left alone; with another version
// it is refused.
TEST(Ledger, PartsHaveVersions) {
  const FakeClock clock;
  auto ledger = *Ledger::open(":memory:", clock);
  ASSERT_TRUE(ledger->prepare_part("one", 1, "CREATE TABLE one(a)").ok());
  ASSERT_TRUE(ledger->database().run("INSERT INTO one VALUES (1)").ok());
  ASSERT_TRUE(ledger->prepare_part("one", 1, "CREATE TABLE one(a)").ok());
  EXPECT_FALSE(ledger->prepare_part("one", 2, "DROP TABLE one").ok());
  auto row = ledger->database().prepare("SELECT count(*) FROM one");
  ASSERT_TRUE(row.step().ok());
  EXPECT_EQ(row.integer(0), 1);
  EXPECT_FALSE(ledger->prepare_part("two", 1, "CREATE NONSENSE").ok());
  EXPECT_TRUE(ledger->prepare_part("two", 1, "CREATE TABLE two(a)").ok());
}

// Given parts of older versions, then the upgrades that each lacks are run in order, once, and one
// that fails, a newer part and one too old leave the file as it was and say what to do.
TEST(Ledger, PartsAreBroughtUp) {
  const FakeClock clock;
  auto ledger = *Ledger::open(":memory:", clock);
  const auto add = [](const char* column) {
    return [sql = std::string("ALTER TABLE one ADD COLUMN ") + column](Database& database) {
      return database.run(sql);
    };
  };
  const std::vector<PartUpgrade> both{add("b"), add("c")};
  const char* newest = "CREATE TABLE one(a, b, c)";
  const auto columns = [&] {
    auto count = ledger->database().prepare("SELECT count(*) FROM pragma_table_info('one')");
    EXPECT_TRUE(count.step().ok());
    return count.integer(0);
  };
  ASSERT_TRUE(ledger->prepare_part("one", 1, "CREATE TABLE one(a)").ok());
  EXPECT_FALSE(ledger->prepare_part("one", 3, newest, {add("b"), add("b")}).ok());
  EXPECT_EQ(columns(), 1);
  const Status early = ledger->prepare_part("one", 4, newest, both);
  ASSERT_FALSE(early.ok());
  EXPECT_NE(early.error().todo, "");
  ASSERT_TRUE(ledger->prepare_part("one", 2, newest, {add("b")}).ok());
  EXPECT_EQ(columns(), 2);
  for (int i = 0; i < 2; ++i) {
    const Status status = ledger->prepare_part("one", 3, newest, both);
    ASSERT_TRUE(status.ok()) << status.error().text();
    EXPECT_EQ(columns(), 3);
  }
  const Status newer = ledger->prepare_part("one", 2, newest, {add("b")});
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.error().what.find("version 3, this rater knows 2"), std::string::npos);
  EXPECT_EQ(columns(), 3);
}

}  // namespace
}  // namespace tallyman::rater
