// Given readings that tell of more than there is room for, then those without a break are one
// anomaly to decide on, what was decided on stays as it was, and each reading counts as it was
// read.

#include "rater/decisions/anomaly_runs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tallyman::rater {
namespace {

ViewKey view_named(const std::string& name) {
  return {{"pool:" + name, wire::Scope::shared, "held", "bytes", wire::Kind::gauge, {}}, "a", "i"};
}

KeptAnomaly full(Ns from, Ns to, u128 value, const std::string& view = "p") {
  return {0,
          view_named(view),
          from,
          to,
          value,
          AnomalyCause::room,
          std::string(why_of(AnomalyCause::room))};
}

std::vector<std::string> texts(const std::vector<AnomalyRun>& runs) {
  std::vector<std::string> out;
  for (const AnomalyRun& run : runs) {
    out.push_back(run.content.view.series.source + " " + std::to_string(run.content.from) + "-" +
                  std::to_string(run.content.to) + " " + to_decimal(run.content.value) + " of " +
                  std::to_string(run.parts.size()));
  }
  return out;
}

using Texts = std::vector<std::string>;

// Given readings without a break, a break, and other causes and views beside them, then only the
// former are joined.
TEST(AnomalyRuns, JoinWhatFollowsEachOther) {
  std::vector<KeptAnomaly> kept{full(20, 30, 7), full(0, 10, 5),       full(10, 20, 6),
                                full(40, 50, 1), full(10, 20, 9, "q"), full(50, 60, 3)};
  for (KeptAnomaly each : {full(60, 70, 2), full(70, 80, 2)}) {
    each.cause = AnomalyCause::forgotten;
    kept.push_back(each);
  }
  EXPECT_EQ(texts(runs_of(kept, {})),
            (Texts{"pool:p 0-30 18 of 3", "pool:p 40-60 4 of 2", "pool:p 60-70 2 of 1",
                   "pool:p 70-80 2 of 1", "pool:q 10-20 9 of 1"}));
}

// Given a run that a person decided on, as a whole or as it was earlier, then it stays so when it
// goes on, whatever was decided, and the rest is another.
TEST(AnomalyRuns, StayAsTheyWereDecidedOn) {
  const std::vector<KeptAnomaly> kept{full(0, 10, 5), full(10, 20, 6), full(20, 30, 7)};
  const std::vector<KeptAnomaly> earlier(kept.begin(), kept.begin() + 2);
  const AnomalyContent then = runs_of(earlier, {}).at(0).content;
  const std::vector<AnomalyRun> now = runs_of(kept, {});
  EXPECT_EQ(runs_named(now, {}, to_hex(then.id())), std::vector{then});
  EXPECT_EQ(runs_named(now, {}, to_hex(now.at(0).content.id())), std::vector{now.at(0).content});
  EXPECT_TRUE(runs_named(now, {}, std::string(64, '0')).empty());
  EXPECT_TRUE(runs_named(now, {}, to_hex(then.id()).substr(0, 63)).empty()) << "as it was: whole";
  EXPECT_EQ(runs_named(now, {}, to_hex(now.at(0).content.id()).substr(0, 8)).size(), 1U);
  for (const bool accept : {true, false}) {
    Decisions decisions;
    if (accept) decisions.accept(then);
    if (!accept) decisions.reject(then);
    const std::vector<AnomalyRun> runs = runs_of(kept, decisions);
    EXPECT_EQ(texts(runs), (Texts{"pool:p 0-20 11 of 2", "pool:p 20-30 7 of 1"}));
    EXPECT_EQ(accept, decisions.accepts(runs.at(0).content.id()));
    AnomalyContent part = then;
    part.to = 10;
    part.value = 5;
    EXPECT_TRUE(runs_named(runs, decisions, to_hex(part.id())).empty()) << "decided as a whole";
  }
}

// Given an accepted run whose level changes, then each slot counts what was read in it.
TEST(AnomalyRuns, CountEachReadingWhereItWas) {
  const std::vector<KeptAnomaly> kept{full(0, 10, 50), full(10, 20, 60), full(20, 40, 800)};
  Decisions decisions;
  decisions.accept(runs_of(kept, decisions).at(0).content);
  EXPECT_EQ(in_parts(decisions, runs_of(kept, decisions), {10, 20}).accepted.size(), 1U);
  const Decisions counted = in_parts(decisions, runs_of(kept, decisions), {0, 30});
  ASSERT_EQ(counted.accepted.size(), 3U);
  ViewUsage usage{{view_named("p"), {}, 0, {}}, {}};
  apply_accepted(counted, 10, 0, 30, usage);
  ASSERT_EQ(usage.slots.size(), 3U);
  const std::uint64_t levels[] = {5, 6, 40};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(usage.slots[i].amount == u128{levels[i]} * 10) << i;
    EXPECT_EQ(usage.slots[i].peak, levels[i]);
    EXPECT_EQ(usage.slots[i].covered, 10);
  }
}

