// Instants and lengths of time as text: exact both ways, and nothing else accepted.

#include "base/time_text.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <random>

namespace tallyman {
namespace {

constexpr Ns kLow = std::numeric_limits<Ns>::min();
constexpr Ns kHigh = std::numeric_limits<Ns>::max();

// Given instants, then their text is RFC 3339 in UTC.
TEST(TimeText, WritesRfc3339) {
  EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_rfc3339_short(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339_short(1), "1970-01-01T00:00:00.000000001Z");
  EXPECT_EQ(to_rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(to_rfc3339_short(1'795'359'900 * kSecond), "2026-11-22T15:05:00Z");
  EXPECT_EQ(to_rfc3339(kHigh), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(to_rfc3339(kLow), "1677-09-21T00:12:43.145224192Z");
}

// Given any instant of 64 bits, then its text comes back to the nanosecond.
TEST(TimeText, InstantsComeBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 50'000; ++i) {
    const Ns instant = static_cast<Ns>(random()) >> (random() % 40);
    ASSERT_EQ(from_rfc3339(to_rfc3339(instant)), instant) << instant;
    ASSERT_EQ(from_rfc3339(to_rfc3339_short(instant)), instant) << instant;
  }
  EXPECT_EQ(from_rfc3339(to_rfc3339(kHigh)), kHigh);
  EXPECT_EQ(from_rfc3339(to_rfc3339(kLow)), kLow);
}

// Given whole seconds, then the calendar agrees with the C library's.
TEST(TimeText, AgreesWithTheCLibrary) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 5'000; ++i) {
    const auto seconds = static_cast<std::time_t>(random() % 9'000'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    ASSERT_EQ(to_rfc3339_short(static_cast<Ns>(seconds) * kSecond), text);
  }
}

// Given the forms RFC 3339 allows, then they are read: offsets, small letters, any fraction.
TEST(TimeText, ReadsOffsetsAndFractions) {
  const Ns noon = *from_rfc3339("2026-11-22T12:00:00Z");
  EXPECT_EQ(from_rfc3339("2026-11-22t12:00:00z"), noon);
  EXPECT_EQ(from_rfc3339("2026-11-22 12:00:00Z"), noon);
  EXPECT_EQ(from_rfc3339("2026-11-22T13:30:00+01:30"), noon);
  EXPECT_EQ(from_rfc3339("2026-11-21T23:00:00-13:00"), noon);
  EXPECT_EQ(from_rfc3339("2026-11-22T12:00:00.25Z"), noon + 250 * kMillisecond);
  EXPECT_EQ(from_rfc3339("2026-11-22T12:00:00.123456789000Z"), noon + 123'456'789);
  EXPECT_EQ(from_rfc3339("2024-02-29T00:00:00Z").has_value(), true);
}

// Given what is no instant, or none that 64 bits hold, then nothing is read.
TEST(TimeText, RefusesWhatIsNoInstant) {
  for (const char* wrong : {"",
                            "2026",
                            "2026-11-22",
                            "2026-11-22T12:00Z",
                            "2026-11-22T12:00:00",
                            "2026-13-01T00:00:00Z",
                            "2026-00-01T00:00:00Z",
                            "2026-02-30T00:00:00Z",
                            "2025-02-29T00:00:00Z",
                            "2026-11-22T24:00:00Z",
                            "2026-11-22T12:60:00Z",
                            "2026-11-22T12:00:60Z",
                            "2026-11-22T12:00:00.Z",
                            "2026-11-22T12:00:00.1234567891Z",
                            "2026-11-22T12:00:00+24:00",
                            "2026-11-22T12:00:00+01:60",
                            "2026-11-22T12:00:00+0100",
                            "2026-11-22T12:00:00ZZ",
                            " 2026-11-22T12:00:00Z",
                            "+026-11-22T12:00:00Z",
                            "2262-04-11T23:47:16.854775808Z",
                            "2262-12-31T00:00:00Z",
                            "1677-09-21T00:12:43.145224191Z",
                            "0000-01-01T00:00:00Z",
                            "9999-12-31T23:59:59Z"}) {
    EXPECT_FALSE(from_rfc3339(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(from_rfc3339("2262-04-12T00:47:16.854775807+01:00"), kHigh);
}

// Given lengths of time as text, then units add up, largest first.
TEST(TimeText, ReadsDurations) {
  EXPECT_EQ(duration_from_text("10s"), 10 * kSecond);
  EXPECT_EQ(duration_from_text("1m30s"), 90 * kSecond);
  EXPECT_EQ(duration_from_text("250ms"), 250 * kMillisecond);
  EXPECT_EQ(duration_from_text("1d2h3m4s5ms6us7ns"),
            kDay + 2 * kHour + 3 * kMinute + 4 * kSecond + 5 * kMillisecond + 6 * kMicrosecond + 7);
  EXPECT_EQ(duration_from_text("90m"), 90 * kMinute);
  EXPECT_EQ(duration_from_text("0s"), 0);
  EXPECT_EQ(duration_from_text("9223372036854775807ns"), kHigh);
  for (const char* wrong : {"", "10", "s", "10 s", "-1s", "1.5s", "30s1m", "1s1s", "1x", "1S",
                            "9223372036854775808ns", "106752d", "99999999999999999999s"}) {
    EXPECT_FALSE(duration_from_text(wrong).has_value()) << wrong;
  }
}

// Given any length of time, then its text comes back; also the least one, which has no opposite.
TEST(TimeText, DurationsComeBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 50'000; ++i) {
    const Ns length = static_cast<Ns>(random() >> 1U) >> (random() % 63);
    ASSERT_EQ(duration_from_text(to_duration_text(length)), length) << length;
  }
  EXPECT_EQ(to_duration_text(0), "0s");
  EXPECT_EQ(to_duration_text(90 * kSecond), "1m30s");
  EXPECT_EQ(to_duration_text(-90 * kSecond), "-1m30s");
  EXPECT_EQ(to_duration_text(kLow), "-106751d23h47m16s854ms775us808ns");
}

}  // namespace
}  // namespace tallyman
