// A recorder over hosts that take over from each other.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "agent/instance/recorder.hpp"
#include "agent/spool/dictionary.hpp"

namespace tallyman::agent {
namespace {

using wire::DefNo;

/// One host of the instance: what it declares, and what it defined so far.
struct Host {
  Host(Dictionary& dictionary, const std::string& version)
      : own(std::make_unique<Recorder>(dictionary, "stor-01", "netif")) {
    Described declared;
    declared.name = "netif";
    declared.version = version;
    declared.metrics = {{"rx_bytes_total", "bytes", "", wire::Kind::counter, 0, {"ifindex"}, {}}};
    definition = {"netif", "netif", version, hash_of(as_bytes(version)), kSecond};
    EXPECT_FALSE(own->declared(declared));
  }
  /// Emits these series, numbers as identities, into the recorder.
  void emit(Recorder& recorder, const std::set<int>& series) {
    for (const int one : series) {
      if (!handles.contains(one)) {
        handles[one] = next;
        Define define;
        define.handle = next++;
        define.identity = {std::to_string(one)};
        ASSERT_FALSE(recorder.define(define));
      }
      ASSERT_FALSE(recorder.readings({{{handles[one], 5, 0}}}));
    }
  }
  std::unique_ptr<Recorder> own;
  wire::InstanceDef definition;
  std::map<int, Handle> handles;
  Handle next = 0;
};

class RecorderSwap : public testing::Test {
 protected:
  std::set<int> numbers(const std::vector<DefNo>& epochs) {
    std::set<int> out;
    for (const DefNo epoch : epochs) {
      const auto& body = std::get<wire::EpochDef>(*dictionary_.find(epoch));
      const auto& series = std::get<wire::SeriesDef>(*dictionary_.find(body.series));
      out.insert(std::stoi(series.identity[0]));
    }
    return out;
  }
  RecordedPoll finish(Recorder& recorder) {
    RecordedPoll out;
    now_ += kSecond;
    const Verdict fault = recorder.finish({now_, now_, 9, true, false}, {}, out);
    EXPECT_FALSE(fault) << fault->why;
    return out;
  }

  DefinitionMap dictionary_;
  Ns now_ = 1000 * kSecond;
};

// Given random polls of versions that take over from each other at random, or fail to, then every
// poll is written under the version that made it, and the ends it tells are those of a model that
// knows of no versions.
TEST_F(RecorderSwap, ends_are_told_across_versions) {
  std::mt19937_64 random(3);
  Recorder recorder(dictionary_, "stor-01", "netif");
  Host running(dictionary_, "0");
  running.own->adopt(running.definition);
  recorder.take_over(std::move(*running.own));
  std::set<int> present;
  int swaps = 0;
  for (int round = 1; round < 2000; round++) {
    std::set<int> series;
    for (int i = 0; i < 10; i++) {
      if (random() % 3 != 0) series.insert(i);
    }
    RecordedPoll recorded;
    const bool canary = random() % 4 == 0;
    if (canary) {
      Host next(dictionary_, std::to_string(round));
      next.emit(*next.own, series);
      if (random() % 3 == 0) continue;  // refused: nothing of it counts
      next.own->inherit(recorder);
      next.own->adopt(next.definition);
      recorded = finish(*next.own);
      recorder.take_over(std::move(*next.own));
      running = std::move(next);
      swaps++;
    } else {
      running.emit(recorder, series);
      recorded = finish(recorder);
    }
    const auto* definition =
        std::get_if<wire::InstanceDef>(dictionary_.find(recorded.poll.instance));
    ASSERT_NE(definition, nullptr);
    EXPECT_EQ(*definition, running.definition);
    EXPECT_EQ(recorder.definition(), running.definition);
    std::set<int> gone;
    for (const int one : present) {
      if (!series.contains(one)) gone.insert(one);
    }
    EXPECT_EQ(numbers(recorded.poll.ended), gone);
    if (random() % 4 == 0) {
      recorder.lost();
      continue;
    }
    recorder.committed();
    present = series;
  }
  EXPECT_GT(swaps, 100);
  // What was refused left no name behind under which nothing ever was read.
  std::size_t versions = 0;
  for (const wire::Definition& each : dictionary_.from(1)) {
    if (std::holds_alternative<wire::InstanceDef>(each.body)) versions++;
  }
  EXPECT_EQ(versions, static_cast<std::size_t>(swaps) + 1);
}

}  // namespace
}  // namespace tallyman::agent
