#include "netif/tracker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netif {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kFirst = 1'000 * kSecond;
constexpr std::int64_t kSecondPoll = 1'010 * kSecond;
constexpr std::int64_t kThirdPoll = 1'020 * kSecond;

Link link(std::uint32_t ifindex, std::uint64_t bytes, const std::string& name = "eth0") {
  Link made;
  made.ifindex = ifindex;
  made.name = name;
  made.kind = "veth";
  made.counters = {bytes, 2 * bytes, bytes / 100, bytes / 50, 0, 0, 0, 0};
  return made;
}

LinkEvent born(const Link& made) { return {false, made}; }
LinkEvent gone(const Link& made) { return {true, made}; }

Observation seen(std::int64_t at, std::vector<Link> links, std::vector<LinkEvent> events = {}) {
  return {at, true, std::move(events), std::move(links)};
}

/// ifindex, receive bytes, start, time: what billing depends on.
struct Told {
  std::uint32_t ifindex;
  std::uint64_t bytes;
  std::int64_t start, time;
  friend bool operator==(const Told&, const Told&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Told& t) {
    return out << t.ifindex << ": " << t.bytes << " from " << t.start << " at " << t.time;
  }
};

std::vector<Told> told(const Step& step) {
  std::vector<Told> all;
  for (const Sample& s : step.samples) {
    all.push_back({s.link.ifindex, s.link.counters.receive_bytes, s.life.start(), s.time});
  }
  return all;
}

State after(const std::vector<Observation>& polls) {
  State state = first_state(std::nullopt, {}, 0);
  for (const Observation& poll : polls) state = advance(state, poll).next;
  return state;
}

// Given the very first poll, then its interfaces are baselines.
TEST(Tracker, FirstPollKnowsNoStart) {
  const Step step = advance(first_state(std::nullopt, {}, 0), seen(kFirst, {link(2, 5000)}));
  EXPECT_THAT(told(step), ElementsAre(Told{2, 5000, 0, 0}));
  EXPECT_EQ(step.samples[0].life.creation, 0);
}

// Given an interface that the last good poll did not see, then it counts from zero since then.
TEST(Tracker, NewInterfaceCountsFromTheLastGoodPoll) {
  const Link fresh = link(3, 700);
  const Step step = advance(after({seen(kFirst, {})}), seen(kSecondPoll, {fresh}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 700, kFirst, 0}));
  const Step next = advance(step.next, seen(kThirdPoll, {link(3, 900)}));
  EXPECT_EQ(next.samples[0].life, step.samples[0].life);
}

// Given another name, alias, MAC, master in mid-run, then it is the same life.
TEST(Tracker, InfoChangesNothing) {
  const State before = after({seen(kFirst, {}), seen(kSecondPoll, {link(3, 100)})});
  Link changed = link(3, 150, "renamed");
  changed.alias = "x";
  changed.mac = "02:00:00:00:00:01";
  changed.master = 8;
  const Step step = advance(before, seen(kThirdPoll, {changed}, {born(changed)}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 150, kFirst, 0}));
}

// Given a deletion, then its final counters are told under its own life.
TEST(Tracker, TellsTheFinalCounters) {
  const State before = after({seen(kFirst, {link(3, 100)})});
  const Step step = advance(before, seen(kSecondPoll, {}, {gone(link(3, 160))}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 160, 0, 0}));
  EXPECT_THAT(step.next.links, IsEmpty());
}

// Given a veth's final counters, which do not know what came in, then only what went out is told,
// and the life is the same.
TEST(Tracker, FinalCountersThatFellAreNotTold) {
  const State before = after({seen(kFirst, {}), seen(kSecondPoll, {link(3, 100)})});
  Link final = link(3, 160);
  final.counters.receive_bytes = 0;
  final.counters.transmit_packets = 1;
  const Step step = advance(before, seen(kThirdPoll, {}, {gone(final)}));
  ASSERT_EQ(step.samples.size(), 1U);
  EXPECT_EQ(step.samples[0].life, (Life{kFirst, true}));
  EXPECT_FALSE(step.samples[0].told[0]);
  EXPECT_TRUE(step.samples[0].told[1]);
  EXPECT_TRUE(step.samples[0].told[2]);
  EXPECT_FALSE(step.samples[0].told[3]);
  EXPECT_FALSE(step.samples[0].told[4]);
}

