// Usage as it is asked for: the part against a model of a gateway and its usage log.

#include <gmock/gmock.h>

#include <ctime>
#include <random>

#include "ceph/rgw_part.hpp"
#include "recorder.hpp"

namespace ceph {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNoon = 498'710 * kHour;  // 14:00 of 2026-11-22
constexpr std::int64_t kNanos = 1'000'000'000;

std::int64_t instant_of(const std::string& path, const std::string& key) {
  const std::size_t at = path.find(key);
  if (at == std::string::npos) return 0;
  std::tm parts{};
  strptime(path.c_str() + at + key.size(), "%Y-%m-%d%%20%H%%3A%M%%3A%S", &parts);
  return timegm(&parts);
}

/// A gateway as Ceph 16 is one: what it is asked for it sums up for each user, and says that all of
/// it is of the first hour of that.
class Gateway {
 public:
  std::map<std::string, std::map<std::int64_t, std::uint64_t>> log;  ///< sent, by user and hour
  std::size_t asked = 0;

  HttpAnswer answer(const std::string& path, std::int64_t now) {
    HttpAnswer out{200, "{\"entries\":[", {}, "http://a", "tx0-6b-1020-default"};
    if (path == "/") {
      log["meter"][now - now % kHour] += 1;
      out.body = "<Owner><ID>meter</ID></Owner>";
      return out;
    }
    ++asked;
    const std::int64_t start = instant_of(path, "start="), end = instant_of(path, "end=");
    std::string comma;
    for (const auto& [user, hours] : log) {
      std::int64_t first = 0;
      std::uint64_t sum = 0;
      for (const auto& [hour, sent] : hours) {
        if (hour < start || (end != 0 && hour >= end)) continue;
        if (first == 0) first = hour;
        sum += sent;
      }
      if (first == 0) continue;
      out.body += comma + R"({"user":")" + user + R"(","buckets":[{"bucket":"b","epoch":)" +
                  std::to_string(first) +
                  R"(,"categories":[{"category":"get_obj","bytes_received":0,"bytes_sent":)" +
                  std::to_string(sum) + R"(,"ops":)" + std::to_string(sum) +
                  R"(,"successful_ops":0}]}]})";
      comma = ",";
    }
    out.body += "]}";
    return out;
  }
};

class Metered {
 public:
  explicit Metered(std::int64_t lookback = 2 * kHour) : part_(options(lookback), {"A", "S"}) {}

  void poll(std::int64_t now) {
    std::vector<HttpRequest> requests;
    part_.ask(requests, now, state);
    gateway.asked = 0;
    std::vector<HttpAnswer> answers;
    for (const HttpRequest& request : requests) {
      HttpAnswer answer = gateway.answer(request.path, now);
      if (!failing.empty() && request.path.find(failing) != std::string::npos) {
        answer = {0, {}, "http://a: Timeout was reached", {}, {}};
      }
      answers.push_back(answer);
    }
    host.poll(now, [&](Outlet& out) { part_.take(answers.data(), out, state); });
    for (const Told& each : host.readings) {
      if (each.metric == kRgwSent) told[each.identity[0]][each.start / kNanos] = each.value;
    }
  }

  Gateway gateway;
  RecordingHost host;
  SavedState state;
  std::string failing;  ///< requests whose path has this get no answer
  std::map<std::string, std::map<std::int64_t, std::uint64_t>> told;

 private:
  static RgwOptions options(std::int64_t lookback) {
    RgwOptions made;
    made.endpoints = {"http://a"};
    made.zone = "default";
    made.usage = 1;
    made.settle = 900, made.lookback = lookback, made.flush = 120;
    return made;
  }
  RgwPart part_;
};

// Given a bucket with the same traffic in every hour, then every hour tells that much.
TEST(RgwUsageAsked, SteadyTraffic) {
  Metered metered;
  for (std::int64_t now = kNoon; now < kNoon + 8 * kHour; now += 60) {
    metered.gateway.log["acme"][now - now % kHour] += 100;
    metered.poll(now);
    EXPECT_THAT(metered.host.source_gaps, IsEmpty()) << now;
  }
  for (int i = 0; i < 8; ++i) EXPECT_EQ(metered.told["acme"][kNoon + i * kHour], 6000U) << i;
}

// Given random traffic, late growth and polls missed, then in the end every hour tells what the log
// holds of it.
TEST(RgwUsageAsked, EveryHourInTheEnd) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    Metered metered;
    metered.poll(kNoon);
    for (std::int64_t now = kNoon; now < kNoon + 30 * kHour; now += 60) {
      const std::string user = "u" + std::to_string(random() % 3);
      const auto delay = static_cast<std::int64_t>(random() % 4 == 0 ? random() % 1800 : 0);
      const std::int64_t hour = (now - delay) / kHour * kHour;
      if (random() % 3 == 0 && hour >= kNoon) metered.gateway.log[user][hour] += random() % 100;
      if (random() % 200 == 0) now += static_cast<std::int64_t>(random() % 12) * kHour;
      if (random() % 8 == 0) metered.poll(now);
    }
    for (int i = 1; i < 12; ++i) metered.poll(kNoon + 45 * kHour + i * 60);
    for (const auto& [user, hours] : metered.gateway.log) {
      if (user == "meter") continue;
      for (const auto& [hour, sent] : hours) {
        EXPECT_EQ(metered.told[user][hour], sent) << seed << " " << user << " " << hour;
      }
    }
  }
}

