// Given adjustments, made by late data, another catalogue or a person, then each is explained with
// its cause and comes out of the log again, byte for byte, as does the record it adjusts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "billing_fixture.hpp"
#include "rater/intake/raw_tables.hpp"
#include "rater/views/explain.hpp"
#include "rater/views/replay.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::json;
using testing::kFirst;
using testing::kNext;
using testing::kNoon;

class Adjusted : public testing::ByHandTest {
 protected:
  /// The first minute, released, and a second one that came after its own release.
  void late_minute() {
    minute(0);
    answer(billing_->close(kFirst));
    answer(billing_->release(kFirst));
    clock_.advance(59 * kSecond);
    answer(billing_->close(kNext));
    answer(billing_->release(kNext));
    settle();
    minute(1);
    settle();
  }
  void adjust(const std::string& command, const std::map<std::string, std::string>& fields,
              const std::string& text = "") {
    answer(decide(command, fields, text, true));
    settle();
  }
  void release(const std::string& period) {
    answer(billing_->release(period, {"bob", "agreed with them", 7}));
    settle();
  }
  Explanation explained(const RecordName& name) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    EXPECT_TRUE(snapshot.ok());
    auto done = explain(**snapshot, name, -1);
    EXPECT_TRUE(done.ok()) << done.error().text();
    return done.ok() ? std::move(*done) : Explanation{};
  }
  Explanation original(const std::string& period) {
    return explained({"", "acme", "transfer", period});
  }
  Replay replayed(const std::string& period) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    EXPECT_TRUE(snapshot.ok());
    auto done = replay(**snapshot, period);
    EXPECT_TRUE(done.ok()) << done.error().text();
    return done.ok() ? std::move(*done) : Replay{};
  }
};

/// Given usage that came after the release, then the adjustment names the batch that brought it,
/// and whoever released it; record and adjustment come out again, each from its own cut.
TEST_F(Adjusted, LateDataIsExplainedAndReplayed) {
  late_minute();
  const Explanation before = original(kNext);
  EXPECT_THAT(before.faults, IsEmpty());
  EXPECT_EQ(before.figures->base.exact(), "0");
  ASSERT_EQ(before.adjusted.size(), 1U);

  const Explanation draft = explained({before.adjusted[0].substr(0, 12), "", "", ""});
  EXPECT_THAT(draft.faults, IsEmpty());
  ASSERT_TRUE(draft.adjusts);
  EXPECT_EQ(draft.adjusts->original, before.record.id);
  EXPECT_EQ(draft.adjusts->revision, 2U);
  EXPECT_EQ(draft.adjusts->released, "") << "a draft";
  ASSERT_EQ(draft.adjusts->causes.size(), 1U);
  EXPECT_THAT(draft.adjusts->causes[0], HasSubstr("stor-01/01010101 batch 2 to 2"));
  EXPECT_EQ(draft.adjusts->changes.at(1).before, "0");
  EXPECT_EQ(draft.adjusts->changes[1].after, "1800");
  EXPECT_EQ(draft.adjusts->changes[1].difference, "1800");
  ASSERT_TRUE(draft.again && draft.figures);
  EXPECT_EQ(*draft.again, draft.record.body);
  EXPECT_EQ(draft.figures->base.exact(), "1800") << "out of the raw readings";

  release(kNext);
  const Explanation done = explained({before.adjusted[0], "", "", ""});
  EXPECT_THAT(done.faults, IsEmpty());
  EXPECT_THAT(done.adjusts->released, HasSubstr("bob"));
  EXPECT_THAT(done.adjusts->released, HasSubstr("agreed with them"));
  const Replay all = replayed(kNext);
  EXPECT_TRUE(all.identical());
  ASSERT_EQ(all.rounds.size(), 1U);
  EXPECT_EQ(all.rounds[0].revision, 2U);
  EXPECT_EQ(all.rounds[0].adjustments, 1U);
  EXPECT_EQ(all.rounds[0].sums, 2U);
  EXPECT_EQ(all.rounds[0].state, "released");
  EXPECT_TRUE(replayed(kFirst).rounds.empty());
}

