#include "agent/instance/recorder.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "agent/spool/dictionary.hpp"

namespace tallyman::agent {
namespace {

using wire::Cause;
using wire::DefNo;

class RecorderTest : public testing::Test {
 protected:
  void SetUp() override { EXPECT_FALSE(start()); }

  static Described declaration() {
    Described declared;
    declared.name = "netif";
    declared.version = "1";
    declared.metrics = {
        {"rx_bytes_total", "bytes", "", wire::Kind::counter, 0, {"ifindex"}, {"interface"}},
        {"tx_bytes_total", "bytes", "", wire::Kind::counter, 0, {"ifindex"}, {"interface"}},
        {"speed_bytes", "bytes", "", wire::Kind::gauge, 0, {"ifindex"}, {}},
    };
    return declared;
  }
  Verdict start() {
    return recorder_.described(declaration(), {"netif", "netif", "1", kNoHash, kSecond});
  }
  Verdict define(Handle handle, std::uint32_t metric, const std::string& index,
                 std::uint64_t epoch = 1, const std::string& name = "eth0") {
    Define define;
    define.handle = handle;
    define.metric = metric;
    define.identity = {index};
    if (metric < 2) define.info = {name};
    define.epoch = epoch;
    return recorder_.define(define);
  }
  Verdict read(Handle handle, std::uint64_t value, Ns time = 0) {
    return recorder_.readings({{{handle, value, time}}});
  }
  RecordedPoll finish(std::vector<Handle> forgotten = {}) {
    RecordedPoll poll;
    now_ += kSecond;
    Verdict fault = recorder_.finish({now_, now_ + 5, 9, true, false}, forgotten, poll);
    EXPECT_FALSE(fault) << fault->why;
    return poll;
  }
  RecordedPoll commit(std::vector<Handle> forgotten = {}) {
    RecordedPoll poll = finish(std::move(forgotten));
    recorder_.committed();
    return poll;
  }
  template <typename T>
  const T& definition(DefNo number) {
    return std::get<T>(*dictionary_.find(number));
  }

