// Given decisions on anomalies of every cause, then each reads back with its cause, and so does one
// that an older rater kept, by its words alone.

#include <gtest/gtest.h>

#include "rater/decisions/decisions.hpp"

namespace tallyman::rater {
namespace {

constexpr AnomalyCause kCauses[] = {AnomalyCause::speed, AnomalyCause::room,
                                    AnomalyCause::forgotten, AnomalyCause::disputed,
                                    AnomalyCause::witnesses};

AnomalyContent anomaly_of(AnomalyCause cause) {
  AnomalyContent anomaly;
  anomaly.view = {{"host:a", wire::Scope::host, "tx", "bytes", wire::Kind::counter, {}}, "a", "i"};
  anomaly.from = 10;
  anomaly.to = 20;
  anomaly.value = 5;
  anomaly.why = std::string(why_of(cause));
  if (cause == AnomalyCause::witnesses) anomaly.why += ": b/i read so much more";
  anomaly.cause = cause;
  return anomaly;
}

AuditEntry accept_of(const std::string& what) {
  AuditEntry entry;
  entry.kind = kAnomalyAccept;
  entry.what = what;
  return entry;
}

TEST(AnomalyCause, StandsInTheDecision) {
  for (const AnomalyCause cause : kCauses) {
    Decisions decisions;
    ASSERT_TRUE(take_in(accept_of(what_of(anomaly_of(cause))), decisions).ok());
    EXPECT_EQ(decisions.accepted.at(0), anomaly_of(cause));
    EXPECT_EQ(cause_named(name_of(cause)), cause);
    EXPECT_EQ(cause_of_number(static_cast<std::int64_t>(cause)), cause);
  }
}

TEST(AnomalyCause, IsKnownByTheWordsOfOlderDecisions) {
  for (const AnomalyCause cause : kCauses) {
    std::string what = what_of(anomaly_of(cause));
    const std::string member = "\"cause\":\"" + std::string(name_of(cause)) + "\",";
    ASSERT_NE(what.find(member), std::string::npos) << what;
    what.erase(what.find(member), member.size());
    Decisions decisions;
    ASSERT_TRUE(take_in(accept_of(what), decisions).ok());
    EXPECT_EQ(decisions.accepted.at(0), anomaly_of(cause));
  }
}

TEST(AnomalyCause, NobodyKnowsIsNoDecision) {
  std::string what = what_of(anomaly_of(AnomalyCause::room));
  what.replace(what.find("\"room\""), 6, "\"moon\"");
  Decisions decisions;
  EXPECT_FALSE(take_in(accept_of(what), decisions).ok());
  EXPECT_EQ(cause_named("moon"), std::nullopt);
  EXPECT_EQ(cause_of_words("two values"), std::nullopt);
  EXPECT_EQ(cause_of_number(0), std::nullopt);
  EXPECT_EQ(cause_of_number(6), std::nullopt);
}

}  // namespace
}  // namespace tallyman::rater
