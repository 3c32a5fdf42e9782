// What is damaged in a ledger is named; a whole one is whole, in use and as a copy.

#include "rater/ledger/ledger_verify.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "rater/derive/usage_store.hpp"
#include "rater/intake/intake.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::StreamMaker;

class LedgerVerify : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = *Ledger::open(path_, clock_);
    intake_ = *Intake::open(*ledger_, clock_);
    for (std::uint64_t i = 1; i <= 4; ++i) commit(one_, one_.next(i * 10));
    commit(one_, one_.range(3));
    clock_.advance(kDay);
    for (std::uint64_t i = 8; i <= 9; ++i) commit(one_, one_.next(i * 10));
    for (std::uint64_t i = 1; i <= 3; ++i) commit(two_, two_.next(i));
  }
  void commit(const StreamMaker& maker, const testing::Made& made) {
    const auto accepted = intake_->commit_batch(maker.agent(), maker.life(), made.bytes);
    ASSERT_TRUE(accepted.ok() && accepted->outcome == Accepted::Outcome::applied);
  }
  void sql(const std::string& text) { ASSERT_TRUE(ledger_->database().run(text).ok()) << text; }
  LedgerReport verify() {
    const auto report = verify_ledger(path_);
    EXPECT_TRUE(report.ok()) << report.error().text();
    return report.ok() ? *report : LedgerReport{};
  }
  static bool names(const LedgerReport& report, const std::string& table, const std::string& what,
                    std::uint64_t first, std::uint64_t last) {
    return std::any_of(report.findings.begin(), report.findings.end(), [&](const auto& finding) {
      return finding.table == table && finding.what.find(what) != std::string::npos &&
             finding.first == first && finding.last == last;
    });
  }
  /// The one damage that a statement makes.
  void expect(const std::string& statement, const std::string& table, const std::string& what,
              std::uint64_t first, std::uint64_t last) {
    sql(statement);
    const auto report = verify();
    EXPECT_TRUE(names(report, table, what, first, last)) << statement;
    EXPECT_EQ(report.damages, 1U) << statement;
  }

  testing::TempFolder folder_;
  std::string path_ = folder_.file("ledger.db");
  FakeClock clock_{kNoon + kHour, kHour};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  StreamMaker one_{"stor-01", 1}, two_{"stor-02", 2};
};

