// Given another catalogue and a released period, then what it changes is rated in steps between
// which everything else goes on, and it comes into force whole or not at all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using ::testing::HasSubstr;
using testing::json;

const Decision kDecision{"ann", "a new price", 1000};

class CatalogueWork : public testing::BillingTest {
 protected:
  CatalogueWork() {
    options_.close_automatically = options_.release_automatically = false;
    open();
    minute(0);
    minute(1);
    answer(billing_->close("", kDecision));
    answer(billing_->release("", kDecision));
    released_ = answer(billing_->periods_json()).at("periods").at(0).at("id");
    options_.close_step = 0;  // as little as can be at each tick
    open();
  }
  static std::string priced(const std::string& price) {
    return catalogue_with("price = \"0.01\"", "price = \"" + price + "\"");
  }
  /// A claim more, to a host that nobody has heard of: no record that is released changes.
  static std::string with_another(const std::string& host = "host:none") {
    return std::string(testing::kCatalogue) +
           "[[resource]]\ncustomer = \"acme\"\n[resource.match]\nsource = \"" + host + "\"\n";
  }
  void begin(const std::string& command, const std::string& text, bool adjust = false,
             Billing::Wanted wanted = {}) {
    DecisionRequest request;
    request.command = command;
    request.adjust = adjust;
    request.decision = kDecision;
    request.files.push_back({"new.toml", text});
    told_.reset();
    billing_->decide(
        request,
        [this](const DecisionRequest&, const Result<std::string>& result) { told_ = result; },
        std::move(wanted));
  }
  /// Ticks until it is answered; how often.
  int finish() {
    int ticks = 0;
    for (; !told_ && ticks < 1000; ++ticks) {
      EXPECT_TRUE(billing_->more_to_do());
      EXPECT_TRUE(billing_->status_json());
      billing_->tick();
    }
    EXPECT_TRUE(told_.has_value());
    return ticks;
  }
  std::string in_force() {
    return answer(billing_->status_json()).at("catalogue").at("version").get<std::string>();
  }
  int due() { return answer(billing_->status_json()).at("adjustments").at("due").get<int>(); }

  std::string released_;
  std::optional<Result<std::string>> told_;
};

// Given a diff, then it is rated in steps and says what it would in one go; and it is dropped when
// its client goes.
TEST_F(CatalogueWork, DiffsInSteps) {
  const std::string before = in_force();
  begin("catalogue diff", priced("0.02"));
  EXPECT_GT(finish(), 5);
  const json changes = answer(*told_).at("changes");
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes.at(0).at("period"), released_);
  EXPECT_EQ(changes.at(0).at("state"), "released");
  EXPECT_EQ(changes.at(1).at("state"), "ended");
  EXPECT_EQ(in_force(), before);
  bool there = true;
  begin("catalogue diff", priced("0.02"), false, [&] { return there; });
  billing_->tick();
  there = false;
  while (billing_->more_to_do()) billing_->tick();
  EXPECT_FALSE(told_);
}

// Given one that would alter a released record, then it is refused after it was rated in steps, and
// with --adjust it is in force and the period is due; one that alters none is in force as well.
TEST_F(CatalogueWork, AppliesInSteps) {
  const std::string before = in_force();
  begin("catalogue apply", priced("0.02"));
  EXPECT_GT(finish(), 3);
  ASSERT_FALSE(*told_);
  EXPECT_THAT(told_->error().text(), HasSubstr("it would alter 1 records of period " + released_));
  EXPECT_EQ(in_force(), before);
  EXPECT_EQ(due(), 0);
  begin("catalogue apply", with_another());
  EXPECT_GT(finish(), 3);
  EXPECT_EQ(answer(*told_).at("changed"), true);
  EXPECT_EQ(in_force(), answer(*told_).at("version"));
  begin("catalogue apply", priced("0.02"), true);
  finish();
  EXPECT_EQ(in_force(), answer(*told_).at("version"));
  EXPECT_EQ(due(), 1);
}

// Given a kill while it is compared, then what was in force is.
TEST_F(CatalogueWork, AKillLeavesWhatWasInForce) {
  const std::string before = in_force();
  begin("catalogue apply", with_another());
  for (int n = 0; n < 3; ++n) billing_->tick();
  ASSERT_FALSE(told_);
  open();
  EXPECT_EQ(in_force(), before);
  DecisionRequest log;
  log.command = "catalogue log";
  EXPECT_EQ(answer(billing_->decide(log)).at("versions").size(), 1U);
}

// Given a ledger in which a period became released while it was compared, then nothing comes into
// force.
TEST_F(CatalogueWork, WhatItWasComparedWithIsThereStill) {
  answer(billing_->close("", kDecision));
  const std::string before = in_force();
  begin("catalogue apply", with_another());
  billing_->tick();
  ASSERT_FALSE(told_);
  ASSERT_TRUE(
      ledger_->database().run("UPDATE period SET state = (SELECT state FROM period"
                              " WHERE id = '" +
                              released_ + "')"));
  finish();
  ASSERT_FALSE(*told_);
  EXPECT_THAT(told_->error().text(), HasSubstr("has changed while"));
  EXPECT_EQ(in_force(), before);
}

// Given the configured file changed, then at a reload and at a start it is compared in steps, and
// until it is in force the former one is; one that is refused says so in the status.
TEST_F(CatalogueWork, TheFileTakesItsTurn) {
  const std::string before = in_force();
  write_catalogue(with_another());
  std::optional<Status> read;
  billing_->reload_catalogue([&](const Status& how) { read = how; });
  EXPECT_FALSE(read);
  EXPECT_EQ(in_force(), before);
  while (!read && billing_->more_to_do()) billing_->tick();
  ASSERT_TRUE(read);
  EXPECT_TRUE(*read) << read->error().text();
  const std::string next = in_force();
  EXPECT_NE(next, before);
  write_catalogue(priced("0.03"));
  open();
  EXPECT_EQ(in_force(), next);
  while (billing_->more_to_do()) billing_->tick();
  EXPECT_EQ(in_force(), next);
  EXPECT_THAT(answer(billing_->status_json()).at("error").get<std::string>(),
              HasSubstr("it would alter 1 records"));
  write_catalogue(with_another("host:nowhere"));
  open();
  while (billing_->more_to_do()) billing_->tick();
  EXPECT_NE(in_force(), next);
  EXPECT_EQ(answer(billing_->status_json()).at("error"), nullptr);
}

}  // namespace
}  // namespace tallyman::rater
