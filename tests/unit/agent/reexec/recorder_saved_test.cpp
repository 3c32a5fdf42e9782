#include <gtest/gtest.h>

#include <random>

#include "agent/instance/recorder.hpp"
#include "agent/spool/dictionary.hpp"

namespace tallyman::agent {
namespace {

Described declaration() {
  Described declared;
  declared.name = "netif";
  declared.version = "1";
  declared.metrics = {
      {"rx_bytes_total", "bytes", "", wire::Kind::counter, 0, {"ifindex"}, {"interface"}},
      {"speed_bytes", "bytes", "", wire::Kind::gauge, 0, {"ifindex"}, {}},
  };
  return declared;
}
const wire::InstanceDef kDefinition{"netif", "netif", "1", kNoHash, kSecond};

/// A host that defines, reads, names gaps, saves, ends and forgets at random.
class RandomHost {
 public:
  explicit RandomHost(std::uint32_t seed) : random_(seed) {}

  /// One frame to each of the recorders, which must take it alike; a poll's end now and then.
  void step(const std::vector<Recorder*>& recorders) {
    const std::uint64_t what = random_() % 10;
    if (what < 3) {
      Define define;
      define.handle = next_++;
      define.metric = static_cast<std::uint32_t>(random_() % 2);
      define.source = random_() % 4 == 0 ? "part" : "";
      define.identity = {std::to_string(random_() % 30)};
      if (define.metric == 0) define.info = {"eth" + std::to_string(random_() % 3)};
      define.epoch = random_() % 3;
      for (Recorder* each : recorders) EXPECT_FALSE(each->define(define));
      handles_.push_back(define.handle);
    } else if (what < 7 && !handles_.empty()) {
      const Readings readings{{{handles_[random_() % handles_.size()], random_(), 0}}};
      for (Recorder* each : recorders) EXPECT_FALSE(each->readings(readings));
    } else if (what == 7) {
      const PartGap part{false, 0, "", wire::Scope::host, random_() % 2 == 0, {"1"}, "none"};
      for (Recorder* each : recorders) EXPECT_FALSE(each->part(PartGap(part)));
    } else if (what == 8) {
      const State state{1, {static_cast<std::uint8_t>(random_())}};
      for (Recorder* each : recorders) EXPECT_FALSE(each->state(State(state)));
    } else if (random_() % 2 == 0) {
      end(recorders);
    }
  }

 private:
  void end(const std::vector<Recorder*>& recorders) {
    std::vector<Handle> forgotten;
    if (!handles_.empty() && random_() % 2 == 0) {
      forgotten.push_back(handles_.front());
      handles_.erase(handles_.begin());
    }
    now_ += kSecond;
    const bool abandon = random_() % 4 == 0;
    const bool lost = random_() % 4 == 0;
    std::vector<RecordedPoll> polls(recorders.size());
    std::vector<bool> faults;
    for (std::size_t i = 0; i < recorders.size(); i++) {
      if (abandon) {
        recorders[i]->abandon();
        continue;
      }
      faults.push_back(
          recorders[i]->finish({now_, now_ + 5, 9, true, false}, forgotten, polls[i]).has_value());
      if (faults.back()) continue;
      lost ? recorders[i]->lost() : recorders[i]->committed();
    }
    for (std::size_t i = 1; i < faults.size(); i++) {
      ASSERT_EQ(faults[i], faults[0]);
      EXPECT_EQ(polls[i].poll, polls[0].poll);
      EXPECT_EQ(polls[i].gaps, polls[0].gaps);
      ASSERT_EQ(polls[i].state.has_value(), polls[0].state.has_value());
      if (polls[i].state) {
        EXPECT_EQ(polls[i].state->bytes, polls[0].state->bytes);
      }
    }
  }

  std::mt19937 random_;
  std::vector<Handle> handles_;
  Handle next_ = 0;
  Ns now_ = 1000 * kSecond;
};

// Given a recorder anywhere in any poll, then its copy makes the same of whatever the host says
// from then on.
TEST(RecorderSaved, goes_on_as_if_nothing_had_been) {
  for (std::uint32_t seed = 0; seed < 300; seed++) {
    DefinitionMap dictionary;
    Recorder live(dictionary, "stor-01", "netif");
    ASSERT_FALSE(live.described(declaration(), kDefinition));
    RandomHost host(seed);
    for (std::uint32_t i = 0; i < 20 + seed; i++) host.step({&live});
    Recorder copy(dictionary, "stor-01", "netif");
    const Verdict fault = copy.restore(live.save(), declaration());
    ASSERT_FALSE(fault) << fault->why;
    EXPECT_EQ(copy.instance(), live.instance());
    EXPECT_EQ(copy.definition(), live.definition());
    for (int i = 0; i < 200; i++) host.step({&live, &copy});
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// Given a recorder before its host has declared anything, then its copy takes the declaration.
TEST(RecorderSaved, before_the_declaration) {
  DefinitionMap dictionary;
  Recorder live(dictionary, "stor-01", "netif");
  live.adopt(kDefinition);
  Recorder copy(dictionary, "stor-01", "netif");
  EXPECT_FALSE(copy.restore(live.save(), std::nullopt));
  EXPECT_FALSE(copy.described(declaration(), kDefinition));
  EXPECT_FALSE(copy.define({0, 0, wire::Scope::host, "", {"1"}, {"eth0"}, 1, 0}));
}

// Given a dictionary in which the numbers stand for other things or for nothing, then the copy
// refuses them, and begins anew with the next declaration.
TEST(RecorderSaved, refuses_numbers_that_mean_something_else) {
  DefinitionMap dictionary;
  Recorder live(dictionary, "stor-01", "netif");
  ASSERT_FALSE(live.described(declaration(), kDefinition));
  RandomHost host(5);
  for (int i = 0; i < 100; i++) host.step({&live});
  for (const bool shifted : {false, true}) {
    DefinitionMap other;
    if (shifted) {
      other.intern(wire::SourceDef{wire::Scope::shared, "ceph:1"});
      for (wire::DefNo number = 1; number <= dictionary.highest(); number++) {
        const wire::DefBody* body = dictionary.find(number);
        if (body != nullptr && body->index() < 3) other.intern(*body);
      }
    }
    Recorder copy(other, "stor-01", "netif");
    EXPECT_TRUE(copy.restore(live.save(), declaration())) << shifted;
    EXPECT_FALSE(copy.described(declaration(), kDefinition));
    EXPECT_FALSE(copy.define({0, 0, wire::Scope::host, "", {"1"}, {"eth0"}, 1, 0}));
  }
}

}  // namespace
}  // namespace tallyman::agent
