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

/// Given any anchor, then a customer's months lie end to end, each ends when the calendar month of
/// its name does or before, and each name is one month's.
TEST(Calendar, MonthsWithAnAnchorLieEndToEndAndEndWithinTheirName) {
  for (const char* zone : {"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"}) {
    for (unsigned day = 1; day <= 31; ++day) {
      const Anchor anchor{day, day % 5 == 0 ? 2U : 0U};
      std::optional<Period> before;
      for (Period month = *period_named(kMonthly, zone, "2026-01"); month.id < "2029-01";
           month = period_at(kMonthly, zone, month.end)) {
        const Period mine = *period_named(kMonthly, zone, month.id, anchor);
        EXPECT_EQ(mine.start, before ? before->end : mine.start) << zone << day << mine.id;
        EXPECT_LE(mine.end, day > 1 ? month.end : mine.end) << zone << day << mine.id;
        EXPECT_EQ(mine.id, month.id);
        before = mine;
      }
    }
  }
}

TEST(Calendar, AnAnchorThatAMonthDoesNotHaveIsItsLastDay) {
  const auto month = [](const char* id, unsigned day, unsigned hour = 0) {
    const Period period = *period_named(kMonthly, "UTC", id, {day, hour});
    return to_rfc3339_short(period.start) + "/" + to_rfc3339_short(period.end);
  };
  EXPECT_EQ(month("2026-11", 15), "2026-10-15T00:00:00Z/2026-11-15T00:00:00Z");
  EXPECT_EQ(month("2026-11", 15, 6), "2026-10-15T06:00:00Z/2026-11-15T06:00:00Z");
  EXPECT_EQ(month("2026-11", 1, 6), "2026-11-01T06:00:00Z/2026-12-01T06:00:00Z");
  EXPECT_EQ(month("2026-02", 31), "2026-01-31T00:00:00Z/2026-02-28T00:00:00Z");
  EXPECT_EQ(month("2026-03", 31), "2026-02-28T00:00:00Z/2026-03-31T00:00:00Z");
  EXPECT_EQ(month("2026-03", 29), "2026-02-28T00:00:00Z/2026-03-29T00:00:00Z");
  EXPECT_EQ(month("2028-03", 29), "2028-02-29T00:00:00Z/2028-03-29T00:00:00Z");
  EXPECT_EQ(month("2028-03", 30), "2028-02-29T00:00:00Z/2028-03-30T00:00:00Z");
  EXPECT_EQ(month("2026-05", 30), "2026-04-30T00:00:00Z/2026-05-30T00:00:00Z");
}

/// Given months in which clocks change, then every day has its one snapshot.
TEST(Calendar, EveryDayHasOneInstantOfAnHour) {
  const auto count = [](const char* zone, const char* id, unsigned hour) {
    const Period month = *period_named(kMonthly, zone, id);
    return daily_at(zone, hour, month.start, month.end).size();
  };
  for (unsigned hour = 0; hour < 24; ++hour) {
    EXPECT_EQ(count("Europe/Berlin", "2026-03", hour), 31U) << hour;
    EXPECT_EQ(count("Europe/Berlin", "2026-10", hour), 31U) << hour;
    EXPECT_EQ(count("America/Sao_Paulo", "2018-11", hour), 30U) << hour;
    EXPECT_EQ(count("UTC", "2028-02", hour), 29U) << hour;
    EXPECT_EQ(count("Pacific/Apia", "2011-12", hour), 30U) << hour << ": it had no 30th";
  }
  const Period march = *period_named(kMonthly, "Europe/Berlin", "2026-03");
  const std::vector<Ns> at = daily_at("Europe/Berlin", 6, march.start, march.end);
  EXPECT_EQ(to_rfc3339_short(at.front()), "2026-03-01T05:00:00Z");
  EXPECT_EQ(to_rfc3339_short(at.back()), "2026-03-31T04:00:00Z");
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
