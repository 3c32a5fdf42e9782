// Given a period rule and a time zone, then periods lie end to end and months have the hours that
// the zone's clocks give them.

#include "rater/rating/calendar.hpp"

#include <gtest/gtest.h>

#include "base/time_text.hpp"

namespace tallyman::rater {
namespace {

Ns at(const char* text) { return from_rfc3339(text).value(); }
Ns hours(const Period& period) { return (period.end - period.start) / kHour; }
constexpr PeriodRule kMonthly{};

TEST(Calendar, MonthsOfAChangeOfClocksHave743And745Hours) {
  EXPECT_EQ(hours(*period_named(kMonthly, "Europe/Berlin", "2026-03")), 743);
  EXPECT_EQ(hours(*period_named(kMonthly, "Europe/Berlin", "2026-10")), 745);
  EXPECT_EQ(hours(*period_named(kMonthly, "UTC", "2026-03")), 744);
  const Period march = *period_named(kMonthly, "Europe/Berlin", "2026-03");
  EXPECT_EQ(march.start, at("2026-02-28T23:00:00Z"));
  EXPECT_EQ(march.end, at("2026-03-31T22:00:00Z"));
}

TEST(Calendar, FebruaryHasItsLeapDay) {
  EXPECT_EQ(hours(*period_named(kMonthly, "UTC", "2028-02")), 29 * 24);
  EXPECT_EQ(hours(*period_named(kMonthly, "UTC", "2100-02")), 28 * 24);
}

TEST(Calendar, MonthsLieEndToEndInEveryZone) {
  // Sao_Paulo and Havana change at midnight, Lord_Howe by half an hour, Apia left out a day.
  for (const char* zone : {"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo",
                           "America/Havana", "Australia/Lord_Howe", "Pacific/Apia",
                           "Asia/Kathmandu", "America/Asuncion", "Asia/Amman"}) {
    Period period = period_at(kMonthly, zone, at("1995-01-15T00:00:00Z"));
    for (int i = 0; i < 600; ++i) {
      const Period next = period_at(kMonthly, zone, period.end);
      EXPECT_EQ(next.start, period.end) << zone << " " << period.id;
      EXPECT_LT(period.id, next.id) << zone;
      EXPECT_EQ(period_at(kMonthly, zone, period.end - 1), period) << zone;
      EXPECT_EQ(period_at(kMonthly, zone, period.start), period) << zone;
      EXPECT_EQ(period_named(kMonthly, zone, period.id), period) << zone;
      period = next;
    }
    EXPECT_EQ(period.id, "2045-01");
  }
}

TEST(Calendar, FixedLengthsLieOnTheEpoch) {
  const PeriodRule rule{10 * kSecond};
  const Period period = period_at(rule, "UTC", at("2026-11-22T15:05:07.5Z"));
  EXPECT_EQ(period.id, "2026-11-22T15:05:00Z/10s");
  EXPECT_EQ(period.start, at("2026-11-22T15:05:00Z"));
  EXPECT_EQ(period.end, at("2026-11-22T15:05:10Z"));
  EXPECT_EQ(period_at(rule, "UTC", period.end).start, period.end);
  EXPECT_EQ(period_named(rule, "UTC", period.id), period);
  EXPECT_EQ(period_at(rule, "UTC", -1).start, -10 * kSecond);
}

TEST(Calendar, RefusesNamesOfOtherRules) {
  for (const char* id : {"", "2026", "2026-13", "2026-00", "2026-1", "2026-11-22", "x026-11",
                         "9999-01", "2026-11-22T15:05:00Z/10s"}) {
    EXPECT_FALSE(period_named(kMonthly, "UTC", id)) << id;
  }
  const PeriodRule rule{10 * kSecond};
  for (const char* id : {"2026-11", "2026-11-22T15:05:01Z/10s", "2026-11-22T15:05:00Z/20s",
                         "2026-11-22T15:05:00Z", "/"}) {
    EXPECT_FALSE(period_named(rule, "UTC", id)) << id;
  }
}

TEST(Calendar, KnowsZonesByTheSystemsDatabase) {
  EXPECT_TRUE(zone_known("Europe/Berlin"));
  EXPECT_FALSE(zone_known("Europe/Atlantis"));
  EXPECT_FALSE(zone_known("../../etc/passwd"));
  EXPECT_FALSE(zone_known(""));
  EXPECT_FALSE(tz_version().empty());
}

}  // namespace
}  // namespace tallyman::rater
