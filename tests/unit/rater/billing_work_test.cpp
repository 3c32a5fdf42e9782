// Given anything that rates, over many series, then it goes on in steps between which batches are
// received, and what it answers is what it would have said in one go.

#include <gtest/gtest.h>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using testing::definitions;
using testing::json;
using testing::kNoon;
using testing::poll;
using testing::StreamMaker;

const Decision kDecision{"root", "the month is over"};
const std::map<std::string, std::string> kWaiver{
    {"resource", "acme"}, {"from", "2026-11-22T12:00:00Z"}, {"to", "2026-11-22T12:00:30Z"}};
constexpr int kSeries = 400;

class BillingWork : public BillingTest {
 protected:
  BillingWork() {
    options_.close_automatically = options_.release_automatically = false;
    open();
    minute(0);
    minute(1);
    many_series();
    settle();
    options_.close_step = 0;  // as little as can be at each tick
    open();
  }

  /// A second agent that reads many more series of the same host, of one poll at noon and one a
  /// minute on.
  void many_series() {
    StreamMaker many("stor-02", 9);
    wire::Batch batch{many.head(), {}, {kNoon + 2 * kMinute, 1}};
    batch.head.opened = kNoon;
    auto known = definitions();
    for (const auto& definition : known) {
      if (!std::holds_alternative<wire::SeriesDef>(definition.body) &&
          !std::holds_alternative<wire::EpochDef>(definition.body) &&
          !std::holds_alternative<wire::InfoDef>(definition.body)) {
        batch.entries.emplace_back(definition);
      }
    }
    wire::SeriesDef series;
    wire::EpochDef epoch;
    for (const auto& definition : known) {
      if (const auto* one = std::get_if<wire::SeriesDef>(&definition.body)) series = *one;
      if (const auto* one = std::get_if<wire::EpochDef>(&definition.body)) epoch = *one;
    }
    wire::Poll first = poll(kNoon, 0), second = poll(kNoon + kMinute, 0);
    first.values.clear();
    second.values.clear();
    for (int n = 0; n < kSeries; ++n) {
      series.identity[0] = std::to_string(1000 + n);
      epoch.series = static_cast<wire::DefNo>(1000 + 2 * n);
      batch.entries.emplace_back(wire::Definition{epoch.series, series});
      batch.entries.emplace_back(wire::Definition{epoch.series + 1, epoch});
      first.values.push_back({epoch.series + 1, 5, 0});
      second.values.push_back({epoch.series + 1, 6005, 0});
    }
    batch.entries.emplace_back(first);
    batch.entries.emplace_back(second);
    const auto made = many.follow(batch);
    const auto taken = intake_->commit_batch(many.agent(), many.life(), made.bytes);
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->outcome, Accepted::Outcome::applied) << taken->text;
  }

  /// Asks, and has a batch received at each step until it is answered; the steps it took.
  int between_batches(const std::function<void(Billing::Answer)>& ask, json& told) {
    std::optional<Result<std::string>> answered;
    ask([&](const Result<std::string>& result) { answered = result; });
    int steps = 0;
    for (; !answered && steps < 10'000; ++steps) {
      EXPECT_TRUE(billing_->more_to_do());
      if (steps % 5 == 0) minute(next_++);
      billing_->tick();
    }
    EXPECT_TRUE(answered.has_value());
    if (answered) told = answer(*answered);
    return steps;
  }

  int next_ = 2;
  const std::string period_ = "2026-11-22T12:00:00Z/1m";
};

// Given running figures and a statement, then both are of the moment they began in.
TEST_F(BillingWork, RunningFiguresAndStatements) {
  const json usage = answer(billing_->usage_json("", period_));
  EXPECT_EQ(usage.at("usage").at(0).at("exact").at("billed"),
            std::to_string(kSeries * 6000 + 1800));
  json told;
  EXPECT_GT(between_batches([&](auto to) { billing_->usage_json("", period_, to); }, told), 20);
  EXPECT_EQ(told.at("usage"), usage.at("usage"));
  const json statement = answer(billing_->statement_json("acme", period_));
  EXPECT_GT(between_batches([&](auto to) { billing_->statement_json("acme", period_, to); }, told),
            20);
  EXPECT_EQ(told.at("meters"), statement.at("meters"));
}

