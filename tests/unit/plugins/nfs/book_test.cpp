#include "nfs/book.hpp"

#include <gtest/gtest.h>

namespace nfs {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Sighting sighting(std::string key, std::int64_t began, std::uint64_t read,
                  std::uint64_t written = 0) {
  Sighting out;
  out.key = std::move(key);
  out.thing = 7;
  out.statistics = static_cast<std::uint64_t>(began);
  out.began = began;
  out.counters[0] = read;
  out.counters[1] = written;
  return out;
}

class Polls : public testing::Test {
 protected:
  std::vector<Life> poll(std::int64_t second, const std::vector<Sighting>& seen) {
    if (book_.since == 0) book_.since = second * kSecond;
    Step step = advance(book_, seen, second * kSecond);
    book_ = step.next;
    return step.lives;
  }
  Life poll(std::int64_t second, const Sighting& seen) {
    return poll(second, std::vector{seen})[0];
  }

  Book book_;
};

constexpr Life from(std::int64_t second) { return {second * kSecond, true}; }
constexpr Life baseline(std::int64_t second) { return {second * kSecond, false}; }

// Given a server that ran before we looked for the first time, then what it counted is a baseline.
TEST_F(Polls, the_very_first_is_a_baseline) {
  EXPECT_EQ(poll(1000, sighting("77", 500 * kSecond, 9)), Life{});
  EXPECT_EQ(poll(1010, sighting("77", 500 * kSecond, 12)), Life{});
}

// Given polls in vain before the server was started, then it counts from its start.
TEST_F(Polls, a_server_that_starts_while_we_watch_counts_from_zero) {
  book_.since = 990 * kSecond;
  EXPECT_EQ(poll(1000, sighting("77", 995 * kSecond, 9)), from(995));
  EXPECT_EQ(poll(1010, sighting("77", 995 * kSecond, 12)), from(995));
}

// Given an export that is added, then it counts from the last poll, which did not see it.
TEST_F(Polls, an_added_export_counts_from_zero) {
  poll(1000, sighting("77", 500 * kSecond, 9));
  const auto lives =
      poll(1010, {sighting("77", 500 * kSecond, 9), sighting("78", 500 * kSecond, 4)});
  EXPECT_EQ(lives[0], Life{});
  EXPECT_EQ(lives[1], from(1000));
}

// Given an export that is removed and added again, then it counts anew, seen without it or not.
TEST_F(Polls, an_export_made_again_counts_anew) {
  poll(1000, sighting("77", 500 * kSecond, 9, 5));
  EXPECT_EQ(poll(1010, sighting("77", 500 * kSecond, 3, 6)), from(1000));
  poll(1020, std::vector<Sighting>{});
  EXPECT_EQ(poll(1030, sighting("77", 500 * kSecond, 2, 6)), from(1020));
}

// Given an id that gets another path, then it is another export; if it had counted and nothing
// fell, it may be the same, and nothing of it counts twice.
TEST_F(Polls, an_id_with_another_path) {
  Sighting moved = sighting("77", 500 * kSecond, 9);
  poll(1000, moved);
  moved.thing = 8;
  EXPECT_EQ(poll(1010, moved), baseline(1000));
  moved.thing = 9;
  moved.counters[0] = 3;
  EXPECT_EQ(poll(1020, moved), from(1010));
  poll(1030, sighting("78", 500 * kSecond, 0));
  Sighting idle = sighting("78", 500 * kSecond, 4);
  idle.thing = 8;
  EXPECT_EQ(poll(1040, idle), from(1030));
}

// Given a path that one poll does not learn, then nothing is made of it, then or afterwards.
TEST_F(Polls, a_path_not_known_changes_nothing) {
  Sighting seen = sighting("77", 500 * kSecond, 9);
  poll(1000, seen);
  seen.thing = 0;
  EXPECT_EQ(poll(1010, seen), Life{});
  seen.thing = 7;
  EXPECT_EQ(poll(1020, seen), Life{});
  seen.thing = 8;
  EXPECT_EQ(poll(1030, seen), baseline(1020));
}

// Given a server that is restarted, then all counts from its start, also what grew beyond before.
TEST_F(Polls, a_restart_counts_from_the_start) {
  poll(1000, sighting("77", 500 * kSecond, 9));
  EXPECT_EQ(poll(1010, sighting("77", 1004 * kSecond, 1000)), from(1004));
  EXPECT_EQ(poll(1020, sighting("77", 1004 * kSecond, 1001)), from(1004));
}

// Given statistics that say they began before the last poll saw others, then the clocks cannot be
// trusted: a baseline. In the future: at the poll.
TEST_F(Polls, begins_that_cannot_be) {
  poll(1000, sighting("77", 500 * kSecond, 9));
  EXPECT_EQ(poll(1010, sighting("77", 700 * kSecond, 1000)), baseline(1000));
  EXPECT_EQ(poll(1020, sighting("77", 5000 * kSecond, 1)), from(1020));
}

// Given counters whose begin nobody knows, then a fall begins them anew, and another life of the
// statistics without a fall is a baseline.
TEST_F(Polls, begins_that_nobody_knows) {
  Sighting seen = sighting("server", 0, 9);
  poll(1000, seen);
  seen.counters[0] = 8;
  EXPECT_EQ(poll(1010, seen), from(1000));
  seen.statistics = 3;
  seen.counters[0] = 100;
  EXPECT_EQ(poll(1020, seen), baseline(1010));
  seen.statistics = 4;
  seen.counters[0] = 99;
  EXPECT_EQ(poll(1030, seen), from(1020));
}

// Given a server restarted at the very instant of a poll, and an export made again after it, then
// the two lives have births of their own.
TEST_F(Polls, a_restart_at_the_instant_of_a_poll) {
  poll(1000, sighting("77", 500 * kSecond, 9));
  const Life first = poll(1010, sighting("77", 1010 * kSecond, 8));
  EXPECT_EQ(first, from(1010));
  const Life second = poll(1020, sighting("77", 1010 * kSecond, 7));
  EXPECT_TRUE(second.from_zero);
  EXPECT_GT(second.birth, first.birth);
}

// Given a clock that is set back, then births still ascend, and no two lives are one.
TEST_F(Polls, instants_ascend) {
  poll(1000, sighting("77", 500 * kSecond, 9));
  const Life a = poll(900, sighting("77", 500 * kSecond, 8));
  const Life b = poll(900, sighting("77", 500 * kSecond, 7));
  const Life c = poll(900, sighting("77", 500 * kSecond, 6));
  EXPECT_LT(a.birth, b.birth);
  EXPECT_LT(b.birth, c.birth);
}

// Given clients that are asked for later than exports, or again after a while, then what they
// counted before is not ours: it was billed by export, if at all.
TEST(LookFor, what_was_not_looked_for_is_a_baseline) {
  State state;
  look_for(state, {.exports = true}, 1000 * kSecond);
  look_for(state, {.exports = true}, 1010 * kSecond);
  EXPECT_EQ(state.books[0].since, 1000 * kSecond);
  EXPECT_EQ(state.books[1].since, 0);
  EXPECT_EQ(state.kernel.since, 0);
  look_for(state, {true, true, true}, 2000 * kSecond);
  EXPECT_EQ(state.kernel.since, 2000 * kSecond);
  const auto seen = std::vector{sighting("host", 1500 * kSecond, 9)};
  Step step = advance(state.books[1], seen, 2000 * kSecond);
  EXPECT_EQ(step.lives[0], Life{});
  state.books[1] = step.next;
  look_for(state, {.exports = true}, 2010 * kSecond);
  look_for(state, {true, true, false}, 3000 * kSecond);
  const auto later = std::vector{sighting("host", 2500 * kSecond, 3)};
  EXPECT_EQ(advance(state.books[1], later, 3000 * kSecond).lives[0], Life{});
  EXPECT_EQ(state.kernel, KernelWatch{});
}

// Given a state as written, then it is read as it was, however much of it there is.
TEST(BookState, round_trip) {
  State state;
  state.found = 3;
  state.kernel = {4, 5, 6};
  state.shared.emplace(7, SharedFolder{"fsid", "fs 1 inode 2"});
  Book& book = state.books[0];
  book.since = 5, book.instant = 6 * kSecond;
  Tracked tracked;
  tracked.life = from(3);
  tracked.thing = UINT64_MAX, tracked.statistics = 1;
  tracked.last[0] = UINT64_MAX, tracked.last[15] = 1;
  book.things.emplace("77", tracked);
  book.things.emplace("", Tracked{});
  const auto bytes = std::get<std::string>(encode_state(state));
  EXPECT_EQ(std::get<State>(decode_state(kStateVersion, bytes)), state);
}

// Given more than there is room for, then counters are kept coarsely, and no life is lost.
TEST(BookState, much_is_kept_coarsely) {
  State state;
  Tracked tracked;
  tracked.last.fill((std::uint64_t{1} << 50U) + 255);
  tracked.life = from(1'795'361'093);
  state.books[0].since = state.books[0].instant = 1'795'361'098 * kSecond;
  for (std::size_t i = 0; i < 1000; ++i) state.books[0].things.emplace(std::to_string(i), tracked);
  const auto bytes = std::get<std::string>(encode_state(state));
  EXPECT_LE(bytes.size(), kMaxStateBytes);
  const auto read = std::get<State>(decode_state(kStateVersion, bytes));
  EXPECT_GT(read.books[0].coarse, 0U);
  ASSERT_EQ(read.books[0].things.size(), 1000U);
  for (const auto& [key, kept] : read.books[0].things) {
    EXPECT_EQ(kept.life, tracked.life);
    EXPECT_LE(kept.last[0], tracked.last[0]);
  }
  // Nothing fell, so nothing is made of it.
  Sighting seen{"5", 0, 0, 0, tracked.last};
  const Step step = advance(read.books[0], {seen}, 1'795'361'099 * kSecond);
  EXPECT_EQ(step.lives[0], tracked.life);
}

// Given as many things as a server may have, each of another age, with all else that is kept, then
// their state fits, and no life is lost.
TEST(BookState, the_most_there_can_be_fits) {
  for (const std::size_t exports : {kMaxThings, kMaxThings / 2, std::size_t{0}}) {
    State state;
    state.kernel = {1'795'361'093 * kSecond, UINT64_MAX, 1'795'361'093 * kSecond};
    const std::string longest(kLongestShared, 'x');
    for (std::size_t i = 0; i < kMaxShared; ++i) {
      state.shared.emplace(UINT64_MAX - i, SharedFolder{longest, longest});
    }
    for (std::size_t i = 0; i < kMaxThings; ++i) {
      Tracked tracked;
      tracked.last.fill(UINT64_MAX);
      tracked.life = {1'795'361'093 * kSecond + static_cast<std::int64_t>(i), true};
      const bool is_export = i < exports;
      if (is_export) tracked.thing = UINT64_MAX - i;
      const std::string key = std::to_string(50'000 + i);
      state.books[is_export ? 0 : 1].things.emplace(is_export ? key : "by8" + key, tracked);
    }
    const auto bytes = encode_state(state);
    ASSERT_TRUE(std::holds_alternative<std::string>(bytes));
    const auto read = std::get<State>(decode_state(kStateVersion, std::get<std::string>(bytes)));
    EXPECT_EQ(read.kernel, state.kernel);
    EXPECT_EQ(read.shared, state.shared);
    for (const std::size_t which : {0U, 1U}) {
      for (const auto& [key, tracked] : state.books[which].things) {
        EXPECT_EQ(read.books[which].things.at(key).life, tracked.life);
      }
    }
  }
}

// Given bytes that are no state, then they are refused: cut, longer, of another version.
TEST(BookState, damage_is_refused) {
  State state;
  Tracked tracked;
  tracked.last[3] = 300;
  state.books[1].things.emplace("a", tracked);
  state.shared.emplace(7, SharedFolder{"fsid", "fs 1 inode 2"});
  const auto bytes = std::get<std::string>(encode_state(state));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion, bytes.substr(0, n))))
        << n;
  }
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion, bytes + '\0')));
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion + 1, bytes)));
}

}  // namespace
}  // namespace nfs
