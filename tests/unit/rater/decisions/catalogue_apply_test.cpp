// Given catalogues that people apply and one that the configuration names, then each version is
// kept with who, when and why, mistakes come back with their place, and nobody's decision is undone
// by a restart.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"
#include "rater/ledger/ledger_verify.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::json;
using testing::kCatalogue;

class CatalogueApply : public testing::ByHandTest {
 protected:
  static std::string priced(const std::string& price) {
    return catalogue_with("price = \"0.01\"", "price = \"" + price + "\"");
  }
  std::string in_force() {
    return answer(billing_->status_json()).at("catalogue").at("version").get<std::string>();
  }
};

/// Given a catalogue applied, then it is in force and in the log, and the same again changes
/// nothing.
TEST_F(CatalogueApply, KeepsVersions) {
  const json applied = answer(decide("catalogue apply", {}, priced("0.02")));
  EXPECT_EQ(applied.at("changed"), true);
  EXPECT_EQ(in_force(), applied.at("version"));
  const json again = answer(decide("catalogue apply", {}, priced("0.02") + "# the same\n"));
  EXPECT_EQ(again.at("changed"), false);
  EXPECT_EQ(again.at("decision"), applied.at("decision"));
  const json log = answer(decide("catalogue log")).at("versions");
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[0].at("user"), "configuration");
  EXPECT_EQ(log[1].at("user"), "ann");
  EXPECT_EQ(log[1].at("why"), "it was wrong");
  EXPECT_EQ(log[1].at("in_force"), true);
  const json audit = answer(decide("audit log")).at("decisions");
  ASSERT_EQ(audit.size(), 2U);
  EXPECT_EQ(audit[1].at("kind"), "catalogue apply");
  EXPECT_EQ(audit[1].at("what").at("version"), applied.at("version"));
  EXPECT_EQ(audit[1].at("uid"), 1000);
}

/// Given mistakes, then each comes back with file, line and column, and nothing changes.
TEST_F(CatalogueApply, TellsMistakes) {
  const std::string before = in_force();
  std::string text = priced("-1");
  text.replace(text.find("unit = \"B\""), 10, "unit = \"X\"");
  EXPECT_FALSE(decide("catalogue apply", {}, text));
  ASSERT_EQ(asked_.mistakes.size(), 2U);
  EXPECT_THAT(asked_.mistakes[0], HasSubstr("shop/new.toml:9:"));
  EXPECT_THAT(asked_.mistakes[1], HasSubstr("shop/new.toml:15:"));
  EXPECT_EQ(in_force(), before);
  EXPECT_EQ(answer(decide("catalogue log")).at("versions").size(), 1U);
}

/// Given a series with a value an hour, then a p95 of the customer who claims it is a mistake, at
/// the line that names the metric, for people and for the file; a volume is none, nor is a p95 of
/// somebody who does not claim it.
TEST_F(CatalogueApply, RefusesAPercentileOfACoarseSeries) {
  clock_.advance(kMinute + kSecond);
  wire::Batch batch{maker_.head(), {}, {testing::kNoon + kMinute, 1}};
  for (auto definition : testing::definitions()) {
    if (auto* metric = std::get_if<wire::MetricDef>(&definition.body)) metric->resolution = kHour;
    batch.entries.emplace_back(definition);
  }
  batch.entries.emplace_back(testing::poll(testing::kNoon, 1));
  batch.entries.emplace_back(testing::poll(testing::kNoon + 10 * kSecond, 2));
  const auto made = maker_.follow(batch);
  ASSERT_TRUE(intake_->commit_batch(maker_.agent(), maker_.life(), made.bytes));
  settle();
  const std::string before = in_force();
  std::string ranked = catalogue_with("measure = \"volume\"", "measure = \"p95\"");
  ranked.replace(ranked.find("unit = \"B\""), 10, "unit = \"bit/s\"");
  EXPECT_FALSE(decide("catalogue apply", {}, ranked));
  ASSERT_EQ(asked_.mistakes.size(), 1U);
  EXPECT_THAT(asked_.mistakes[0], HasSubstr("shop/new.toml:7:7: "));
  EXPECT_THAT(asked_.mistakes[0], HasSubstr("one value in 1h"));
  EXPECT_THAT(asked_.mistakes[0], HasSubstr("host:stor-01"));
  EXPECT_EQ(in_force(), before);
  write_catalogue(ranked);
  const Status by_file = billing_->reload_catalogue();
  ASSERT_FALSE(by_file);
  EXPECT_THAT(by_file.error().text(), HasSubstr("catalogue.toml:7:7: "));
  EXPECT_EQ(in_force(), before);

  answer(decide("catalogue apply", {}, priced("0.03")));
  std::string elsewhere = ranked;
  elsewhere.replace(elsewhere.find("host:stor-01"), 12, "host:stor-02");
  answer(decide("catalogue apply", {}, elsewhere));
}

/// Given a decision without a reason, then nothing changes.
TEST_F(CatalogueApply, WantsAReason) {
  const std::string before = in_force();
  DecisionRequest request;
  request.command = "catalogue apply";
  request.files.push_back({"new.toml", priced("0.02")});
  const auto refused = billing_->decide(request);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("--why"));
  EXPECT_EQ(in_force(), before);
  EXPECT_FALSE(billing_->close("", {"ann", " "}));
}

/// Given a file that is older than what was applied since, then a restart leaves that in force; and
/// given the file is changed, then it comes into force.
TEST_F(CatalogueApply, TheFileCountsWhenItChanges) {
  answer(decide("catalogue apply", {}, priced("0.02")));
  const std::string applied = in_force();
  open();
  EXPECT_EQ(in_force(), applied);
  ASSERT_TRUE(billing_->reload_catalogue());
  EXPECT_EQ(in_force(), applied);
  write_catalogue(priced("0.03"));
  ASSERT_TRUE(billing_->reload_catalogue());
  EXPECT_NE(in_force(), applied);
  const json log = answer(decide("catalogue log")).at("versions");
  ASSERT_EQ(log.size(), 3U);
  EXPECT_EQ(log[2].at("user"), "configuration");
}

/// Given close and release by hand, then both stand in the audit log, in the ledger's chain; and a
/// text changed in the ledger is found.
TEST_F(CatalogueApply, CloseAndReleaseAreDecisions) {
  minute(0);
  answer(billing_->close("", {"ann", "the month is over", 1000}));
  answer(billing_->release("", {"bob", "looks right", 1001}));
  const json audit = answer(decide("audit log")).at("decisions");
  ASSERT_EQ(audit.size(), 3U);
  EXPECT_EQ(audit[1].at("kind"), "close");
  EXPECT_EQ(audit[1].at("what").at("period"), "2026-11-22T12:00:00Z/1m");
  EXPECT_EQ(audit[2].at("kind"), "release");
  EXPECT_EQ(audit[2].at("user"), "bob");
  EXPECT_EQ(answer(decide("audit log")).at("head").at("hash"), audit[2].at("hash"));
  const auto path = folder_.file("ledger");
  EXPECT_EQ(verify_ledger(path)->damages, 0U);
  ASSERT_TRUE(ledger_->database().run("UPDATE catalogue SET text = text || ' '"));
  const auto report = verify_ledger(path);
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_EQ(report->findings[0].table, "catalogue");
}

}  // namespace
}  // namespace tallyman::rater