// Given an outage of 40 days, then no poll asks for more than a few hours, each is a gap until the
// running hour is reached, and in the end all was told once.
TEST(RgwUsageAsked, AfterALongOutage) {
  Metered metered;
  metered.poll(kNoon);
  for (int i = 0; i < 950; ++i)
    metered.gateway.log["acme"][kNoon + i * kHour] = 10U + static_cast<unsigned>(i) % 7;
  std::int64_t now = kNoon + 950 * kHour;
  std::map<std::pair<std::string, std::int64_t>, int> times;
  int polls = 0;
  do {
    ASSERT_LT(++polls, 200);
    metered.poll(now += 60);
    EXPECT_LE(metered.gateway.asked, static_cast<std::size_t>(kMostHours));
    for (const Told& each : metered.host.readings) {
      if (each.metric == kRgwSent && each.identity[0] == "acme") {
        ++times[{each.identity[0], each.start}];
      }
    }
    if (!metered.host.source_gaps.empty()) {
      EXPECT_THAT(metered.host.source_gaps[0], HasSubstr("follows at the next polls"));
    }
  } while (!metered.host.source_gaps.empty());
  EXPECT_GE(polls, 950 / kMostHours);
  for (const auto& [hour, sent] : metered.told["acme"]) {
    EXPECT_EQ(sent, metered.gateway.log["acme"][hour]) << hour;
  }
  for (const auto& [hour, sent] : metered.gateway.log["acme"]) {
    EXPECT_EQ(metered.told["acme"][hour], sent);
    EXPECT_LE((times[{"acme", hour * kNanos}]), hour < kNoon + 940 * kHour ? 1 : 3);
  }
  metered.poll(now + 60);
  EXPECT_THAT(metered.host.source_gaps, IsEmpty());
}

// Given more series than fit into a poll, then those that were never told come first, until all
// were.
TEST(RgwUsageAsked, MoreThanFit) {
  Metered metered;
  metered.poll(kNoon);
  for (int i = 0; i < 30'000; ++i) {
    metered.gateway.log["u" + std::to_string(i)][kNoon] = 1 + static_cast<std::uint64_t>(i);
  }
  for (int i = 1; i <= 3; ++i) {
    metered.poll(kNoon + i * 60);
    EXPECT_LE(metered.host.readings.size(), 49'000U);
  }
  for (int i = 0; i < 30'000; ++i) {
    ASSERT_EQ(metered.told["u" + std::to_string(i)][kNoon], 1 + static_cast<std::uint64_t>(i));
  }
}

// Given an hour that is not answered, then those before it are told, the rest is a gap, and
// follows.
TEST(RgwUsageAsked, OneHourFails) {
  Metered metered;
  metered.poll(kNoon);
  for (int i = 0; i < 5; ++i) metered.gateway.log["acme"][kNoon + i * kHour] = 7;
  metered.failing = "start=2026-11-22%2016";
  const std::int64_t now = kNoon + 4 * kHour + 600;
  metered.poll(now);
  EXPECT_THAT(metered.host.source_gaps, testing::ElementsAre(HasSubstr("Timeout")));
  EXPECT_EQ(metered.told["acme"].size(), 2U);
  metered.failing.clear();
  metered.poll(now + 60);
  EXPECT_THAT(metered.host.source_gaps, IsEmpty());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(metered.told["acme"][kNoon + i * kHour], 7U) << i;
}

}  // namespace
}  // namespace ceph
