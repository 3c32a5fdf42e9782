// Given decisions on usage, then drafts are what they say, those from before are not released, and
// a restart forgets none of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater {
namespace {

using testing::definitions;
using ::testing::HasSubstr;
using testing::json;
using testing::kNoon;
using testing::poll;
using testing::StreamMaker;

class UsageDecisions : public testing::ByHandTest {
 protected:
  UsageDecisions() { minute(0); }
  /// Another value of the counter at an instant at which it is known.
  void dispute(std::uint64_t value) {
    StreamMaker other("stor-01", 2);
    wire::Batch batch{other.head(), {}, {kNoon + kMinute + 20 * kSecond, 1}};
    batch.head.opened = kNoon + kMinute;
    for (const auto& definition : definitions()) batch.entries.emplace_back(definition);
    batch.entries.emplace_back(poll(kNoon + kMinute, value));
    const auto made = other.follow(batch);
    clock_.advance(kMinute);
    const auto taken = intake_->commit_batch(other.agent(), other.life(), made.bytes);
    ASSERT_TRUE(taken && taken->outcome == Accepted::Outcome::applied);
  }
  json closed() { return answer(billing_->close("")); }
  std::string billed() {
    return closed().at("lines")[0].at("exact").at("billed").get<std::string>();
  }
};

/// Given a value that cannot be believed, then it is listed with an id that a restart keeps;
/// accepted it counts, as an estimate; rejected after that it counts no more; and each is decided
/// once.
TEST_F(UsageDecisions, Anomalies) {
  dispute(1'001'800 + 500);
  EXPECT_EQ(billed(), "1800");
  const json all = answer(decide("anomaly ls", {})).at("anomalies");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].at("value_at_risk"), "500");
  EXPECT_EQ(all[0].at("state"), "open");
  const std::string id = all[0].at("id");
  open();
  EXPECT_EQ(answer(decide("anomaly ls", {{"open", "yes"}})).at("anomalies")[0].at("id"), id);
  EXPECT_EQ(closed().at("anomalies")[0].at("id"), id);
  EXPECT_FALSE(decide("anomaly accept", {{"id", "0"}}));
  EXPECT_FALSE(decide("anomaly accept", {{"id", std::string(64, '0')}}));

  answer(decide("anomaly accept", {{"id", id.substr(0, 8)}}));
  EXPECT_FALSE(decide("anomaly accept", {{"id", id}})) << "decided already";
  EXPECT_TRUE(answer(decide("anomaly ls", {{"open", "yes"}})).at("anomalies").empty());
  const auto stale = billing_->release("");
  ASSERT_FALSE(stale);
  EXPECT_THAT(stale.error().text(), HasSubstr("close it again"));
  open();
  const json review = closed();
  EXPECT_EQ(review.at("lines")[0].at("exact").at("billed"), "2300");
  EXPECT_NE(review.at("lines")[0].at("estimated"), "0");
  EXPECT_EQ(review.at("anomalies")[0].at("state"), "accepted");

  answer(decide("anomaly reject", {{"id", id}}));
  EXPECT_EQ(billed(), "1800");
  EXPECT_TRUE(billing_->release(""));
  EXPECT_EQ(verify_ledger(folder_.file("ledger"))->damages, 0U);
}

/// Given a counter whose known start lies a period before its first reading, and more than its line
/// can carry since, then accepted that counts in both periods: the earlier one knows it by nothing
/// else.
TEST_F(UsageDecisions, AnAcceptedAnomalyReachesBackBeforeTheFirstReading) {
  StreamMaker other("stor-01", 2);
  const Ns from = kNoon + 30 * kSecond, to = kNoon + 70 * kSecond;
  wire::Batch batch{other.head(), {}, {to + 10 * kSecond, 1}};
  batch.head.opened = to;
  for (wire::Definition definition : definitions()) {
    if (auto* metric = std::get_if<wire::MetricDef>(&definition.body)) metric->info = {"speed"};
    if (auto* series = std::get_if<wire::SeriesDef>(&definition.body)) series->identity = {"4"};
    if (auto* epoch = std::get_if<wire::EpochDef>(&definition.body)) epoch->start = from;
    batch.entries.emplace_back(definition);
  }
  batch.entries.emplace_back(wire::Definition{6, wire::InfoDef{4, from, {"1"}}});
  batch.entries.emplace_back(poll(to, 1'000'000'000));
  const auto made = other.follow(batch);
  clock_.advance(kMinute);
  const auto taken = intake_->commit_batch(other.agent(), other.life(), made.bytes);
  ASSERT_TRUE(taken && taken->outcome == Accepted::Outcome::applied);
  EXPECT_EQ(billed(), "1800");
  const json all = answer(decide("anomaly ls", {})).at("anomalies");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].at("value_at_risk"), "1000000000");
  answer(decide("anomaly accept", {{"id", all[0].at("id")}}));
  const json line = closed().at("lines")[0];
  EXPECT_EQ(line.at("exact").at("billed"), "750001800");
  EXPECT_EQ(line.at("series"), 2);
}

