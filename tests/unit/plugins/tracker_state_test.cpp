#include <gtest/gtest.h>

#include <random>

#include "netif/tracker.hpp"

namespace netif {
namespace {

using Buffer = std::vector<std::uint8_t>;

constexpr std::int64_t kBeat = 10'000'000'000;
constexpr std::int64_t kInstant = 179'536'658 * kBeat;

/// As a state looks after a restore: without kinds, errors and drops.
State random_state(std::mt19937_64& random, std::size_t links, unsigned bits) {
  State state;
  for (auto& byte : state.place.boot) byte = static_cast<std::uint8_t>(random());
  state.place.netns = random();
  state.instant = kInstant;
  std::uint32_t ifindex = 0;
  for (std::size_t i = 0; i < links; ++i) {
    ifindex += 1 + static_cast<std::uint32_t>(random() % 3);
    Tracked tracked;
    const bool known = random() % 4 != 0;
    tracked.life = {known ? kInstant - kBeat * static_cast<std::int64_t>(random() % 100'000) : 0,
                    known};
    tracked.untold = random() % 3 == 0;
    for (auto* value : {&tracked.last.receive_bytes, &tracked.last.transmit_bytes,
                        &tracked.last.receive_packets, &tracked.last.transmit_packets}) {
      *value = random() >> (64 - bits);
    }
    state.links.emplace(ifindex, tracked);
  }
  return state;
}

Buffer encoded(const State& state) {
  const auto bytes = encode_state(state);
  EXPECT_TRUE(std::holds_alternative<Buffer>(bytes));
  return std::get<Buffer>(bytes);
}

State decoded(const Buffer& bytes) {
  const auto state = decode_state(kStateVersion, bytes);
  EXPECT_TRUE(std::holds_alternative<State>(state));
  return std::get<State>(state);
}

// Given any state of a usual host, then it comes back exactly, also with lives a nanosecond apart.
TEST(TrackerState, RoundTrips) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    State state = random_state(random, random() % 200, 1 + static_cast<unsigned>(random() % 64));
    if (round % 3 == 0 && !state.links.empty()) ++state.links.begin()->second.life.creation;
    EXPECT_EQ(decoded(encoded(state)), state);
  }
}

// Given a state of version 1, which knows nothing of what was told, then it is read as told.
TEST(TrackerState, ReadsVersionOne) {
  std::mt19937_64 random(12);
  State state = random_state(random, 50, 40);
  for (auto& [ifindex, tracked] : state.links) tracked.untold = false;
  const auto back = decode_state(1, encoded(state));
  ASSERT_TRUE(std::holds_alternative<State>(back));
  EXPECT_EQ(std::get<State>(back), state);
  state.links.begin()->second.untold = true;
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(1, encoded(state))));
}

// Given 4,096 interfaces with terabytes behind them, then the state fits, no life is lost, and
// falls are still seen.
TEST(TrackerState, FitsManyInterfaces) {
  std::mt19937_64 random(8);
  const State state = random_state(random, 4096, 42);
  const Buffer bytes = encoded(state);
  EXPECT_LE(bytes.size(), kMaxStateBytes);
  const State back = decoded(bytes);
  EXPECT_LT(back.coarse, 40U);
  ASSERT_EQ(back.links.size(), state.links.size());
  for (const auto& [ifindex, tracked] : state.links) {
    const Tracked& other = back.links.at(ifindex);
    EXPECT_EQ(other.life, tracked.life);
    EXPECT_EQ(other.last.receive_bytes >> back.coarse, tracked.last.receive_bytes >> back.coarse);
    EXPECT_LE(other.last.transmit_bytes, tracked.last.transmit_bytes);
  }
}

// Given the most interfaces, each with a life of its own and counters of 64 bits, then lives still
// fit.
TEST(TrackerState, FitsTheMostInterfaces) {
  std::mt19937_64 random(9);
  const State state = random_state(random, kMaxLinks, 64);
  const State back = decoded(encoded(state));
  for (const auto& [ifindex, tracked] : state.links) {
    ASSERT_EQ(back.links.at(ifindex).life, tracked.life);
  }
  EXPECT_TRUE(std::holds_alternative<Fault>(encode_state(random_state(random, kMaxLinks + 1, 1))));
}

// Given a coarse state, then a small fall and a small counter do not pass for a reset.
TEST(TrackerState, CoarseIsCautious) {
  State state;
  state.instant = kInstant;
  state.coarse = 8;
  state.links[3].last = {512, 512, 0, 256, 0, 0, 0, 0};
  Link link;
  link.ifindex = 3;
  link.counters = {513, 600, 3, 300, 0, 0, 0, 0};
  EXPECT_EQ(advance(state, {kInstant + kBeat, false, {}, {link}}).samples[0].life.creation, 0);
  link.counters = {400, 400, 3, 200, 0, 0, 0, 0};
  const Step step = advance(state, {kInstant + kBeat, false, {}, {link}});
  EXPECT_EQ(step.samples[0].life, (Life{kInstant, false}));
}

// Given another version, a state cut anywhere, or bytes too many, then it is refused.
TEST(TrackerState, RefusesWhatIsNotWhole) {
  std::mt19937_64 random(10);
  Buffer bytes = encoded(random_state(random, 20, 40));
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion + 1, bytes)));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_TRUE(
        std::holds_alternative<Fault>(decode_state(kStateVersion, std::span(bytes).first(n))))
        << n;
  }
  bytes.push_back(0);
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion, bytes)));
}

// Given any bytes, then decoding ends with a state, which can be written and read again, or a
// fault.
TEST(TrackerState, SurvivesMutations) {
  std::mt19937_64 random(11);
  const Buffer good = encoded(random_state(random, 10, 50));
  for (int round = 0; round < 50'000; ++round) {
    Buffer bytes = good;
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    const auto state = decode_state(kStateVersion, bytes);
    if (const auto* whole = std::get_if<State>(&state)) {
      ASSERT_EQ(decoded(encoded(*whole)), *whole);
      static_cast<void>(advance(*whole, {kInstant, false, {}, {}}));
    }
  }
}

}  // namespace
}  // namespace netif