// Given an interface that came and went between two polls, then its bytes are told, from zero.
TEST(Tracker, TellsAnInterfaceNoPollSaw) {
  const State before = after({seen(kFirst, {})});
  const Step step = advance(before, seen(kSecondPoll, {}, {born(link(5, 0)), gone(link(5, 99))}));
  EXPECT_THAT(told(step), ElementsAre(Told{5, 99, kFirst, 0}));
}

// Given an interface made again under its old index, with more bytes than before, then the events
// tell two lives apart; and a third one from the second.
TEST(Tracker, TellsLivesOfOneIndexApart) {
  const State before = after({seen(kFirst, {}), seen(kSecondPoll, {link(3, 100)})});
  const Step step = advance(
      before, seen(kThirdPoll, {link(3, 500)},
                   {gone(link(3, 120)), born(link(3, 0)), gone(link(3, 300)), born(link(3, 0))}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 120, kFirst, 0}, Told{3, 300, kSecondPoll, 0},
                                      Told{3, 500, kSecondPoll + 1, 0}));
}

// Given an interface that moves in with counters of its own, then only what it counts here is told.
TEST(Tracker, BytesCountedElsewhereAreABaseline) {
  const State before = after({seen(kFirst, {})});
  const Step step =
      advance(before, seen(kSecondPoll, {link(9, 1'000'500)}, {born(link(9, 1'000'000))}));
  EXPECT_THAT(told(step), ElementsAre(Told{9, 1'000'000, 0, kFirst}, Told{9, 1'000'500, 0, 0}));
  EXPECT_EQ(step.samples[0].life, step.samples[1].life);
}