/// Given all of a period waived, then nothing of it is measured, and nothing of it is unknown.
TEST_F(UsageDecisions, AWaiverOfAll) {
  answer(decide("waive", {{"resource", "source=host:*"},
                          {"from", "2026-11-22T12:00:00Z"},
                          {"to", "2026-11-22T12:01:00Z"}}));
  const json line = closed().at("lines")[0];
  EXPECT_EQ(line.at("exact").at("billed"), "0");
  EXPECT_EQ(line.at("series"), 0);
  EXPECT_EQ(line.at("waived").at("amount"), "1800");
  EXPECT_EQ(line.at("waived").at("share"), "1.000000");
}

/// Given time waived, then the record shows what is left out; withdrawn, all is as before.
TEST_F(UsageDecisions, Waivers) {
  const json before = closed().at("lines")[0];
  const std::map<std::string, std::string> half{
      {"resource", "acme"}, {"from", "2026-11-22T12:00:10Z"}, {"to", "2026-11-22T12:00:30Z"}};
  answer(decide("waive", half));
  EXPECT_FALSE(decide("waive", half)) << "waived already";
  const json line = closed().at("lines")[0];
  EXPECT_EQ(line.at("exact").at("billed"), "1200");
  EXPECT_EQ(line.at("waived").at("amount"), "600");
  EXPECT_EQ(line.at("waived").at("share"), "0.333333");
  EXPECT_EQ(line.at("coverage"), before.at("coverage"));
  auto back = half;
  back["withdraw"] = "yes";
  answer(decide("waive", back));
  EXPECT_FALSE(decide("waive", back));
  EXPECT_EQ(closed().at("lines")[0], before);
  for (const char* resource : {"nobody", "acme:", ""}) {
    auto wrong = half;
    wrong["resource"] = resource;
    EXPECT_FALSE(decide("waive", wrong)) << resource;
  }
  auto wrong = half;
  wrong["to"] = "yesterday";
  EXPECT_FALSE(decide("waive", wrong));
}

/// Given a person's figure, then it is priced in place of the computed one, which stays to be seen;
/// withdrawn, all is as before.
TEST_F(UsageDecisions, Corrections) {
  const json before = closed().at("lines")[0];
  const json records = answer(billing_->records_json("2026-11-22T12:00:00Z/1m")).at("records");
  const std::string id = records[0].at("id");
  EXPECT_FALSE(decide("correct", {{"record", id}, {"quantity", "-1"}}));
  EXPECT_FALSE(decide("correct", {{"record", id}, {"quantity", "a few"}}));
  EXPECT_FALSE(decide("correct", {{"record", std::string(64, '0')}, {"quantity", "1"}}));
  EXPECT_FALSE(decide("correct", {{"record", id}, {"quantity", ""}})) << "not corrected yet";
  const json decided =
      answer(decide("correct", {{"record", id.substr(0, 10)}, {"quantity", "1500"}}));
  const json line = closed().at("lines")[0];
  EXPECT_EQ(line.at("quantity").at("billed"), "1500");
  EXPECT_EQ(line.at("amount"), "5.00");
  EXPECT_EQ(line.at("correction").at("computed"), "1800");
  EXPECT_EQ(line.at("correction").at("decision"), decided.at("decision").at("hash"));
  EXPECT_EQ(line.at("evidence"), before.at("evidence"));
  const std::string now =
      answer(billing_->records_json("2026-11-22T12:00:00Z/1m")).at("records")[0].at("id");
  EXPECT_FALSE(decide("correct", {{"record", now}, {"quantity", "1500.0"}})) << "said twice";
  answer(decide("correct", {{"record", now}, {"quantity", ""}}));
  EXPECT_EQ(closed().at("lines")[0], before);
}

}  // namespace
}  // namespace tallyman::rater