  DefinitionMap dictionary_;
  Recorder recorder_{dictionary_, "stor-01", "netif"};
  Ns now_ = 1000 * kSecond;
};

// Given a poll of one counter, then value, epoch, series, source and info stand in the dictionary
// as the plugin said them.
TEST_F(RecorderTest, turns_handles_into_definitions) {
  EXPECT_FALSE(define(0, 1, "3", 77));
  EXPECT_FALSE(read(0, 12345));
  RecordedPoll recorded = commit();
  ASSERT_EQ(recorded.poll.values.size(), 1U);
  EXPECT_EQ(recorded.poll.values[0].value, 12345U);
  EXPECT_EQ(recorded.poll.scheduled, now_);
  EXPECT_EQ(recorded.poll.instance, recorder_.instance());
  const auto& epoch = definition<wire::EpochDef>(recorded.poll.values[0].epoch);
  EXPECT_EQ(epoch.epoch, 77U);
  const auto& series = definition<wire::SeriesDef>(epoch.series);
  EXPECT_EQ(series.identity, wire::LabelValues{"3"});
  EXPECT_EQ(definition<wire::MetricDef>(series.metric).name, "tx_bytes_total");
  EXPECT_EQ(definition<wire::SourceDef>(series.source).id, "host:stor-01");
  ASSERT_NE(dictionary_.info_of(epoch.series), nullptr);
  EXPECT_EQ(*dictionary_.info_of(epoch.series), wire::LabelValues{"eth0"});
}

// Given sources of both scopes, then a host's part is named under the host and a shared one as it
// is; a shared one without a name, or named like a host, is refused.
TEST_F(RecorderTest, names_sources) {
  Define define{0, 2, wire::Scope::host, "ganesha", {"1"}, {}, 0, 0};
  EXPECT_FALSE(recorder_.define(define));
  define = {1, 2, wire::Scope::shared, "ceph:1234", {"1"}, {}, 0, 0};
  EXPECT_FALSE(recorder_.define(define));
  EXPECT_NE(dictionary_.intern(wire::SourceDef{wire::Scope::host, "host:stor-01/ganesha"}), 0U);
  DefNo highest = dictionary_.highest();
  dictionary_.intern(wire::SourceDef{wire::Scope::host, "host:stor-01/ganesha"});
  dictionary_.intern(wire::SourceDef{wire::Scope::shared, "ceph:1234"});
  EXPECT_EQ(dictionary_.highest(), highest);
  define = {2, 2, wire::Scope::shared, "", {"1"}, {}, 0, 0};
  EXPECT_TRUE(recorder_.define(define));
  define = {2, 2, wire::Scope::shared, "host:stor-02", {"1"}, {}, 0, 0};
  EXPECT_TRUE(recorder_.define(define));
}

// Given a poll that fails after it emitted, then nothing of it counts, and its series are still
// known to the next one.
TEST_F(RecorderTest, polls_are_atomic) {
  EXPECT_FALSE(define(0, 0, "1"));
  EXPECT_FALSE(read(0, 1));
  EXPECT_FALSE(recorder_.state({3, {1, 2}}));
  recorder_.abandon();
  EXPECT_FALSE(read(0, 2));
  RecordedPoll recorded = commit();
  ASSERT_EQ(recorded.poll.values.size(), 1U);
  EXPECT_EQ(recorded.poll.values[0].value, 2U);
  EXPECT_FALSE(recorded.state);
}

// Given an epoch that a good poll no longer has, then it has ended, once; given a gap that covers
// it, then it has not, until a later poll without the gap.
TEST_F(RecorderTest, tells_ends_from_gaps) {
  for (Handle h = 0; h < 3; h++) EXPECT_FALSE(define(h, h % 2, std::to_string(h)));
  for (Handle h = 0; h < 3; h++) EXPECT_FALSE(read(h, h));
  std::vector<wire::Value> first = commit().poll.values;
  EXPECT_FALSE(read(0, 5));
  PartGap part;
  part.all_metrics = false;
  part.metric = 1;
  part.why = "no counters";
  EXPECT_FALSE(recorder_.part(std::move(part)));
  RecordedPoll second = commit({1, 2});
  EXPECT_EQ(second.poll.ended, std::vector<DefNo>{first[2].epoch});
  ASSERT_EQ(second.gaps.size(), 1U);
  EXPECT_EQ(second.gaps[0].cause, Cause::part);
  EXPECT_EQ(definition<wire::MetricDef>(second.gaps[0].subject).name, "tx_bytes_total");
  EXPECT_FALSE(read(0, 6));
  EXPECT_EQ(commit().poll.ended, std::vector<DefNo>{first[1].epoch});
  EXPECT_FALSE(read(0, 7));
  EXPECT_TRUE(commit().poll.ended.empty());
}

// Given a poll that the spool could not take, then the ends it told are told again.
TEST_F(RecorderTest, a_lost_poll_ends_nothing) {
  EXPECT_FALSE(define(0, 0, "1"));
  EXPECT_FALSE(define(1, 0, "2"));
  EXPECT_FALSE(read(0, 1));
  EXPECT_FALSE(read(1, 1));
  commit();
  EXPECT_FALSE(read(0, 2));
  EXPECT_EQ(finish({1}).poll.ended.size(), 1U);
  recorder_.lost();
  EXPECT_FALSE(read(0, 3));
  EXPECT_EQ(commit().poll.ended.size(), 1U);
}

// Given a new host after a crash, then its handles start anew and its epochs are found again.
TEST_F(RecorderTest, a_new_host_continues_the_same_counters) {
  EXPECT_FALSE(define(0, 0, "1", 9));
  EXPECT_FALSE(read(0, 1));
  DefNo before = commit().poll.values[0].epoch;
  EXPECT_FALSE(start());
  EXPECT_TRUE(read(0, 2)) << "a handle of the old host";
  EXPECT_FALSE(define(0, 0, "1", 9));
  EXPECT_FALSE(read(0, 2));
  RecordedPoll recorded = commit();
  EXPECT_EQ(recorded.poll.values[0].epoch, before);
  EXPECT_TRUE(recorded.poll.ended.empty());
}

// Given a renamed interface, then the same counter goes on under a new handle with new info.
TEST_F(RecorderTest, info_changes_break_no_counter) {
  EXPECT_FALSE(define(0, 0, "1", 9, "eth0"));
  EXPECT_FALSE(read(0, 1));
  DefNo before = commit().poll.values[0].epoch;
  EXPECT_FALSE(define(1, 0, "1", 9, "wan0"));
  EXPECT_FALSE(read(1, 2));
  RecordedPoll recorded = commit({0});
  EXPECT_EQ(recorded.poll.values[0].epoch, before);
  EXPECT_TRUE(recorded.poll.ended.empty());
  EXPECT_EQ(*dictionary_.info_of(definition<wire::EpochDef>(before).series),
            wire::LabelValues{"wan0"});
  EXPECT_TRUE(read(0, 3)) << "a forgotten handle";
}

// Given a gauge, then whatever epoch the plugin says, it has the single epoch 0.
TEST_F(RecorderTest, gauges_have_one_epoch) {
  EXPECT_FALSE(define(0, 2, "1", 55));
  EXPECT_FALSE(read(0, 1));
  EXPECT_EQ(definition<wire::EpochDef>(commit().poll.values[0].epoch).epoch, 0U);
}

// Given two readings of one counter at one time, then the poll is refused as an error that names
// it; at different times both count, in order of time.
TEST_F(RecorderTest, a_counter_reads_once_at_a_time) {
  EXPECT_FALSE(define(0, 0, "1"));
  EXPECT_FALSE(read(0, 2, 200));
  EXPECT_FALSE(read(0, 1, 100));
  RecordedPoll recorded = commit();
  ASSERT_EQ(recorded.poll.values.size(), 2U);
  EXPECT_EQ(recorded.poll.values[0].time, 100);
  EXPECT_FALSE(read(0, 1));
  EXPECT_FALSE(read(0, 1));
  Verdict fault = recorder_.finish({now_ + 1, 1, 1, true, false}, {}, recorded);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->cause, Cause::error);
  EXPECT_NE(fault->why.find("rx_bytes_total{ifindex=\"1\"}"), std::string::npos) << fault->why;
}

// Given what was not declared, or too much of it, then it is refused with its cause.
TEST_F(RecorderTest, refuses_what_does_not_fit_the_declaration) {
  EXPECT_TRUE(define(0, 3, "1")) << "a metric beyond the last";
  EXPECT_TRUE(recorder_.define({0, 0, wire::Scope::host, "", {"1", "2"}, {"x"}, 1, 0}));
  EXPECT_TRUE(recorder_.define({0, 0, wire::Scope::host, "", {"1"}, {}, 1, 0}));
  EXPECT_TRUE(
      recorder_.define({0, 0, wire::Scope::host, "", {std::string(2000, 'x')}, {"x"}, 1, 0}));
  EXPECT_TRUE(recorder_.define({0, 0, wire::Scope::host, "", {"1"}, {"x"}, 1, -5}));
  EXPECT_TRUE(read(0, 1)) << "an unknown handle";
  EXPECT_TRUE(define(~Handle{0}, 0, "1")) << "a handle far ahead";
  EXPECT_FALSE(define(5, 0, "1"));
  EXPECT_TRUE(define(5, 0, "2")) << "a handle used twice";
  EXPECT_TRUE(define(4, 0, "2")) << "a handle below one used before";
  EXPECT_TRUE(read(5, 1, -1)) << "a time before 1970";
  Readings many;
  many.values.resize(RecorderLimits{}.readings + 1, {5, 0, 0});
  Verdict fault = recorder_.readings(many);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->cause, Cause::limit);
  EXPECT_TRUE(recorder_.state({1, Bytes(kMaxState + 1)}));
}

