// Given a closed period, then a person sees it beside the one before, what nobody holds by metric
// and source, and who is still awaited; and a ledger of an older rater reads as before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"
#include "rater/intake/key_table.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::json;
using testing::kCatalogue;
using testing::kFirst;
using testing::kNext;

class Reviews : public testing::ByHandTest {
 protected:
  Result<std::string> review(const std::map<std::string, std::string>& fields) {
    return decide("review", fields);
  }
};

/// Given two periods, then the later one is compared with the one before, or with the one named.
TEST_F(Reviews, BesideAnother) {
  open();
  minute(0);
  answer(billing_->close(""));
  answer(billing_->release(""));
  minute(1);
  write_catalogue(kCatalogue);
  answer(billing_->close(""));
  const json now = answer(review({{"period", kNext}}));
  EXPECT_EQ(now.at("against"), kFirst);
  EXPECT_EQ(now.at("lines")[0].at("previous").at("quantity"), "1800");
  EXPECT_EQ(now.at("lines")[0].at("previous").at("change"), "0");
  EXPECT_EQ(now.at("lines")[0].at("previous").at("amount_change"), "0");
  const json first = answer(review({{"period", kFirst}}));
  EXPECT_FALSE(first.contains("against"));
  EXPECT_FALSE(first.at("lines")[0].contains("previous"));
  EXPECT_EQ(answer(review({{"period", kFirst}, {"against", kNext}})).at("against"), kNext);
  EXPECT_FALSE(review({{"period", kFirst}, {"against", "never"}}));
}

/// Given usage that nobody claims, then it is told by metric and source, and series by series.
TEST_F(Reviews, Unattributed) {
  write_catalogue(catalogue_with("host:stor-01", "host:other"));
  open();
  minute(0);
  answer(billing_->close(""));
  const json short_one = answer(review({}));
  ASSERT_EQ(short_one.at("unattributed").size(), 1U);
  EXPECT_EQ(short_one.at("unattributed")[0].at("source"), "host:stor-01");
  EXPECT_EQ(short_one.at("unattributed")[0].at("amount"), "1800");
  EXPECT_FALSE(short_one.contains("unattributed_series"));
  const json whole = answer(review({{"unattributed", "yes"}}));
  ASSERT_EQ(whole.at("unattributed_series").size(), 1U);
  EXPECT_THAT(whole.at("unattributed_series")[0].at("series").get<std::string>(),
              HasSubstr("ifindex=\"3\""));
  EXPECT_EQ(whole.at("unattributed_series")[0].at("amount"), "1800");
}

/// Given an agent that is silent, then it is awaited; retired, it is not, and the key is revoked.
TEST_F(Reviews, ARetiredAgentIsNotAwaited) {
  open();
  minute(0);
  clock_.advance(59 * kSecond);
  EXPECT_THAT(answer(billing_->close(kFirst)).at("period").at("closed_without"), ElementsAre());
  const auto keys = *KeyTable::open(*ledger_, *intake_, clock_);
  EXPECT_THAT(answer(billing_->release(kFirst)).at("period").at("closed_without"), ElementsAre());
  EXPECT_THAT(answer(billing_->close(kNext)).at("period").at("closed_without"),
              ElementsAre("stor-01"));
  EXPECT_FALSE(keys->retire("nobody", {"ann", "sold"}));
  EXPECT_FALSE(keys->retire("stor-01", {"ann", ""}));
  {
    Transaction transaction(ledger_->database());
    ASSERT_TRUE(intake_->put_fence("stor-01", {1, 0}));
    ASSERT_TRUE(transaction.commit());
  }
  const Status retired = keys->retire("stor-01", {"ann", "sold"});
  ASSERT_TRUE(retired) << retired.error().text();
  EXPECT_THAT(answer(billing_->close(kNext)).at("period").at("closed_without"), ElementsAre());
  ASSERT_TRUE(keys->move("stor-01", {"ann", "bought back"}));
  EXPECT_THAT(answer(billing_->close(kNext)).at("period").at("closed_without"),
              ElementsAre("stor-01"));
}

/// Given a ledger as the second or the third version of its tables had it, then its periods read as
/// before, and a check of the ledger finds it whole.
TEST_F(Reviews, TakesInOlderPeriods) {
  write_catalogue(catalogue_with("host:stor-01", "host:other"));
  open();
  minute(0);
  json before = answer(billing_->close(""));
  before["unattributed"][0]["source"] = "";
  const std::string third =
      "ALTER TABLE unattributed RENAME TO newer;"
      "CREATE TABLE unattributed(period TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL,"
      " amount BLOB NOT NULL, series INTEGER NOT NULL, PRIMARY KEY(period, metric)) WITHOUT ROWID;"
      "INSERT INTO unattributed SELECT period, metric, unit, amount, series FROM newer;"
      "DROP TABLE newer; UPDATE part SET version = 3 WHERE name = 'billing'";
  const std::string second =
      "; ALTER TABLE period DROP COLUMN decision_hash; ALTER TABLE period DROP COLUMN decision;"
      "UPDATE part SET version = 2 WHERE name = 'billing'";
  before["totals"][0]["source"] = "";
  const std::string totals =
      "; ALTER TABLE period_total RENAME TO newer;"
      "CREATE TABLE period_total(period TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL,"
      " read BLOB NOT NULL, customers BLOB NOT NULL, nobody BLOB NOT NULL,"
      " elsewhere BLOB NOT NULL, PRIMARY KEY(period, metric)) WITHOUT ROWID;"
      "INSERT INTO period_total SELECT period, metric, unit, read, customers, nobody, elsewhere"
      " FROM newer; DROP TABLE newer; UPDATE part SET version = 1 WHERE name = 'totals'";
  for (const std::string& sql : {third + totals, third + second}) {
    const Status done = ledger_->database().run(sql);
    ASSERT_TRUE(done) << sql << ": " << done.error().text();
    open();
    EXPECT_EQ(answer(billing_->review(kFirst)), before);
    EXPECT_EQ(verify_ledger(folder_.file("ledger"))->damages, 0U);
  }
  EXPECT_TRUE(billing_->release(kFirst)) << "no decision counted then, and none does now";
}

}  // namespace
}  // namespace tallyman::rater
