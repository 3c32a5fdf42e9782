// Given messages that wait to go out, then what people decide about them is done, and kept.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "billing_fixture.hpp"
#include "rater/decisions/audit_log.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using testing::json;

DecisionRequest skip(const std::string& id, const std::string& why) {
  DecisionRequest request;
  request.command = "outbox skip";
  request.fields["id"] = id;
  request.decision = {"ann", why, 7};
  return request;
}

/// Given a message that somebody leaves out, then it never goes out, also after a restart, and who
/// did it and why stands in the chain.
TEST_F(BillingTest, ASkippedMessageIsADecision) {
  minute(0);
  while (answer(billing_->outbox_json()).at("waiting") == 0) billing_->tick();
  const json outbox = answer(billing_->outbox_json());
  const auto left = outbox.at("waiting").get<std::size_t>();
  const json row = outbox.at("outbox").back();
  const std::string id = row.at("id");
  DecisionRequest without = skip(id, " ");
  EXPECT_FALSE(billing_->decide(without));
  EXPECT_EQ(answer(billing_->outbox_json()).at("waiting"), left);
  DecisionRequest unknown = skip("zz", "typed by hand");
  EXPECT_FALSE(billing_->decide(unknown));
  DecisionRequest skipped = skip(id.substr(0, 20), "sent by hand");
  EXPECT_EQ(answer(billing_->decide(skipped)).at("skipped"), id);
  EXPECT_EQ(answer(billing_->outbox_json()).at("waiting"), left - 1);
  open();
  settle();
  const auto events = published();
  EXPECT_EQ(events.size(), 2U);
  EXPECT_TRUE(std::none_of(events.begin(), events.end(),
                           [&](const json& event) { return event.at("id") == id; }));
  const json status = answer(billing_->status_json()).at("outbox");
  EXPECT_EQ(status.at("skipped"), 1);
  EXPECT_EQ(status.at("waiting"), 0);
  EXPECT_EQ(status.at("state"), "good");
  DecisionRequest log;
  log.command = "audit log";
  const json entry = answer(billing_->decide(log)).at("decisions").back();
  EXPECT_EQ(entry.at("kind"), "outbox skip");
  EXPECT_EQ(entry.at("user"), "ann");
  EXPECT_EQ(entry.at("why"), "sent by hand");
  EXPECT_EQ(entry.at("what").at("id"), id);
  const auto broken = [](std::int64_t n, const std::string& what) {
    ADD_FAILURE() << n << ": " << what;
  };
  EXPECT_TRUE(verify_audit(ledger_->database(), broken));
}

/// Given a released period whose messages were lost behind the bus, then somebody sends them once
/// more, each byte for byte, or one of them; what is not released is not sent.
TEST_F(BillingTest, WhatWentOutIsSentOnceMore) {
  minute(0);
  settle();
  const auto first = published();
  ASSERT_EQ(first.size(), 3U);
  const auto resend = [&](const std::string& what, const std::string& why) {
    DecisionRequest request = skip(what, why);
    request.command = "outbox resend";
    return billing_->decide(request);
  };
  const std::string period = "2026-11-22T12:00:00Z/1m";
  EXPECT_FALSE(resend(period, ""));
  EXPECT_FALSE(resend("2026-11-22T12:01:00Z/1m", "lost"));
  EXPECT_EQ(answer(resend(period, "the queue was deleted")).at("messages"), 3);
  settle();
  auto again = published();
  ASSERT_EQ(again.size(), 6U);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), again.begin() + 3));
  const std::string id = first[1].at("id");
  EXPECT_EQ(answer(resend(id.substr(0, 16), "that one too")).at("resent"), id);
  settle();
  again = published();
  ASSERT_EQ(again.size(), 7U);
  EXPECT_EQ(again.back(), first[1]);
  DecisionRequest log;
  log.command = "audit log";
  const json entry = answer(billing_->decide(log)).at("decisions").back();
  EXPECT_EQ(entry.at("kind"), "outbox resend");
  EXPECT_EQ(entry.at("why"), "that one too");
}

}  // namespace
}  // namespace tallyman::rater