// Given instants that no page takes, of a start, a reading or the poll itself, then this plugin's
// poll is refused, and the next good one is whole.
TEST_F(RecorderTest, refuses_what_no_page_takes) {
  EXPECT_TRUE(recorder_.define({0, 0, wire::Scope::host, "", {"1"}, {"x"}, 1, wire::kMaxTime}));
  EXPECT_FALSE(define(0, 0, "1"));
  EXPECT_TRUE(read(0, 1, wire::kMaxTime));
  recorder_.abandon();
  EXPECT_FALSE(read(0, 1));
  RecordedPoll recorded;
  Verdict fault = recorder_.finish({wire::kMaxTime, now_, 9, true, false}, {}, recorded);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->cause, Cause::protocol);
  EXPECT_FALSE(read(0, 2));
  RecordedPoll good = commit();
  EXPECT_EQ(good.poll.values.size(), 1U);
  EXPECT_TRUE(wire::check_entry(good.poll).ok());
}

// Given a poll whose end is refused, then the handles it forgot are forgotten all the same.
TEST_F(RecorderTest, forgets_handles_of_a_refused_poll) {
  EXPECT_FALSE(define(0, 0, "1"));
  EXPECT_FALSE(define(1, 0, "2"));
  EXPECT_FALSE(read(1, 1));
  EXPECT_FALSE(read(1, 2));
  RecordedPoll recorded;
  EXPECT_TRUE(recorder_.finish({now_, now_, 9, true, false}, {0}, recorded));
  EXPECT_TRUE(read(0, 1)) << "a forgotten handle";
  EXPECT_FALSE(read(1, 3));
}

