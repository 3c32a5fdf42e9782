// Thinning in the agent against derivation in the rater: the one thing that both must agree on
// without sharing code.

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "agent/spool/dictionary.hpp"
#include "agent/spool/thin.hpp"
#include "derive/derive_history.hpp"
#include "rater/derive/derive.hpp"

namespace tallyman {
namespace {

using rater::testing::Delivered;
using rater::testing::History;
using Name = std::tuple<std::string, std::string, std::string>;

Name name_of(const rater::ViewKey& key) {
  std::string labels;
  for (const auto& [name, value] : key.series.labels) labels += name + "=" + value + ",";
  return {key.instance, key.series.source + " " + key.series.metric, labels};
}

/// Everything that billing goes by, whoever is numbered how.
struct Outcome {
  std::map<std::pair<Name, std::int64_t>, std::tuple<u128, Ns, Ns, std::uint64_t>> slots;
  std::vector<std::tuple<Name, Ns, Ns, u128, rater::AnomalyCause>> anomalies;
  std::vector<std::tuple<Name, Ns, bool>> presence;
  std::map<Name, std::vector<std::pair<Ns, Ns>>> seen;
  std::map<std::pair<std::string, Ns>, Ns> runs;
};

Outcome derive(const std::vector<Delivered>& delivered, Ns slot) {
  rater::Deriver deriver("h", slot);
  for (const Delivered& each : delivered) {
    for (const auto& definition : each.definitions) deriver.define(each.stream, definition);
    // What was thinned was kept for long: its receipt is late, and clamps nothing.
    deriver.apply(each.stream, each.batch);
  }
  const rater::Derived derived = deriver.take();
  std::map<std::uint64_t, Name> names;
  for (const auto& view : derived.views) names[view.id] = name_of(view.key);
  Outcome out;
  for (const auto& [view, usage] : derived.usage) {
    auto& [amount, covered, estimated, peak] = out.slots[{names[view], usage.slot}];
    amount += usage.amount, covered += usage.covered, estimated += usage.estimated;
    peak = std::max(peak, usage.peak);
  }
  for (const auto& each : derived.anomalies) {
    // Readings of two incarnations at one instant: told and not counted; fewer readings meet.
    if (each.cause == rater::AnomalyCause::disputed) continue;
    out.anomalies.emplace_back(names[each.view], each.from, each.to, each.value, each.cause);
  }
  std::sort(out.anomalies.begin(), out.anomalies.end());
  for (const auto& each : derived.presence)
    out.presence.emplace_back(names[each.view], each.at, each.present);
  std::sort(out.presence.begin(), out.presence.end());
  for (const auto& each : derived.seen)
    out.seen[names[each.view]].emplace_back(each.first, each.last);
  for (const auto& run : derived.runs) out.runs[{run.instance, run.from}] = run.to;
  return out;
}

/// The first slot that differs, in words; empty when none does.
std::string difference(const Outcome& a, const Outcome& b) {
  const auto text = [](const Outcome& of, const auto& key) {
    const auto it = of.slots.find(key);
    if (it == of.slots.end()) return std::string("nothing");
    const auto& [amount, covered, estimated, peak] = it->second;
    return to_decimal(amount) + " covered " + std::to_string(covered) + " estimated " +
           std::to_string(estimated) + " peak " + std::to_string(peak);
  };
  for (const Outcome* of : {&a, &b}) {
    for (const auto& [key, value] : of->slots) {
      const std::string one = text(a, key), other = text(b, key);
      const auto& [name, slot] = key;
      if (one != other)
        return std::get<0>(name) + " " + std::get<1>(name) + " " + std::get<2>(name) + " slot " +
               std::to_string(slot) + ": " + one + ", thinned " + other;
    }
  }
  return {};
}

std::size_t readings_in(const std::vector<Delivered>& delivered) {
  std::size_t count = 0;
  for (const Delivered& each : delivered) {
    for (const auto& entry : each.batch.entries) {
      if (const auto* poll = std::get_if<wire::Poll>(&entry)) count += poll->values.size();
    }
  }
  return count;
}

/// Each stream's batches thinned in pieces of random length, as segments are.
std::vector<Delivered> thinned(std::vector<Delivered> delivered, Ns slot, agent::Shed shed,
                               std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::map<std::uint64_t, std::vector<std::size_t>> streams;
  for (std::size_t i = 0; i < delivered.size(); ++i) streams[delivered[i].stream].push_back(i);
  for (const auto& [stream, places] : streams) {
    agent::DefinitionMap dictionary;
    for (const std::size_t at : places) {
      for (const auto& definition : delivered[at].definitions) dictionary.load(definition);
      for (const auto& entry : delivered[at].batch.entries) {
        if (const auto* d = std::get_if<wire::Definition>(&entry)) dictionary.load(*d);
      }
    }
    const agent::ThinRule rule(dictionary, slot, shed);
    for (std::size_t from = 0; from < places.size();) {
      const std::size_t to = std::min(places.size(), from + 1 + random() % 12);
      std::vector<wire::Batch> piece;
      for (std::size_t i = from; i < to; ++i) piece.push_back(delivered[places[i]].batch);
      const auto changed = agent::thin(piece, rule);
      for (std::size_t i = from; i < to; ++i) {
        wire::Batch& batch = delivered[places[i]].batch;
        EXPECT_EQ(changed[i - from], batch.entries != piece[i - from].entries);
        batch = std::move(piece[i - from]);
        if (!changed[i - from]) continue;
        batch.head.kind = wire::BatchKind::thinned;
      }
      from = to;
    }
  }
  return delivered;
}

// Given any history and thinned counters, then the rater derives the same: every slot's amount,
// coverage and estimate, every anomaly, presence and run; and readings went.
TEST(ThinDerive, CountersStayExact) {
  std::size_t before = 0, after = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    History history(seed, 300);
    // One spool sends one incarnation after the other.
    std::stable_sort(history.delivered.begin(), history.delivered.end(),
                     [](const Delivered& a, const Delivered& b) { return a.stream < b.stream; });
    const Ns slot = 50 + static_cast<Ns>(seed % 7) * 37;
    const auto fewer = thinned(history.delivered, slot, agent::Shed::counters, seed);
    before += readings_in(history.delivered);
    after += readings_in(fewer);
    const Outcome all = derive(history.delivered, slot), less = derive(fewer, slot);
    ASSERT_EQ(difference(all, less), "") << "seed " << seed << " slot " << slot;
    ASSERT_EQ(all.anomalies, less.anomalies) << "seed " << seed;
    ASSERT_EQ(all.presence, less.presence) << "seed " << seed;
    ASSERT_EQ(all.runs, less.runs) << "seed " << seed;
    ASSERT_EQ(all.seen, less.seen) << "seed " << seed;
  }
  EXPECT_LT(after, before);
}

/// A day of one interface every ten seconds: bursts beyond its speed, renamed now and then.
std::vector<Delivered> interface_day(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Delivered> out;
  wire::DefNo next = 7;
  std::uint64_t value = 0, mbit = 1000;
  Ns at = 1'800'000'000 * kSecond;
  wire::Batch batch;
  batch.entries = {wire::Definition{1, wire::InstanceDef{"netif", "netif", "1", {}, 10 * kSecond}},
                   wire::Definition{2, wire::SourceDef{wire::Scope::host, "host:h"}},
                   wire::Definition{3, wire::MetricDef{"netif_receive_bytes_total",
                                                       "bytes",
                                                       "",
                                                       wire::Kind::counter,
                                                       0,
                                                       {"ifindex"},
                                                       {"interface", "speed"}}},
                   wire::Definition{4, wire::SeriesDef{2, 3, {"2"}}},
                   wire::Definition{5, wire::EpochDef{4, 99, 0}},
                   wire::Definition{6, wire::InfoDef{4, at, {"eth0", "1000"}}}};
  for (int i = 0; i < 8640; ++i) {
    at += 10 * kSecond;
    value += random() % (random() % 50 == 0 ? 40 : 9) * mbit * 125'000 + random() % 1000;
    if (random() % 500 == 0) value = 0;
    if (random() % 400 == 0) {
      mbit = random() % 2 == 0 ? 1000 : 100;
      batch.entries.emplace_back(wire::Definition{
          next++,
          wire::InfoDef{4, at, {"eth" + std::to_string(random() % 3), std::to_string(mbit)}}});
    }
    if (random() % 100 == 0) {
      batch.entries.emplace_back(wire::Gap{1, 0, at, at, wire::Cause::hang, "hang"});
    } else {
      wire::Poll poll;
      poll.instance = 1;
      poll.scheduled = at;
      poll.in_time = random() % 200 != 0;
      poll.wall = at + static_cast<Ns>(random() % 5) * kMillisecond;
      poll.boot = poll.wall - 1'000 * kSecond;
      poll.values = {{5, value, 0}};
      batch.entries.emplace_back(poll);
    }
    if (i % 6 != 5) continue;
    batch.seal.watermark = at;
    out.push_back({1, {}, std::exchange(batch, {}), 0});
  }
  return out;
}

// Given bursts beyond an interface's speed, changes of name and speed, resets and late polls, then
// thinning changes nothing that is counted or quarantined, and leaves a fraction of the readings.
TEST(ThinDerive, InterfaceOfADay) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto all = interface_day(seed);
    agent::DefinitionMap dictionary;
    for (const auto& each : all) {
      for (const auto& entry : each.batch.entries) {
        if (const auto* d = std::get_if<wire::Definition>(&entry)) dictionary.load(*d);
      }
    }
    const Ns slot = 300 * kSecond;
    const agent::ThinRule rule(dictionary, slot, agent::Shed::counters);
    auto fewer = all;
    std::vector<wire::Batch> batches;
    for (const auto& each : all) batches.push_back(each.batch);
    (void)agent::thin(batches, rule);
    for (std::size_t i = 0; i < fewer.size(); ++i) fewer[i].batch = std::move(batches[i]);
    const Outcome exact = derive(all, slot), less = derive(fewer, slot);
    ASSERT_EQ(difference(exact, less), "") << "seed " << seed;
    ASSERT_EQ(exact.anomalies, less.anomalies) << "seed " << seed;
    EXPECT_GT(exact.anomalies.size(), 10U);
    EXPECT_LT(readings_in(fewer), readings_in(all) / 4);
  }
}

// Given gauges that are thinned, too, then nothing is invented: what is known of a slot is known
// for less of its time, and counters stay exact.
TEST(ThinDerive, GaugesBecomeUnknownNotWrong) {
  std::size_t fewer_covered = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    History history(2 * seed + 1, 300);  // without clock steps
    std::stable_sort(history.delivered.begin(), history.delivered.end(),
                     [](const Delivered& a, const Delivered& b) { return a.stream < b.stream; });
    const Ns slot = 300;
    const Outcome all = derive(history.delivered, slot);
    const Outcome less = derive(thinned(history.delivered, slot, agent::Shed::gauges, seed), slot);
    for (const auto& [key, usage] : all.slots) {
      const auto found = less.slots.find(key);
      if (std::get<1>(key.first).find("held_bytes") == std::string::npos) {
        ASSERT_TRUE(found != less.slots.end() && found->second == usage) << "seed " << seed;
      } else if (found == less.slots.end() || std::get<1>(found->second) < std::get<1>(usage)) {
        ++fewer_covered;
      } else {
        ASSERT_LE(std::get<3>(found->second), std::get<3>(usage)) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(fewer_covered, 0U);
}

}  // namespace
}  // namespace tallyman