// Given a ledger in use, then it is whole, also while a transaction is under way; and so is a copy,
// in a folder where nothing can be written.
TEST_F(LedgerVerify, WholeInUseAndAsACopy) {
  {
    Transaction transaction(ledger_->database());
    sql("UPDATE stream SET mark = 77");
    const auto report = verify();
    EXPECT_EQ(report.damages, 0U) << report.findings.at(0).what;
    EXPECT_EQ(report.streams, 2U);
    EXPECT_EQ(report.batches, 10U);
    EXPECT_GT(report.bytes, 1000U);
  }
  sql("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::create_directory(folder_.file("copy"));
  std::filesystem::copy_file(path_, folder_.file("copy/l?edger%.db"));
  std::filesystem::permissions(folder_.file("copy"), std::filesystem::perms::owner_read |
                                                         std::filesystem::perms::owner_exec);
  const auto copy = verify_ledger(folder_.file("copy/l?edger%.db"));
  std::filesystem::permissions(folder_.file("copy"), std::filesystem::perms::owner_all);
  ASSERT_TRUE(copy.ok()) << copy.error().text();
  EXPECT_EQ(copy->damages, 0U);
  EXPECT_EQ(copy->batches, 10U);
}

// Given a day whose raw bytes are gone as a whole, then each of its batches is damage.
TEST_F(LedgerVerify, DayIsGone) {
  sql("DROP TABLE " + std::string("raw_20261122"));
  const auto report = verify();
  EXPECT_EQ(report.damages, 5U);
}

// Given one damage of each kind, then it is named with its table and range, and nothing else is.
TEST_F(LedgerVerify, RawBytesOfOneBatch) {
  expect("UPDATE raw_20261122 SET bytes = zeroblob(length(bytes)) WHERE sequence = 3",
         "raw_20261122", "hash is noted", 3, 3);
}
TEST_F(LedgerVerify, RawBytesMissing) {
  expect("DELETE FROM raw_20261123 WHERE stream = 1 AND sequence = 8", "raw_20261123", "missing", 8,
         8);
}
TEST_F(LedgerVerify, RawBytesOfNobody) {
  expect("INSERT INTO raw_20261122 VALUES (2, 99, x'00')", "raw_20261122", "no batch accounts", 99,
         99);
}
TEST_F(LedgerVerify, Mark) {
  expect("UPDATE stream SET mark = 12 WHERE id = 1", "stream", "its mark is 12", 10, 12);
}
TEST_F(LedgerVerify, MarkHash) {
  expect("UPDATE stream SET mark_hash = zeroblob(32) WHERE id = 1", "stream", "another hash", 9, 9);
}
TEST_F(LedgerVerify, Totals) {
  expect("UPDATE stream SET bytes = bytes + 1 WHERE id = 2", "stream", "notes 3 batches", 0, 0);
}

// Given a definition that does not decode, then it is named, and the batch that needs it.
TEST_F(LedgerVerify, DefinitionBroken) {
  sql("UPDATE definition SET body = x'05' WHERE stream = 2 AND number = 1");
  const auto report = verify();
  EXPECT_TRUE(names(report, "definition", "does not decode", 1, 1));
  EXPECT_TRUE(names(report, "definition", "its definition 1 is not held", 1, 1));
}

// Given another hash of a stand-in than its bytes say, then it and the link behind it are named.
TEST_F(LedgerVerify, ChainHashes) {
  sql("UPDATE batch SET hash = zeroblob(32) WHERE stream = 1 AND sequence = 5");
  const auto report = verify();
  EXPECT_TRUE(names(report, "batch", "another hash in the chain", 5, 7));
  EXPECT_TRUE(names(report, "batch", "the chain is broken", 8, 8));
}

// Given a batch that is gone with its raw bytes, then the hole is named.
TEST_F(LedgerVerify, Hole) {
  sql("DELETE FROM raw_20261122 WHERE stream = 1 AND sequence = 2");
  sql("DELETE FROM batch WHERE stream = 1 AND sequence = 2");
  const auto report = verify();
  ASSERT_GE(report.damages, 1U);
  EXPECT_EQ(report.findings[0].table, "batch");
  EXPECT_EQ(report.findings[0].what, "missing");
  EXPECT_EQ(report.findings[0].first, 2U);
  EXPECT_EQ(report.findings[0].last, 2U);
}

// Given a flip of any one bit of the file, then verify ends, and says so where a batch is hit.
TEST_F(LedgerVerify, BitFlips) {
  intake_.reset();
  ledger_.reset();
  std::ifstream in(path_, std::ios::binary);
  std::string whole((std::istreambuf_iterator<char>(in)), {});
  const std::string copy = folder_.file("flipped.db");
  std::size_t found = 0, looked = 0;
  for (std::size_t at = 0; at < whole.size(); at += 97, ++looked) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    std::ofstream(copy, std::ios::binary) << flipped;
    const auto report = verify_ledger(copy);
    found += !report.ok() || report->damages > 0 ? 1 : 0;
  }
  EXPECT_GT(found, looked / 20);
}

// Given no file, or one that is no ledger, then that is said.
TEST_F(LedgerVerify, NoLedger) {
  EXPECT_FALSE(verify_ledger(folder_.file("none")).ok());
  std::ofstream(folder_.file("text")) << std::string(5000, 'x');
  const auto text = verify_ledger(folder_.file("text"));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->damages, 1U);
}

// Given a chunk of derived slots with one bit flipped, then it is named.
TEST_F(LedgerVerify, NamesADamagedChunkOfSlots) {
  const auto store = *UsageStore::open(*ledger_, *intake_, kMinute);
  while (store->advance(100)->more) {
  }
  EXPECT_EQ(verify().damages, 0U);
  expect(
      "UPDATE usage_recent SET slots = substr(slots, 1, 12) || x'ff' || substr(slots, 14)"
      " WHERE view = 1",
      "usage_recent", "checksum", 0, 0);
}

}  // namespace
}  // namespace tallyman::rater
