// Given a closed period, then it comes out of the raw log again byte for byte, whatever has come or
// changed since; and a log that is not the cut's is told, never rated.

#include "rater/views/replay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "billing_fixture.hpp"
#include "rater/intake/raw_tables.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::kNoon;
using testing::StreamMaker;

class ReplayTest : public BillingTest {
 protected:
  static std::string period(int i) { return "2026-11-22T12:0" + std::to_string(i) + ":00Z/1m"; }

  Result<Replay> replay(const std::string& id) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    if (!snapshot.ok()) return snapshot.error();
    return rater::replay(**snapshot, id);
  }
  void expect_identical(const std::string& id) {
    const auto done = replay(id);
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_TRUE(done->identical()) << id;
    EXPECT_EQ(done->records, 1U);
    EXPECT_EQ(done->sums, 2U);
  }
  void sql(const std::string& text) { ASSERT_TRUE(ledger_->database().run(text).ok()) << text; }
  std::string refusal(const std::string& id) {
    const auto done = replay(id);
    EXPECT_FALSE(done.ok());
    return done.ok() ? std::string() : done.error().text();
  }
};

/// Given three released periods and a rater that has the ledger open, then each replays.
TEST_F(ReplayTest, ComesOutAgainBesideARunningRater) {
  for (int i = 0; i < 4; ++i) minute(i);
  settle();
  for (int i = 0; i < 3; ++i) expect_identical(period(i));
  const auto latest = replay("");
  ASSERT_TRUE(latest.ok()) << latest.error().text();
  EXPECT_EQ(latest->period.id, period(3));
}

/// Given an older stream that comes after the close, another catalogue and a restart, then the
/// period comes out as it was closed.
TEST_F(ReplayTest, IsNotMovedByWhatCameLater) {
  minute(0);
  minute(1);
  settle();
  StreamMaker late("old-01", 9);
  minute(late, kNoon, 0);
  write_catalogue(catalogue_with("id = \"acme\"\n", "id = \"acme\"\nname = \"ACME\"\n"));
  ASSERT_TRUE(billing_->reload_catalogue());
  settle();
  open();
  settle();
  expect_identical(period(0));
}

/// Given a stored record with one digit changed, then the record is named, both sides beside it.
TEST_F(ReplayTest, NamesTheRecordThatDiffers) {
  minute(0);
  settle();
  sql("UPDATE record SET body = replace(body, '\"billed\":\"1800\"', '\"billed\":\"1801\"')"
      " WHERE meter = 'transfer'");
  const auto done = replay(period(0));
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_FALSE(done->identical());
  ASSERT_EQ(done->differences.size(), 1U);
  EXPECT_EQ(done->differences[0].customer, "acme");
  EXPECT_EQ(done->differences[0].meter, "transfer");
  EXPECT_THAT(done->differences[0].stored, HasSubstr("\"billed\":\"1801\""));
  EXPECT_THAT(done->differences[0].again, HasSubstr("\"billed\":\"1800\""));
}

/// Given a record that is gone, then it is told as one that only comes out again.
TEST_F(ReplayTest, NamesTheRecordThatIsGone) {
  minute(0);
  settle();
  sql("DELETE FROM record WHERE meter = 'transfer'");
  const auto done = replay(period(0));
  ASSERT_TRUE(done.ok()) << done.error().text();
  ASSERT_EQ(done->differences.size(), 1U);
  EXPECT_TRUE(done->differences[0].stored.empty());
  EXPECT_FALSE(done->differences[0].again.empty());
}

/// Given raw batches that are no longer there, wholly or one of them, then replay says which.
TEST_F(ReplayTest, RefusesALogWithoutItsRawBatches) {
  minute(0);
  minute(1);
  settle();
  const std::string table = raw_table(raw_day(clock_.wall()));
  sql("CREATE TABLE kept AS SELECT * FROM " + table);
  sql("DELETE FROM " + table + " WHERE sequence = 1");
  EXPECT_THAT(refusal(period(1)), HasSubstr("missing"));
  EXPECT_THAT(refusal(period(1)), HasSubstr("batch 1"));
  sql("DROP TABLE " + table);
  EXPECT_THAT(refusal(period(1)), HasSubstr("no longer held"));
  EXPECT_THAT(refusal(period(1)), HasSubstr(table));
}

/// Given one bit of one raw batch flipped, then replay fails rather than rate it.
TEST_F(ReplayTest, RefusesADamagedBatch) {
  minute(0);
  settle();
  const std::string table = raw_table(raw_day(clock_.wall()));
  auto read = ledger_->database().prepare("SELECT bytes FROM " + table);
  ASSERT_TRUE(*read.step());
  Bytes bytes = read.blob(0);
  read.reset();
  bytes[bytes.size() / 2] ^= 1U;
  ASSERT_TRUE(
      ledger_->database().prepare("UPDATE " + table + " SET bytes = ?").bind(1, bytes).done().ok());
  EXPECT_FALSE(refusal(period(0)).empty());
}

/// Given a mark with another hash than the batch it names, then the log is not the cut's.
TEST_F(ReplayTest, RefusesABatchThatIsNotTheOneClosedBy) {
  minute(0);
  settle();
  sql("UPDATE period_stream SET hash = zeroblob(32)");
  EXPECT_THAT(refusal(period(0)), HasSubstr("hash differs"));
}

/// Given a catalogue in the ledger that was changed, then replay says so.
TEST_F(ReplayTest, RefusesAChangedCatalogue) {
  minute(0);
  settle();
  sql("UPDATE catalogue SET text = replace(text, '0.01', '0.02')");
  EXPECT_THAT(refusal(period(0)), HasSubstr("content that the period was rated by"));
}

/// Given a name of no closed period, or no ledger, then that is the error.
TEST_F(ReplayTest, RefusesWhatIsNotThere) {
  EXPECT_THAT(refusal(""), HasSubstr("no period is closed"));
  minute(0);
  settle();
  EXPECT_THAT(refusal("2026-11"), HasSubstr("no closed period"));
  EXPECT_FALSE(Snapshot::open(folder_.file("nowhere"), clock_).ok());
}

/// Given a snapshot, then nothing can be written through it and what comes later is not seen.
TEST_F(ReplayTest, ASnapshotIsOneMoment) {
  minute(0);
  settle();
  auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().text();
  minute(1);
  settle();
  const auto periods = (*snapshot)->periods().periods();
  ASSERT_TRUE(periods.ok());
  EXPECT_EQ(periods->size(), 1U);
  EXPECT_FALSE((*snapshot)->ledger().database().run("DELETE FROM record").ok());
}

/// Given a whole cut and one with a changed byte, then verify_cut tells them apart by stream.
TEST_F(ReplayTest, VerifiesTheStreamsOfACut) {
  minute(0);
  minute(1);
  settle();
  const auto verify = [&] {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    const auto cut = (*snapshot)->periods().cut(period(1));
    const auto report = verify_cut(**snapshot, *cut);
    EXPECT_TRUE(report.ok()) << report.error().text();
    return report.ok() ? *report : LedgerReport{};
  };
  EXPECT_EQ(verify().damages, 0U);
  EXPECT_EQ(verify().batches, 2U);
  const std::string table = raw_table(raw_day(clock_.wall()));
  sql("UPDATE " + table + " SET bytes = zeroblob(length(bytes)) WHERE sequence = 2");
  const LedgerReport report = verify();
  ASSERT_EQ(report.damages, 1U);
  EXPECT_EQ(report.findings[0].agent, "stor-01");
  EXPECT_EQ(report.findings[0].first, 2U);
}

}  // namespace
}  // namespace tallyman::rater
