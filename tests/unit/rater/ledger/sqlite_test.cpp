#include "rater/ledger/sqlite.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tallyman::rater {
namespace {

std::unique_ptr<Database> memory() { return *Database::open(":memory:"); }

// Given values at the edges of every type, then they come back bit for bit.
TEST(Sqlite, KeepsEveryValueExactly) {
  const auto db = memory();
  ASSERT_TRUE(db->run("CREATE TABLE t(a, b, c, d, e, f)").ok());
  const u128 huge = ~u128{0};
  const Bytes blob{0, 1, 0, 255};
  ASSERT_TRUE(db->prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)")
                  .bind(1, std::numeric_limits<std::int64_t>::min())
                  .bind_u64(2, std::numeric_limits<std::uint64_t>::max())
                  .bind(3, std::string_view("a\0b", 3))
                  .bind(4, ByteView(blob))
                  .bind(5, huge)
                  .bind_null(6)
                  .done()
                  .ok());
  auto row = db->prepare("SELECT * FROM t");
  ASSERT_TRUE(*row.step());
  EXPECT_EQ(row.integer(0), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(row.u64(1), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(row.text(2), std::string("a\0b", 3));
  EXPECT_EQ(row.blob(3), blob);
  EXPECT_TRUE(row.quantity(4) == huge);
  EXPECT_TRUE(row.null(5));
  EXPECT_FALSE(*row.step());
}

// Given an empty text and an empty blob, then neither becomes NULL.
TEST(Sqlite, EmptyIsNotNull) {
  const auto db = memory();
  ASSERT_TRUE(db->run("CREATE TABLE t(a NOT NULL, b NOT NULL)").ok());
  ASSERT_TRUE(db->prepare("INSERT INTO t VALUES (?, ?)")
                  .bind(1, std::string_view())
                  .bind(2, ByteView())
                  .done()
                  .ok());
}

// Given a statement that is wrong, a bind out of range and a broken constraint, then each is an
// error that says what, and none is fatal.
TEST(Sqlite, MistakesAreErrors) {
  const auto db = memory();
  EXPECT_FALSE(db->run("CREATE TABEL t(a)").ok());
  auto wrong = db->prepare("SELECT * FROM nowhere");
  const auto row = wrong.step();
  ASSERT_FALSE(row.ok());
  EXPECT_NE(row.error().what.find("nowhere"), std::string::npos) << row.error().text();
  ASSERT_TRUE(db->run("CREATE TABLE t(a INTEGER PRIMARY KEY)").ok());
  EXPECT_FALSE(db->prepare("INSERT INTO t VALUES (?)").bind(7, std::int64_t{1}).done().ok());
  auto insert = db->prepare("INSERT INTO t VALUES (?)");
  EXPECT_TRUE(insert.bind(1, std::int64_t{1}).done().ok());
  EXPECT_FALSE(insert.done().ok());
  EXPECT_TRUE(insert.bind(1, std::int64_t{2}).done().ok());
}

// Given a transaction that goes out of scope without a commit, then nothing of it stays.
TEST(Sqlite, UncommittedIsUndone) {
  const auto db = memory();
  ASSERT_TRUE(db->run("CREATE TABLE t(a)").ok());
  {
    const Transaction transaction(*db);
    ASSERT_TRUE(transaction.begun().ok());
    ASSERT_TRUE(db->run("INSERT INTO t VALUES (1)").ok());
    EXPECT_TRUE(db->in_transaction());
  }
  EXPECT_FALSE(db->in_transaction());
  {
    Transaction transaction(*db);
    ASSERT_TRUE(db->run("INSERT INTO t VALUES (2)").ok());
    ASSERT_TRUE(transaction.commit().ok());
  }
  auto row = db->prepare("SELECT group_concat(a) FROM t");
  ASSERT_TRUE(*row.step());
  EXPECT_EQ(row.text(0), "2");
}

}  // namespace
}  // namespace tallyman::rater