// Given a close, a release and a decision that begin together, then each waits for the one before,
// and what is kept is shown meanwhile.
TEST_F(BillingWork, TakeTurns) {
  std::vector<std::string> order;
  const auto note = [&](const std::string& what) {
    return [&order, what](const Result<std::string>& result) {
      EXPECT_TRUE(result) << what << ": " << (result ? "" : result.error().text());
      order.push_back(what);
    };
  };
  billing_->close(period_, kDecision, note("close"));
  billing_->release(period_, kDecision, note("release"));
  DecisionRequest asked;
  asked.command = "waive";
  asked.decision = kDecision;
  asked.fields = kWaiver;
  billing_->decide(asked, [&](const DecisionRequest&, const Result<std::string>& result) {
    note("waive")(result);
    EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("due"), 1);
  });
  asked.command = "audit log";
  billing_->decide(asked, [&](const DecisionRequest&, const Result<std::string>& result) {
    note("audit log")(result);
  });
  json told;
  EXPECT_GT(between_batches([&](auto to) { billing_->usage_json("", "", to); }, told), 60);
  EXPECT_EQ(order, (std::vector<std::string>{"audit log", "close", "release", "waive"}));
}

// Given a decision that reaches into a released period, then its adjustments are rated in steps,
// and are the same as ever; a kill in the middle leaves them due.
TEST_F(BillingWork, Adjustments) {
  answer(billing_->close(period_, kDecision));
  answer(billing_->release(period_, kDecision));
  DecisionRequest waive;
  waive.command = "waive";
  waive.decision = kDecision;
  waive.fields = kWaiver;
  answer(billing_->decide(waive));
  for (int n = 0; n < 5; ++n) billing_->tick();
  EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("due"), 1);
  open();
  EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("due"), 1);
  DecisionRequest review;
  review.command = "review";
  review.fields["period"] = period_;
  json told;
  EXPECT_GT(between_batches(
                [&](auto to) {
                  billing_->decide(
                      review, [to](const DecisionRequest&, const auto& result) { to(result); });
                },
                told),
            20);
  EXPECT_EQ(told.at("adjustments").size(), 1U);
  EXPECT_GT(between_batches([&](auto to) { billing_->release(period_, kDecision, to); }, told), 20);
  EXPECT_EQ(told.at("adjustments").at(0).at("state"), "released");
}

// Given clients of whom each asks again as soon as it is answered, then what is closed and released
// by itself has its turn, and they have theirs.
TEST_F(BillingWork, StarvesNobody) {
  options_.close_automatically = options_.release_automatically = true;
  open();
  constexpr int kClients = 3;
  int asked = 0, answered = 0;
  const auto released = [&] {
    const json all = answer(billing_->periods_json()).at("periods");
    for (const json& period : all) {
      if (period.at("id") == period_ && period.at("state") == "released") return true;
    }
    return false;
  };
  for (int ticks = 0; ticks < 20'000 && (ticks % 50 != 0 || !released()); ++ticks) {
    for (; asked < answered + kClients; ++asked) {
      billing_->usage_json("", period_, [&](const Result<std::string>&) { ++answered; });
    }
    billing_->tick();
  }
  EXPECT_TRUE(released());
  EXPECT_GE(answered, 1) << "between close and release a client is answered";
}