// Given random readings of several views, of which some counters stand above the room at once, and
// decisions taken meanwhile, then every reading is in one run, runs are as long as can be, and what
// was decided on is there as it was, to the end.
TEST(AnomalyRuns, HoldEveryReadingOnceWhateverIsDecidedMeanwhile) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    std::vector<KeptAnomaly> kept;
    Decisions decisions;
    std::vector<AnomalyContent> decided;
    const std::uint64_t odd = 2 + below(20);
    for (Ns at = 0; at < 400; at += 10) {
      for (const char* view : {"p", "q"}) {
        for (std::uint64_t n = below(odd) == 0 ? below(3) : 1; n > 0; --n) {
          kept.push_back(full(at, at + (below(odd) == 0 ? 7 : 10), 1 + below(3), view));
        }
      }
      std::shuffle(kept.begin(), kept.end(), random);
      if (below(6) != 0) continue;
      const std::vector<AnomalyRun> runs = runs_of(kept, decisions);
      if (runs.empty()) continue;
      const AnomalyContent& one = runs[below(runs.size())].content;
      if (decisions.accepts(one.id()) || decisions.rejects(one.id())) continue;
      decided.push_back(one);
      if (below(2) == 0) decisions.accept(one);
      if (!decisions.accepts(one.id())) decisions.reject(one);
    }
    const std::vector<AnomalyRun> runs = runs_of(kept, decisions);
    std::vector<AnomalyContent> parts;
    for (const AnomalyRun& run : runs) {
      u128 sum = 0;
      for (std::size_t i = 0; i < run.parts.size(); ++i) {
        sum += run.parts[i].value;
        const Ns begins = i == 0 ? run.content.from : run.parts[i - 1].to;
        EXPECT_EQ(run.parts[i].from, begins);
      }
      EXPECT_TRUE(sum == run.content.value);
      EXPECT_EQ(run.parts.back().to, run.content.to);
      parts.insert(parts.end(), run.parts.begin(), run.parts.end());
    }
    std::sort(parts.begin(), parts.end());
    EXPECT_EQ(parts, content_of(kept));
    for (const AnomalyContent& each : decided) {
      EXPECT_TRUE(std::any_of(runs.begin(), runs.end(), [&](const AnomalyRun& run) {
        return run.content == each;
      })) << to_hex(each.id());
    }
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto joined = [&](const AnomalyRun& a, const AnomalyRun& b) {
        return a.content.view == b.content.view && a.content.to == b.content.from;
      };
      const AnomalyContent& next = runs[i].content;
      const auto beside = [&](const AnomalyContent& each) {
        return std::count_if(parts.begin(), parts.end(), [&](const AnomalyContent& other) {
          return other.view == each.view && other.from < each.to && other.to > each.from;
        });
      };
      for (const AnomalyRun& before : runs) {
        if (!joined(before, runs[i])) continue;
        if (beside(before.parts.back()) > 1 || beside(runs[i].parts.front()) > 1) continue;
        EXPECT_TRUE(std::any_of(decided.begin(), decided.end(), [&](const auto& each) {
          return each.view == next.view && (each.from == next.from || each.to == next.from);
        })) << "two runs that are one";
      }
    }
  }
}

}  // namespace
}  // namespace tallyman::rater