// Given counters that all fell without an event, then they count from zero since the last poll.
TEST(Tracker, AResetCountsFromZero) {
  const State before = after({seen(kFirst, {link(3, 100'000)})});
  const Step step = advance(before, seen(kSecondPoll, {link(3, 400)}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 400, kFirst, 0}));
}

// Given counters of which some fell and some went on, then nothing is counted twice: a baseline,
// and another epoch.
TEST(Tracker, ADoubtfulFallIsABaseline) {
  const State before = after({seen(kFirst, {}), seen(kSecondPoll, {link(3, 100'000)})});
  Link odd = link(3, 200'000);
  odd.counters.transmit_packets = 1;
  const Step step = advance(before, seen(kThirdPoll, {odd}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 200'000, 0, 0}));
  EXPECT_EQ(step.samples[0].life.creation, kSecondPoll);
}

// Given errors that a driver revises downwards, then the interface is the same.
TEST(Tracker, ErrorsDecideNothing) {
  Link noisy = link(3, 100);
  noisy.counters.receive_errors = 10;
  const Step step = advance(after({seen(kFirst, {noisy})}), seen(kSecondPoll, {link(3, 100)}));
  EXPECT_EQ(step.samples[0].life, (Life{0, false}));
}

// Given another kind under the same index, then it is another interface.
TEST(Tracker, AnotherKindIsAnotherInterface) {
  Link bridge = link(3, 5000);
  bridge.kind = "bridge";
  const Step step = advance(after({seen(kFirst, {link(3, 100)})}), seen(kSecondPoll, {bridge}));
  EXPECT_THAT(told(step), ElementsAre(Told{3, 5000, kFirst, 0}));
}

// Given a wall clock that steps back between two lives of one index, then they still differ.
TEST(Tracker, CreationsNeverRepeatWhenTheClockStepsBack) {
  State state = after({seen(kFirst, {})});
  const Step one = advance(state, seen(kSecondPoll, {link(3, 100)}));
  state = advance(one.next, seen(kFirst, {}, {gone(link(3, 100))})).next;
  const Step two = advance(state, seen(kSecondPoll, {link(3, 50)}));
  EXPECT_NE(one.samples[0].life, two.samples[0].life);
}

// Given several lives in one interval, and a clock that stood still or stepped back, then the next
// interval's lives are others (found by random histories: seed 335).
TEST(Tracker, LivesOfTwoIntervalsNeverShareACreation) {
  const State before = after({seen(kFirst, {})});
  const Step one =
      advance(before, seen(kFirst, {link(3, 10)}, {gone(link(3, 99)), born(link(3, 0))}));
  const Step two =
      advance(one.next, seen(kFirst, {link(3, 5)}, {gone(link(3, 20)), born(link(3, 0))}));
  EXPECT_NE(one.samples.back().life, two.samples.back().life);
}

// Given an interface that was not wanted for a while and then is, told before or not, then it is
// another epoch from a baseline: what it counted meanwhile counts for nothing.
TEST(Tracker, WhatWasNotWantedIsABaseline) {
  for (const bool told_before : {false, true}) {
    Link hidden = link(3, 100);
    hidden.wanted = told_before;
    Step step = advance(after({seen(kFirst, {})}), seen(kSecondPoll, {hidden}));
    const Life before = step.next.links.at(3).life;
    hidden = link(3, 5000);
    hidden.wanted = false;
    step = advance(step.next, seen(kThirdPoll, {hidden}));
    EXPECT_THAT(step.samples, IsEmpty());
    const auto bytes = encode_state(step.next);
    State state = std::get<State>(decode_state(kStateVersion, std::get<0>(bytes)));
    step = advance(state, seen(kThirdPoll + kSecond, {link(3, 9000)}));
    EXPECT_THAT(told(step), ElementsAre(Told{3, 9000, 0, 0}));
    EXPECT_EQ(step.samples[0].life.creation, kThirdPoll);
    EXPECT_NE(step.samples[0].life.creation, before.creation);
    const Step next = advance(step.next, seen(kThirdPoll + 2 * kSecond, {link(3, 9100)}));
    EXPECT_EQ(next.samples[0].life, step.samples[0].life);
  }
}

// Given a deletion of what nobody wanted, then it is not told.
TEST(Tracker, TellsNoEndOfWhatWasNotWanted) {
  Link hidden = link(3, 100);
  hidden.wanted = false;
  const State before = after({seen(kFirst, {hidden})});
  const Step step = advance(before, seen(kSecondPoll, {}, {gone(hidden)}));
  EXPECT_THAT(step.samples, IsEmpty());
  EXPECT_THAT(step.next.links, IsEmpty());
}

// Given a restart in the same place, then everything goes on as it was.
TEST(Tracker, ARestartGoesOn) {
  const State before = after({seen(kFirst, {}), seen(kSecondPoll, {link(3, 100)})});
  EXPECT_EQ(first_state(before, before.place, 500 * kSecond), before);
}

// Given a reboot since the last good poll, then all counters are known to be zero at boot.
TEST(Tracker, AfterARebootEverythingCountsFromBoot) {
  const State before = after({seen(kFirst, {link(2, 900)})});
  Place rebooted;
  rebooted.boot[0] = 1;
  const State state = first_state(before, rebooted, 1'015 * kSecond + 7);
  const Step step = advance(state, {kThirdPoll, false, {}, {link(2, 1200)}});
  EXPECT_THAT(told(step), ElementsAre(Told{2, 1200, 1'015 * kSecond, 0}));
}

// Given a state that is younger than this boot, or of another namespace, then nothing is known.
TEST(Tracker, AForeignStateTellsNothing) {
  const State before = after({seen(kFirst, {link(2, 900)})});
  Place rebooted;
  rebooted.boot[0] = 1;
  EXPECT_EQ(first_state(before, rebooted, kFirst - 1).instant, 0);
  Place elsewhere;
  elsewhere.netns = 4;
  const State state = first_state(before, elsewhere, 0);
  EXPECT_EQ(state.instant, 0);
  EXPECT_EQ(state.place, elsewhere);
  EXPECT_THAT(state.links, IsEmpty());
}

// Given events that came in during a dump, then a dump stands only if none could be on either side.
TEST(Tracker, KnowsWhenADumpIsSettled) {
  const std::vector<Link> links{link(2, 1), link(3, 1)};
  const auto check = [&](const LinkEvent& event) { return settled(std::span(&event, 1), links); };
  EXPECT_TRUE(settled({}, links));
  EXPECT_TRUE(check(born(link(3, 0))));
  EXPECT_FALSE(check(born(link(4, 0))));
  EXPECT_FALSE(check(gone(link(3, 1))));
  EXPECT_FALSE(check(gone(link(4, 1))));
}

}  // namespace
}  // namespace netif