// Given as many new series as a poll may read, then the first poll takes them all.
TEST_F(RecorderTest, takes_a_first_poll_of_as_many_series_as_readings) {
  Readings all;
  for (Handle handle = 0; handle < kMaxPollReadings; handle++) {
    ASSERT_FALSE(define(handle, 2, std::to_string(handle)));
    all.values.push_back({handle, handle, 0});
  }
  ASSERT_FALSE(recorder_.readings(all));
  EXPECT_EQ(commit().poll.values.size(), kMaxPollReadings);
}

// Given ever new series while a gap holds the old ones, then what is known stays bounded: the poll
// is refused, and once the gap is gone the ends of what was known fit one poll.
TEST(Recorder, bounds_what_gaps_hold) {
  DefinitionMap dictionary;
  RecorderLimits limits;
  limits.present = 3;
  Recorder recorder(dictionary, "stor-01", "p", limits);
  Described declared;
  declared.name = "p";
  declared.metrics = {{"level", "bytes", "", wire::Kind::gauge, 0, {"id"}, {}}};
  ASSERT_FALSE(recorder.described(declared, {"p", "p", "1", kNoHash, kSecond}));
  RecordedPoll recorded;
  auto poll = [&](Handle handle, bool gap) {
    EXPECT_FALSE(
        recorder.define({handle, 0, wire::Scope::host, "", {std::to_string(handle)}, {}, 0, 0}));
    EXPECT_FALSE(recorder.readings({{{handle, 1, 0}}}));
    if (gap) {
      EXPECT_FALSE(recorder.part({true, 0, "", wire::Scope::host, true, {}, "held"}));
    }
    Verdict fault = recorder.finish({kSecond, kSecond, 9, true, false}, {}, recorded);
    if (!fault) recorder.committed();
    return fault;
  };
  for (Handle handle = 0; handle < 3; handle++) EXPECT_FALSE(poll(handle, true));
  Verdict fault = poll(3, true);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->cause, Cause::limit);
  EXPECT_FALSE(poll(4, false));
  EXPECT_EQ(recorded.poll.ended.size(), 3U);
}

