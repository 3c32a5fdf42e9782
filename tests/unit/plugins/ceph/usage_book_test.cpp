#include "ceph/usage_book.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ceph {
namespace {

constexpr std::int64_t kNoon = 498'710 * kHour;
constexpr std::int64_t kSettle = 900;

UsageEntry entry(std::int64_t hour, std::uint64_t sent, const std::string& user = "acme") {
  return {user, "b", "get_obj", user, hour, {sent, 0, 1, 1}};
}

/// What a poll tells, by hour; and that all of it counts as told.
std::map<std::int64_t, std::uint64_t> poll(UsageBook& book, const std::vector<UsageEntry>& entries,
                                           std::int64_t from, std::int64_t now,
                                           std::size_t lost = 0) {
  const UsageBook::Step step = book.advance(entries, from, now - now % kHour + kHour, now);
  EXPECT_EQ(step.lost.size(), lost);
  std::map<std::int64_t, std::uint64_t> out;
  for (const ToldHour& hour : step.told) {
    EXPECT_EQ(hour.over, hour.hour + kHour <= now);
    EXPECT_TRUE(out.emplace(hour.hour, hour.counts.sent).second);
    book.told(hour);
  }
  return out;
}

using Told = std::map<std::int64_t, std::uint64_t>;

// Given a running hour that grows, then it is told at every poll.
TEST(UsageBook, RunningHour) {
  UsageBook book(kSettle);
  EXPECT_EQ(poll(book, {entry(kNoon, 5)}, kNoon, kNoon + 60), (Told{{kNoon, 5}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 5)}, kNoon, kNoon + 120), (Told{{kNoon, 5}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 9)}, kNoon, kNoon + 3599), (Told{{kNoon, 9}}));
}

// Given an hour that is over, then it is told for a while with the idle one after it, then no more,
// and again when it grows late.
TEST(UsageBook, HourThatIsOver) {
  UsageBook book(kSettle);
  poll(book, {entry(kNoon, 5)}, kNoon, kNoon + 60);
  const std::int64_t one = kNoon + kHour;
  EXPECT_EQ(poll(book, {entry(kNoon, 5)}, kNoon, one + 60), (Told{{kNoon, 5}, {one, 0}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 5)}, kNoon, one + kSettle), Told{});
  EXPECT_EQ(poll(book, {entry(kNoon, 7)}, kNoon, one + 1200), (Told{{kNoon, 7}, {one, 0}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 7)}, kNoon, one + 1260), (Told{{kNoon, 7}, {one, 0}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 7)}, kNoon, one + 1200 + kSettle), Told{});
}

// Given hours that passed while nobody polled, then all of them are told, the idle ones between as
// zero.
TEST(UsageBook, AfterAnOutage) {
  UsageBook book(kSettle);
  const std::int64_t now = kNoon + 5 * kHour + 60;
  EXPECT_EQ(poll(book, {entry(kNoon, 5), entry(kNoon + 2 * kHour, 6)}, kNoon, now),
            (Told{{kNoon, 5},
                  {kNoon + kHour, 0},
                  {kNoon + 2 * kHour, 6},
                  {kNoon + 3 * kHour, 0},
                  {kNoon + 4 * kHour, 0},
                  {kNoon + 5 * kHour, 0}}));
}

// Given an hour that was read and is gone, then it is a gap, and never told as zero.
TEST(UsageBook, Trimmed) {
  UsageBook book(kSettle);
  poll(book, {entry(kNoon, 5)}, kNoon, kNoon + 60);
  EXPECT_EQ(poll(book, {}, kNoon, kNoon + 120, 1), Told{});
  EXPECT_EQ(poll(book, {}, kNoon, kNoon + 180, 1), Told{});
  // What the log counts from then on stands as it is.
  EXPECT_EQ(poll(book, {entry(kNoon, 2)}, kNoon, kNoon + 240, 1), (Told{{kNoon, 2}}));
  EXPECT_EQ(poll(book, {entry(kNoon, 3)}, kNoon, kNoon + 300), (Told{{kNoon, 3}}));
}

// Given hours that are read piece by piece, then those that were not read are neither told nor
// lost.
TEST(UsageBook, PieceByPiece) {
  UsageBook book(kSettle);
  const std::int64_t one = kNoon + kHour, two = one + kHour, late = two + kHour;
  poll(book, {entry(kNoon, 5), entry(one, 6)}, kNoon, one + 60);
  const auto step = book.advance({entry(kNoon, 5)}, kNoon, one, one + 120);
  EXPECT_TRUE(step.lost.empty());
  ASSERT_EQ(step.told.size(), 1U);
  EXPECT_EQ(step.told[0].hour, kNoon);
  EXPECT_EQ(poll(book, {entry(one, 6), entry(two, 7)}, one, late), (Told{{two, 7}, {late, 0}}));
}

// Given a gateway whose clock is ahead, then its hour waits until it has begun here.
TEST(UsageBook, HourThatHasNotBegun) {
  UsageBook book(kSettle);
  const std::int64_t one = kNoon + kHour;
  EXPECT_EQ(poll(book, {entry(one, 5)}, kNoon, one - 1), Told{});
  EXPECT_EQ(poll(book, {entry(one, 5)}, kNoon, one), (Told{{one, 5}}));
}

// Given hours that did not fit into a poll, then the book owes them until they were told.
TEST(UsageBook, Owes) {
  UsageBook book(kSettle);
  const std::int64_t late = kNoon + 10 * kHour;
  auto step = book.advance({entry(kNoon, 5)}, kNoon, late + kHour, late);
  EXPECT_TRUE(book.owes());
  step = book.advance({entry(kNoon, 5)}, kNoon, late + kHour, late + 2 * kSettle);
  ASSERT_FALSE(step.told.empty());
  EXPECT_EQ(step.told.front().hour, kNoon);
  EXPECT_TRUE(step.told.front().owed);
  for (const ToldHour& hour : step.told) book.told(hour);
  EXPECT_FALSE(book.owes());
}

// Given random traffic, late growth and polls missed, then the last value told of every hour is
// what the log holds, and none ever falls.
TEST(UsageBook, EveryHourInTheEnd) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    UsageBook book(kSettle);
    std::map<std::pair<std::string, std::int64_t>, std::uint64_t> log, told;
    std::int64_t last_good = kNoon;
    for (std::int64_t now = kNoon; now < kNoon + 8 * kHour; now += 60) {
      const std::string user = "u" + std::to_string(random() % 3);
      const std::int64_t delay = static_cast<std::int64_t>(random() % 4 == 0 ? random() % 1800 : 0);
      const std::int64_t hour = (now - delay) / kHour * kHour;
      if (random() % 3 == 0 && hour >= kNoon) log[{user, hour}] += 1 + random() % 100;
      if (random() % 8 != 0 && now < kNoon + 8 * kHour - 60) continue;
      const std::int64_t from = std::max(kNoon, (last_good - 2 * kHour) / kHour * kHour);
      std::vector<UsageEntry> entries;
      for (const auto& [key, sent] : log) {
        if (key.second >= from) entries.push_back(entry(key.second, sent, key.first));
      }
      const auto step = book.advance(entries, from, now - now % kHour + kHour, now);
      EXPECT_TRUE(step.lost.empty());
      for (const ToldHour& each : step.told) {
        auto& value = told[{each.key->user, each.hour}];
        EXPECT_GE(each.counts.sent, value);
        value = each.counts.sent;
        book.told(each);
      }
      last_good = now;
    }
    for (const auto& [key, sent] : log) EXPECT_EQ(told[key], sent) << seed;
  }
}

}  // namespace
}  // namespace ceph