// Given a draft that is due to go out by itself, and a decision that was taken before and waits
// behind a question, then the decision counts in what goes out.
TEST_F(BillingWork, WhatWasDecidedCountsInWhatGoesOut) {
  answer(billing_->close(period_, kDecision));
  options_.release_automatically = true;
  open();
  const auto held = [] { return std::optional(Billing::Importing{"old", kForever}); };
  billing_->while_importing(held);
  int asked = 0;
  billing_->usage_json("", period_, [&](const Result<std::string>&) { ++asked; });
  billing_->usage_json("", period_, [&](const Result<std::string>&) { ++asked; });
  DecisionRequest waive;
  waive.command = "waive";
  waive.decision = kDecision;
  waive.fields = kWaiver;
  bool waived = false;
  billing_->decide(waive, [&](const DecisionRequest&, const Result<std::string>& result) {
    EXPECT_TRUE(result);
    waived = true;
    EXPECT_EQ(answer(billing_->periods_json()).at("periods").at(0).at("state"), "draft");
  });
  ASSERT_FALSE(waived);
  billing_->while_importing({});
  for (int ticks = 0; ticks < 20'000 && asked < 2; ++ticks) billing_->tick();
  EXPECT_TRUE(waived);
  settle();
  EXPECT_EQ(answer(billing_->periods_json()).at("periods").at(0).at("state"), "released");
  EXPECT_EQ(answer(billing_->status_json()).at("adjustments").at("due"), 0);
  const std::string record = answer(billing_->records_json(period_)).at("records").at(0).dump();
  EXPECT_NE(record.find("\"waived\":{"), std::string::npos) << record;
}

// Given clients that go before they are answered, then their questions are rated no further, those
// of others are, and decisions stay taken.
TEST_F(BillingWork, DropsQuestionsOfWhoIsGone) {
  bool there = true;
  int told = 0, closed = 0, answered = 0;
  const auto tell = [&](const Result<std::string>&) { ++told; };
  const auto waits = [&] { return there; };
  DecisionRequest review;
  review.command = "review";
  review.fields = {{"period", period_}, {"unattributed", "1"}};
  billing_->usage_json("", period_, tell, waits);
  billing_->statement_json("acme", period_, tell, waits);
  billing_->decide(
      review, [&](const DecisionRequest&, const Result<std::string>& result) { tell(result); },
      waits);
  billing_->close(period_, kDecision, [&](const Result<std::string>& result) {
    EXPECT_TRUE(result);
    ++closed;
  });
  billing_->usage_json("", period_, [&](const Result<std::string>&) { ++answered; });
  there = false;
  for (int ticks = 0; ticks < 20'000 && answered == 0; ++ticks) billing_->tick();
  EXPECT_EQ(told, 0);
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(answered, 1);
}

// Given a period that cannot be closed, whenever that is tried, then a released one is adjusted all
// the same.
TEST_F(BillingWork, WhatFailsKeepsNothingElseFromItsTurn) {
  answer(billing_->close(period_, kDecision));
  answer(billing_->release(period_, kDecision));
  options_.close_automatically = true;
  open();
  minute(next_++);
  ASSERT_TRUE(ledger_->database().run("ALTER TABLE unattributed RENAME TO elsewhere"));
  DecisionRequest waive;
  waive.command = "waive";
  waive.decision = kDecision;
  waive.fields = kWaiver;
  answer(billing_->decide(waive));
  const auto due = [&] {
    return answer(billing_->status_json()).at("adjustments").at("due").get<int>();
  };
  ASSERT_EQ(due(), 1);
  for (int ticks = 0; ticks < 5'000 && due() > 0; ++ticks) billing_->tick();
  EXPECT_EQ(due(), 0);
  EXPECT_NE(answer(billing_->status_json()).at("error"), nullptr) << "closing fails";
}

// Given more questions than may wait, then the last ones are refused, and the others answered.
TEST_F(BillingWork, TooManyAreRefused) {
  int answered = 0, refused = 0;
  for (int n = 0; n < 300; ++n) {
    billing_->usage_json(
        "", period_, [&](const Result<std::string>& result) { ++(result ? answered : refused); });
  }
  EXPECT_EQ(refused, 300 - (256 - 32)) << "some places are kept for decisions";
  EXPECT_EQ(answered, 0);
}

}  // namespace
}  // namespace tallyman::rater