// Given a gap of a series without a metric, then it is refused; given a gap of one metric of one of
// two sources, then it names that source's series alone; given more than a page takes of them, then
// the poll is over its limit.
TEST_F(RecorderTest, gaps_of_parts_are_held_to_the_declaration) {
  PartGap part;
  part.all_series = false;
  part.identity = {std::string(5000, 'x')};
  EXPECT_TRUE(recorder_.part(PartGap(part)));
  Handle next = 0;
  for (const char* where : {"ceph:1", "ceph:2"}) {
    for (int i = 0; i < 1200; i++) {
      ASSERT_FALSE(
          recorder_.define({next, 2, wire::Scope::shared, where, {std::to_string(i)}, {}, 0, 0}));
      ASSERT_FALSE(read(next++, 1));
    }
  }
  commit();
  part = {false, 2, "ceph:2", wire::Scope::shared, true, {}, "away"};
  EXPECT_FALSE(recorder_.part(PartGap(part)));
  for (Handle handle = 0; handle < 1200; handle++) EXPECT_FALSE(read(handle, 2));
  RecordedPoll recorded = commit();
  EXPECT_EQ(recorded.gaps.size(), 1200U);
  EXPECT_TRUE(recorded.poll.ended.empty());
  part.why = std::string(1000, 'w');
  EXPECT_FALSE(recorder_.part(PartGap(part)));
  Verdict fault = recorder_.finish({now_ + kSecond, now_, 9, true, false}, {}, recorded);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->cause, Cause::limit);
}

// Given random polls over appearing and vanishing counters, some failing, some lost, then values
// and ends agree with a model that keeps names in sets.
TEST_F(RecorderTest, agrees_with_a_model_on_random_polls) {
  std::mt19937_64 random(7);
  std::map<std::string, Handle> handles;
  std::set<std::string> committed;
  Handle next = 0;
  auto name_of = [&](DefNo epoch) {
    return definition<wire::SeriesDef>(definition<wire::EpochDef>(epoch).series).identity[0];
  };
  for (int round = 0; round < 2000; round++) {
    std::map<std::string, std::uint64_t> emitted;
    for (int i = 0; i < 12; i++) {
      if (random() % 3 != 0) emitted[std::to_string(i)] = random();
    }
    for (const auto& [name, value] : emitted) {
      if (!handles.contains(name)) {
        handles[name] = next;
        EXPECT_FALSE(define(next++, 0, name));
      }
      EXPECT_FALSE(read(handles[name], value));
    }
    if (random() % 5 == 0) {
      recorder_.abandon();
      continue;
    }
    std::vector<Handle> forgotten;
    for (auto at = handles.begin(); at != handles.end();) {
      if (emitted.contains(at->first)) {
        ++at;
        continue;
      }
      forgotten.push_back(at->second);
      at = handles.erase(at);
    }
    RecordedPoll recorded = finish(forgotten);
    std::map<std::string, std::uint64_t> got;
    DefNo last = 0;
    for (const wire::Value& value : recorded.poll.values) {
      EXPECT_GT(value.epoch, last);
      last = value.epoch;
      got[name_of(value.epoch)] = value.value;
    }
    EXPECT_EQ(got, emitted);
    std::set<std::string> ended;
    for (DefNo epoch : recorded.poll.ended) ended.insert(name_of(epoch));
    std::set<std::string> expected;
    for (const std::string& name : committed) {
      if (!emitted.contains(name)) expected.insert(name);
    }
    EXPECT_EQ(ended, expected);
    if (random() % 4 == 0) {
      recorder_.lost();
      continue;
    }
    recorder_.committed();
    committed.clear();
    for (const auto& [name, value] : emitted) committed.insert(name);
  }
  EXPECT_EQ(dictionary_.highest(), dictionary_.from(1).size());
}

}  // namespace
}  // namespace tallyman::agent
