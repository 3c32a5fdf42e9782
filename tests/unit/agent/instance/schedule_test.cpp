#include "agent/instance/schedule.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tallyman::agent {
namespace {

// Given any instant, then the next and last multiples bracket it.
TEST(Schedule, instants_are_multiples_of_the_interval) {
  EXPECT_EQ(next_instant(0, 10), 10);
  EXPECT_EQ(next_instant(9, 10), 10);
  EXPECT_EQ(next_instant(10, 10), 20);
  EXPECT_EQ(last_instant(10, 10), 10);
  EXPECT_EQ(last_instant(19, 10), 10);
}

// Given a clock that runs evenly, then every instant is polled once, in time, and nothing is
// missed.
TEST(Schedule, polls_each_instant_once) {
  FakeClock clock(1000 * kSecond + 3, 77);
  Schedule schedule(10 * kSecond, clock.wall(), clock.boot(), 0);
  for (Ns expected = 1010 * kSecond; expected < 1200 * kSecond; expected += 10 * kSecond) {
    Due early = schedule.look(clock.wall(), clock.boot());
    EXPECT_FALSE(early.poll);
    EXPECT_EQ(early.wait, expected - clock.wall());
    clock.advance(early.wait);
    Due due = schedule.look(clock.wall(), clock.boot());
    ASSERT_TRUE(due.poll);
    EXPECT_EQ(*due.poll, expected);
    EXPECT_FALSE(due.stepped);
    EXPECT_FALSE(due.missed);
    EXPECT_EQ(schedule.next(), expected + 10 * kSecond);
  }
}

// Given an agent held up for three instants, then the last one is polled late and the two before it
// are missed, not by the clock.
TEST(Schedule, tells_what_was_slept_over) {
  FakeClock clock(100 * kSecond, 0);
  Schedule schedule(10 * kSecond, clock.wall(), clock.boot(), 0);
  clock.advance(32 * kSecond);
  Due due = schedule.look(clock.wall(), clock.boot());
  ASSERT_TRUE(due.poll && due.missed);
  EXPECT_EQ(*due.poll, 130 * kSecond);
  EXPECT_EQ(due.missed->from, 110 * kSecond);
  EXPECT_EQ(due.missed->to, 120 * kSecond);
  EXPECT_FALSE(due.missed->clock);
  EXPECT_EQ(due.wait, 8 * kSecond);
}

// Given a wall clock set forward by an hour, then the hour's instants are missed by the clock.
TEST(Schedule, tells_a_forward_step) {
  FakeClock clock(100 * kSecond, 0);
  Schedule schedule(10 * kSecond, clock.wall(), clock.boot(), 0);
  clock.step_wall(kHour);
  clock.advance(kSecond);
  Due due = schedule.look(clock.wall(), clock.boot());
  ASSERT_TRUE(due.poll && due.missed);
  EXPECT_TRUE(due.missed->clock);
  EXPECT_EQ(due.missed->from, 110 * kSecond);
  EXPECT_EQ(due.missed->to, *due.poll - 10 * kSecond);
}

// Given a wall clock set back by less than an interval just after a poll, then the instant that
// comes again is not polled again, and the next poll is marked.
TEST(Schedule, never_polls_an_instant_twice_after_a_small_backward_step) {
  FakeClock clock(100 * kSecond, 0);
  Schedule schedule(10 * kSecond, clock.wall(), clock.boot(), 0);
  clock.advance(10 * kSecond + kMillisecond);
  EXPECT_EQ(*schedule.look(clock.wall(), clock.boot()).poll, 110 * kSecond);
  clock.step_wall(-kSecond);
  Due due = schedule.look(clock.wall(), clock.boot());
  EXPECT_FALSE(due.poll);
  clock.advance(kSecond);
  EXPECT_FALSE(schedule.look(clock.wall(), clock.boot()).poll);
  clock.advance(10 * kSecond);
  due = schedule.look(clock.wall(), clock.boot());
  EXPECT_EQ(*due.poll, 120 * kSecond);
  EXPECT_TRUE(due.stepped);
  clock.advance(10 * kSecond);
  EXPECT_FALSE(schedule.look(clock.wall(), clock.boot()).stepped);
}

// Given a wall clock that stood an hour ahead and is set right, then polls go on at the new clock,
// and only the first of them is marked: the false future does not stay.
TEST(Schedule, does_not_remember_a_false_future) {
  FakeClock clock(10 * kHour, 0);
  Schedule schedule(10 * kMinute, clock.wall(), clock.boot(), 0);
  clock.advance(10 * kMinute);
  EXPECT_EQ(*schedule.look(clock.wall(), clock.boot()).poll, 10 * kHour + 10 * kMinute);
  clock.step_wall(-kHour);
  for (Ns expected = 9 * kHour + 20 * kMinute; expected <= 11 * kHour; expected += 10 * kMinute) {
    clock.advance(schedule.look(clock.wall(), clock.boot()).wait);
    Due due = schedule.look(clock.wall(), clock.boot());
    ASSERT_TRUE(due.poll);
    EXPECT_EQ(*due.poll, expected);
    EXPECT_EQ(due.stepped, expected == 9 * kHour + 20 * kMinute) << expected;
  }
}

// Given an earlier life that ended an hour in the future, then the first poll alone is marked.
TEST(Schedule, does_not_inherit_a_false_future) {
  FakeClock clock(10 * kHour, 0);
  Schedule schedule(10 * kSecond, clock.wall(), clock.boot(), 11 * kHour);
  for (bool marked : {true, false, false}) {
    clock.advance(10 * kSecond);
    Due due = schedule.look(clock.wall(), clock.boot());
    ASSERT_TRUE(due.poll);
    EXPECT_EQ(due.stepped, marked);
  }
}

// Given a short interval and a wall clock set back by half a minute, then instants run again, each
// marked until the clock has caught up.
TEST(Schedule, marks_all_that_a_small_step_repeats) {
  FakeClock clock(1000 * kSecond, 0);
  Schedule schedule(kSecond, clock.wall(), clock.boot(), 0);
  clock.advance(kSecond);
  EXPECT_EQ(*schedule.look(clock.wall(), clock.boot()).poll, 1001 * kSecond);
  clock.step_wall(-30 * kSecond);
  schedule.look(clock.wall(), clock.boot());
  for (Ns expected = 972 * kSecond; expected < 1010 * kSecond; expected += kSecond) {
    clock.advance(kSecond);
    Due due = schedule.look(clock.wall(), clock.boot());
    ASSERT_TRUE(due.poll);
    EXPECT_EQ(*due.poll, expected);
    EXPECT_EQ(due.stepped, expected <= 1001 * kSecond) << expected;
  }
}

// Given an earlier life that covered the present instant, then it is waited out, not polled again.
TEST(Schedule, does_not_repeat_what_an_earlier_life_covered) {
  Schedule schedule(10 * kSecond, 109 * kSecond, 0, 110 * kSecond);
  EXPECT_EQ(schedule.next(), 120 * kSecond);
}

// Given random sleeps, holds and steps, then between steps every instant is given exactly once and
// in order; nothing is given twice without a mark but after a large step back; waits are positive.
TEST(Schedule, accounts_for_every_instant_under_random_clocks) {
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 300; round++) {
    Ns interval = static_cast<Ns>(random() % 50 + 1) * kSecond;
    FakeClock clock(static_cast<Ns>(random() % 1000000) * kSecond, 5);
    Schedule schedule(interval, clock.wall(), clock.boot(), 0);
    std::set<Ns> given;
    bool far = false;  // the clock once went back by more than a minute
    Ns expected = schedule.next();
    auto give = [&](Ns instant, bool stepped) {
      EXPECT_EQ(instant % interval, 0);
      EXPECT_TRUE(given.insert(instant).second || stepped || far);
    };
    for (int turn = 0; turn < 200; turn++) {
      bool back = false;
      switch (random() % 8) {
        case 0:
          clock.advance(static_cast<Ns>(random() % 10) * interval);
          break;
        case 1:
          clock.step_wall(static_cast<Ns>(random() % 600) * kSecond);
          break;
        case 2: {
          Ns step = std::min<Ns>(static_cast<Ns>(random() % 600) * kSecond, clock.wall());
          clock.step_wall(-step);
          back = step > 0;
          far =
              far || step > kMinute || (!given.empty() && *given.rbegin() - clock.wall() > kMinute);
          break;
        }
        default:
          clock.advance(static_cast<Ns>(random() % static_cast<std::uint64_t>(interval)));
      }
      Due due = schedule.look(clock.wall(), clock.boot());
      EXPECT_GT(due.wait, 0);
      if (due.missed) {
        EXPECT_FALSE(back);
        EXPECT_EQ(due.missed->from, expected);
        for (Ns at = due.missed->from; at <= due.missed->to; at += interval) {
          give(at, given.contains(at));
        }
        expected = due.missed->to + interval;
      }
      if (due.poll) {
        if (!back) {
          EXPECT_EQ(*due.poll, expected);
        }
        give(*due.poll, due.stepped);
      }
      expected = schedule.next();
      EXPECT_GT(expected, clock.wall());
    }
  }
}

}  // namespace
}  // namespace tallyman::agent