/// Given another price, then a person's figure, then the figure withdrawn, then there are three
/// rounds, each with its own cause, each rated by its own catalogue and decisions.
TEST_F(Adjusted, EveryRoundHasItsOwnCatalogueAndDecisions) {
  late_minute();
  adjust("catalogue apply", {}, catalogue_with("price = \"0.01\"", "price = \"0.02\""));
  release(kFirst);
  release(kNext);
  const std::string id = original(kFirst).record.id;
  adjust("correct", {{"record", id}, {"quantity", "1500"}});
  release(kFirst);
  adjust("correct", {{"record", id}, {"quantity", ""}});

  const Explanation record = original(kFirst);
  EXPECT_THAT(record.faults, IsEmpty());
  ASSERT_EQ(record.adjusted.size(), 3U);
  const Explanation price = explained({record.adjusted[0], "", "", ""});
  EXPECT_THAT(price.faults, IsEmpty());
  EXPECT_THAT(price.adjusts->causes,
              ElementsAre(::testing::AllOf(HasSubstr("catalogue"), HasSubstr("ann"),
                                           HasSubstr("it was wrong"))));
  EXPECT_EQ(price.adjusts->changes.at(2).difference, "8");
  const Explanation corrected = explained({record.adjusted[1], "", "", ""});
  EXPECT_THAT(corrected.faults, IsEmpty());
  EXPECT_THAT(corrected.adjusts->causes, ElementsAre(HasSubstr("correct by ann")));
  EXPECT_EQ(corrected.adjusts->previous, record.adjusted[0]);
  ASSERT_TRUE(corrected.correction);
  EXPECT_EQ(corrected.correction->quantity, "1500");
  EXPECT_EQ(corrected.figures->quantity.exact(), "1800");
  const Explanation back = explained({record.adjusted[2], "", "", ""});
  EXPECT_THAT(back.faults, IsEmpty());
  EXPECT_THAT(back.adjusts->causes, ElementsAre(HasSubstr("correct by ann")));
  EXPECT_FALSE(back.correction);
  const Replay all = replayed(kFirst);
  EXPECT_TRUE(all.identical());
  ASSERT_EQ(all.rounds.size(), 3U);
  EXPECT_EQ(all.rounds[2].state, "draft");
}

/// Given a meter that the corrected contract has not, then nothing is billed any more, and that is
/// what explain says.
TEST_F(Adjusted, ARecordThatIsGone) {
  late_minute();
  std::string text = catalogue_with("meter = \"transfer\"", "meter = \"other\"");
  text +=
      "[[meter]]\nid = \"other\"\nmeasure = \"volume\"\ndirection = \"out\"\nunit = \"B\"\n"
      "out = \"netif_transmit_bytes_total\"\n";
  adjust("catalogue apply", {}, text);
  const Explanation record = original(kFirst);
  ASSERT_EQ(record.adjusted.size(), 1U);
  const Explanation gone = explained({record.adjusted[0], "", "", ""});
  EXPECT_THAT(gone.faults, IsEmpty());
  EXPECT_FALSE(gone.figures);
  EXPECT_THAT(gone.without, HasSubstr("nothing is billed any more"));
  EXPECT_TRUE(replayed(kFirst).identical());
}

/// Given an adjustment changed in the ledger, or one taken out, then replay names it and explain
/// contradicts it.
TEST_F(Adjusted, AChangedAdjustmentIsFound) {
  late_minute();
  release(kNext);
  const std::string id = original(kNext).adjusted.at(0);
  ASSERT_TRUE(ledger_->database()
                  .run("UPDATE adjustment SET body = replace(body, '\"billed\":\"1800\"',"
                       " '\"billed\":\"1801\"') WHERE meter = 'transfer'")
                  .ok());
  const Replay changed = replayed(kNext);
  EXPECT_FALSE(changed.identical());
  EXPECT_TRUE(changed.closed_identical()) << "the record itself is as it was";
  ASSERT_EQ(changed.rounds.at(0).differences.size(), 1U);
  EXPECT_EQ(changed.rounds[0].differences[0].meter, "transfer");
  const Explanation e = explained({id, "", "", ""});
  ASSERT_GE(e.faults.size(), 2U);
  EXPECT_THAT(e.faults[0], HasSubstr("otherwise than it is stored"));
  EXPECT_THAT(e.faults[1], HasSubstr("raw readings come to 1800, the record says 1801"));
  ASSERT_TRUE(ledger_->database().run("DELETE FROM adjustment WHERE meter != ''").ok());
  EXPECT_FALSE(replayed(kNext).identical());
}

/// Given one bit of the late batch flipped, then the batch is named, and nothing is summed.
TEST_F(Adjusted, AFlippedBitOfTheLateBatchIsFound) {
  late_minute();
  const std::string id = original(kNext).adjusted.at(0);
  const std::string table = raw_table(raw_day(clock_.wall()));
  auto read = ledger_->database().prepare("SELECT bytes FROM " + table + " WHERE sequence = 2");
  ASSERT_TRUE(*read.step());
  Bytes bytes = read.blob(0);
  read.reset();
  bytes[bytes.size() / 2] ^= 4U;
  ASSERT_TRUE(ledger_->database()
                  .prepare("UPDATE " + table + " SET bytes = ? WHERE sequence = 2")
                  .bind(1, bytes)
                  .done()
                  .ok());
  const Explanation e = explained({id, "", "", ""});
  ASSERT_EQ(e.chain.findings.size(), 1U);
  EXPECT_EQ(e.chain.findings[0].first, 2U);
  EXPECT_FALSE(e.faults.empty());
  EXPECT_FALSE(e.figures);
}

}  // namespace
}  // namespace tallyman::rater
