// The plugin host as the agent sees it: a process, frames, and what plugins do to it.
#include <gtest/gtest.h>

#include <algorithm>

#include "host_driver.hpp"

namespace tallyman::agent {
namespace {

std::vector<HostOption> with(const std::vector<std::string>& script) {
  return {{"must", {"yes"}}, {"script", script}};
}

/// Plugins built by each compiler at hand behave the same.
class Built : public testing::TestWithParam<const char*> {
 protected:
  static std::string file(const std::string& name) { return test_plugin(name + "-" + GetParam()); }
};

// Given a probe plugin, then its declaration arrives whole, before any of its code was called.
TEST_P(Built, Describes) {
  HostDriver host(file("probe"));
  const auto d = host.expect<Described>();
  EXPECT_EQ(d.name, "probe");
  EXPECT_EQ(d.version, "1.0");
  EXPECT_EQ(d.state_version, 2U);
  ASSERT_EQ(d.metrics.size(), 2U);
  EXPECT_EQ(
      d.metrics[0],
      (wire::MetricDef{
          "probe_total", "bytes", "What it counts", wire::Kind::counter, kHour, {"id"}, {"note"}}));
  EXPECT_EQ(d.metrics[1].kind, wire::Kind::gauge);
  ASSERT_EQ(d.options.size(), 3U);
  EXPECT_EQ(d.options[0].fallback, std::nullopt);
  EXPECT_EQ(d.options[1].fallback, "hello");
  EXPECT_EQ(d.needs, (Needs{"nobody", {"CAP_SYS_ADMIN"}, {"/proc", "+@note"}, true}));
}

// Given polls that emit the same series, then strings travel once, values at every poll, and the
// state that belongs to each poll with it.
TEST_P(Built, Polls) {
  HostDriver host(file("probe"));
  host.expect<Described>();
  EXPECT_EQ(host.configure(with({})), (Created{CallStatus::ok, "", false}));
  for (std::uint64_t n = 1; n <= 3; ++n) {
    const SeenPoll poll = host.poll();
    EXPECT_EQ(poll.done.status, CallStatus::ok) << poll.done.why;
    EXPECT_EQ(poll.defined, n == 1 ? 2U : 0U);
    ASSERT_EQ(poll.readings.size(), 2U);
    const Define& series = poll.readings[0].series;
    EXPECT_EQ(series.metric, 0U);
    EXPECT_EQ(series.scope, wire::Scope::shared);
    EXPECT_EQ(series.source, "ceph:f00");
    EXPECT_EQ(series.identity, wire::LabelValues{"a"});
    EXPECT_EQ(series.info, wire::LabelValues{"hello"});
    EXPECT_EQ(series.start, 1'000);
    EXPECT_NE(series.epoch, 0U);
    EXPECT_EQ(poll.readings[0].value, n);
    EXPECT_EQ(poll.readings[1].series.source, "");
    EXPECT_EQ(poll.readings[1].series.scope, wire::Scope::host);
    EXPECT_EQ(poll.readings[1].value, 2 * n);
    ASSERT_TRUE(poll.state.has_value());
    EXPECT_EQ(*poll.state, (State{2, {static_cast<std::uint8_t>(n), 0, 0, 0, 0, 0, 0, 0}}));
  }
  host.send(Stop{});
  EXPECT_EQ(host.wait(), 0);
}

// Given a plugin in C, one with shorter structs and one with longer structs and a later minor, then
// each loads and answers.
TEST_P(Built, TakesOlderAndNewerMinors) {
  for (const char* age : {"plain", "plain-older", "plain-newer"}) {
    HostDriver host(file(age));
    const auto d = host.expect<Described>();
    EXPECT_EQ(d.abi_minor, std::string(age) == "plain-newer" ? 7U : 0U);
    ASSERT_EQ(d.metrics.size(), 2U);
    EXPECT_EQ(d.metrics[1].name, "plain_polls_twice_total");
    EXPECT_EQ(host.configure({}).status, CallStatus::ok);
    const SeenPoll poll = host.poll(5);
    EXPECT_EQ(poll.done.status, CallStatus::ok) << age << ": " << poll.done.why;
    ASSERT_EQ(poll.readings.size(), 2U);
    EXPECT_EQ(poll.readings[1].value, 2U);
    EXPECT_EQ(poll.readings[0].series.epoch, 42U);
    EXPECT_EQ(poll.readings[0].series.start, 5);
    EXPECT_FALSE(poll.state.has_value());
  }
}

// Given a plugin without the wrapper that throws across, returns a status that is none or emits
// what is no reading, then the poll fails in words and the host lives.
TEST_P(Built, SurvivesRulesBroken) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"throw", "thrown across"}, {"status", "77"},    {"silent", "TM_RETRY without"},
      {"null", "emitted NULL"},   {"short", "size 8"},
  };
  for (const auto& [how, words] : cases) {
    HostDriver host(file("raw"));
    host.expect<Described>();
    ASSERT_EQ(host.configure({{"how", {how}}}).status, CallStatus::ok);
    for (int i = 0; i < 2; ++i) {
      const SeenPoll poll = host.poll();
      EXPECT_EQ(poll.done.status, how == "silent" ? CallStatus::retry : CallStatus::broken);
      EXPECT_NE(poll.done.why.find(words), std::string::npos) << how << ": " << poll.done.why;
    }
  }
}

// Given any plugin, then its one exported symbol is the table.
TEST_P(Built, ExportsOneSymbol) {
  for (const char* name : {"probe", "plain", "plain-newer", "raw"}) {
    const CommandResult nm = run_command("nm -D --defined-only " + file(name));
    EXPECT_EQ(nm.status, 0) << nm.out;
    EXPECT_EQ(std::count(nm.out.begin(), nm.out.end(), '\n'), 1) << nm.out;
    EXPECT_NE(nm.out.find(" tm_plugin_v1_entry\n"), std::string::npos) << nm.out;
  }
}

INSTANTIATE_TEST_SUITE_P(Compilers, Built, testing::Values(TEST_COMPILERS),
                         [](const auto& built) { return std::string(built.param); });

/// One probe plugin, configured with a script.
class ProbeHost : public testing::Test {
 protected:
  HostDriver& start(const std::vector<std::string>& script) {
    host_.emplace(test_plugin(std::string("probe-") + FIRST_COMPILER));
    host_->expect<Described>();
    EXPECT_EQ(host_->configure(with(script)).status, CallStatus::ok);
    return *host_;
  }
  std::optional<HostDriver> host_;
};

// Given a poll that fails in each way, then it says why, gives no state, and the poll after it is
// good again, with series that were defined before or during the failure.
TEST_F(ProbeHost, FailsPollsInWords) {
  const std::vector<std::tuple<std::string, CallStatus, std::string>> cases = {
      {"retry", CallStatus::retry, "the server is away"},
      {"error", CallStatus::retry, "it broke"},
      {"int", CallStatus::broken, "no std::exception"},
      {"broken", CallStatus::broken, "beyond repair"},
      {"undeclared", CallStatus::broken, "metric 9 is not declared"},
      {"swallow", CallStatus::broken, "metric 9 is not declared"},
      {"twice", CallStatus::broken, "probe_level was emitted twice"},
      {"gauge", CallStatus::broken, "probe_level is a gauge"},
      {"labels", CallStatus::broken, "probe_total has 0 identity labels, expected 1"},
      {"far", CallStatus::broken, "1970 to 2116"},
      {"hostsource", CallStatus::retry, "named like a host"},
      {"longsource", CallStatus::retry, "over 256 bytes"},
      {"gaps", CallStatus::retry, "1024 gaps"},
      {"source", CallStatus::broken, "source 99"},
      {"write", CallStatus::broken, "write() where it may not"},
      {"thread", CallStatus::broken, "a thread of its own"},
      {"flood", CallStatus::retry, "65536 readings"},
  };
  std::vector<std::string> script;
  for (const auto& [step, status, words] : cases) {
    script.push_back(step);
    script.emplace_back("ok");
  }
  HostDriver& host = start(script);
  for (const auto& [step, status, words] : cases) {
    const SeenPoll bad = host.poll();
    EXPECT_EQ(bad.done.status, status) << step << ": " << bad.done.why;
    EXPECT_NE(bad.done.why.find(words), std::string::npos) << step << ": " << bad.done.why;
    EXPECT_FALSE(bad.state.has_value());
    EXPECT_TRUE(bad.done.forgotten.empty());
    const SeenPoll good = host.poll();
    EXPECT_EQ(good.done.status, CallStatus::ok) << "after " << step << ": " << good.done.why;
    EXPECT_EQ(good.readings.size(), 2U);
    EXPECT_EQ(good.defined, 0U);
  }
}

// Given a series with an identity label that is no text, then its metric is a gap that names the
// label, once, and the rest of the poll counts.
TEST_F(ProbeHost, ABadIdentityLabelCostsItsMetricAlone) {
  const SeenPoll poll = start({"utf8"}).poll();
  EXPECT_EQ(poll.done.status, CallStatus::ok) << poll.done.why;
  EXPECT_EQ(poll.readings.size(), 2U);
  ASSERT_EQ(poll.gaps.size(), 1U);
  EXPECT_FALSE(poll.gaps[0].all_metrics);
  EXPECT_EQ(poll.gaps[0].metric, 0U);
  EXPECT_TRUE(poll.gaps[0].all_series);
  EXPECT_NE(poll.gaps[0].why.find("identity label id "), std::string::npos) << poll.gaps[0].why;
  EXPECT_FALSE(poll.log.empty());
}

// Given gaps of a source, a series and a metric, then each arrives as such in a good poll.
TEST_F(ProbeHost, NamesGaps) {
  const SeenPoll poll = start({"gap"}).poll();
  EXPECT_EQ(poll.done.status, CallStatus::ok) << poll.done.why;
  ASSERT_EQ(poll.gaps.size(), 3U);
  EXPECT_EQ(
      poll.gaps[0],
      (PartGap{true, 0, "ceph:f00", wire::Scope::shared, true, {}, "the cluster does not answer"}));
  EXPECT_EQ(poll.gaps[1],
            (PartGap{false, 0, "ceph:f00", wire::Scope::shared, false, {"b"}, "b is locked"}));
  EXPECT_EQ(poll.gaps[2], (PartGap{false, 1, "", wire::Scope::host, true, {}, "no level"}));
}

// Given a series that comes and goes, then its handle is forgotten with the first good poll without
// it, and 20,000 series arrive whole, over many frames.
TEST_F(ProbeHost, ForgetsAndScales) {
  HostDriver& host = start({"new", "retry", "ok", "many", "many", "ok", "ok"});
  EXPECT_EQ(host.poll().defined, 3U);
  EXPECT_TRUE(host.poll().done.forgotten.empty());
  EXPECT_EQ(host.poll().done.forgotten.size(), 1U);
  const SeenPoll many = host.poll();
  EXPECT_EQ(many.readings.size(), 20'002U);
  EXPECT_EQ(many.defined, 20'000U);
  const SeenPoll again = host.poll();
  EXPECT_EQ(again.defined, 0U);
  ASSERT_EQ(again.readings.size(), 20'002U);
  EXPECT_EQ(again.readings.back().series.identity, wire::LabelValues{"many19999"});
  EXPECT_EQ(again.readings.back().value, 5U);
  EXPECT_EQ(host.poll().done.forgotten.size(), 20'000U);
  EXPECT_TRUE(host.poll().done.forgotten.empty());
}

// Given a state of the last poll, then a fresh process goes on from it; another's state is refused
// and it starts without, saying so.
TEST_F(ProbeHost, RestoresState) {
  HostDriver& first = start({});
  first.poll();
  const SeenPoll last = first.poll();
  ASSERT_TRUE(last.state.has_value());

  HostDriver second(test_plugin(std::string("probe-") + FIRST_COMPILER));
  second.expect<Described>();
  EXPECT_EQ(second.configure(with({}), *last.state), (Created{CallStatus::ok, "", true}));
  EXPECT_EQ(second.poll().readings[0].value, 3U);

  for (const State& alien : {State{2, {1, 2, 3}}, State{3, last.state->bytes}}) {
    HostDriver third(test_plugin(std::string("probe-") + FIRST_COMPILER));
    third.expect<Described>();
    const Created created = third.configure(with({}), alien);
    EXPECT_EQ(created.status, CallStatus::ok);
    EXPECT_FALSE(created.restored);
    EXPECT_NE(created.why.find("state refused: version"), std::string::npos) << created.why;
    EXPECT_EQ(third.poll().readings[0].value, 1U);
  }
}

// Given configurations one after the other, with other states, then until the first poll each makes
// the instance anew, also after one that was refused, and the poll goes on from the last state.
TEST_F(ProbeHost, IsMadeAnewUntilItsFirstPoll) {
  start({});
  for (const std::uint8_t n : {std::uint8_t{7}, std::uint8_t{9}}) {
    const State state{2, {n, 0, 0, 0, 0, 0, 0, 0}};
    EXPECT_EQ(host_->configure(with({}), state), (Created{CallStatus::ok, "", true}));
    EXPECT_FALSE(host_->configure(with({}), State{2, {1, 2, 3}}).restored);
    EXPECT_EQ(host_->configure(with({}), state), (Created{CallStatus::ok, "", true}));
  }
  EXPECT_EQ(host_->poll().readings.at(0).value, 10U);
}

// Given a state over its limit, then the poll it belongs to does not count.
TEST_F(ProbeHost, RefusesAStateOverItsLimit) {
  const SeenPoll poll = start({"bigstate"}).poll();
  EXPECT_EQ(poll.done.status, CallStatus::broken);
  EXPECT_NE(poll.done.why.find("save: plugin fault: its state is over 65536"), std::string::npos)
      << poll.done.why;
  EXPECT_FALSE(poll.state.has_value());
}

// Given options that are unknown, missing, or refused by the plugin, then Created names them and
// the known ones, and the host takes another try.
TEST_F(ProbeHost, RefusesBadOptions) {
  HostDriver host(test_plugin(std::string("probe-") + FIRST_COMPILER));
  host.expect<Described>();
  Created created = host.configure({{"musst", {"yes"}}});
  EXPECT_EQ(created.status, CallStatus::bad_config);
  EXPECT_EQ(created.why,
            "unknown option \"musst\"; missing option \"must\" (has to be there); known are: must, "
            "note, script");
  created = host.configure({{"must", {"bad"}}});
  EXPECT_EQ(created,
            (Created{CallStatus::bad_config, "must is \"bad\", expected anything else", false}));
  created = host.configure({{"must", {"throw"}}});
  EXPECT_EQ(created, (Created{CallStatus::retry, "no server yet", false}));
  created = host.configure({{"must", {"undeclared"}}});
  EXPECT_EQ(created.status, CallStatus::broken);
  EXPECT_NE(created.why.find("no.such.option"), std::string::npos);
  EXPECT_EQ(host.configure(with({})).status, CallStatus::ok);
  EXPECT_EQ(host.poll().done.status, CallStatus::ok);
}

// Given a plugin that prints and logs without end, then frames stay whole, log lines are plain and
// bounded, and info labels are made plain.
TEST_F(ProbeHost, BoundsWhatAPluginSays) {
  HostDriver& host = start({"print", "log", "info", "ok"});
  EXPECT_EQ(host.poll().done.status, CallStatus::ok);
  const SeenPoll logged = host.poll();
  EXPECT_EQ(logged.done.status, CallStatus::ok);
  EXPECT_GE(logged.log.size(), 90U);
  EXPECT_LE(logged.log.size(), 200U);
  EXPECT_EQ(logged.log[0].text, "line 0");
  EXPECT_EQ(host.poll().done.status, CallStatus::ok);
  EXPECT_EQ(host.poll().readings[0].series.info, wire::LabelValues{"caf\xef\xbf\xbd"});
}

// Given a plugin that ends the process, then the stream ends and so does the host, with its status.
TEST_F(ProbeHost, EndsWithItsPlugin) {
  HostDriver& host = start({"exit"});
  EXPECT_THROW(host.poll(), std::runtime_error);
  EXPECT_EQ(host.wait(), 3);
}

// Given an agent that hangs up, sends garbage, or asks out of turn, then the host ends: 0 for the
// hang-up, 1 for a breach of the protocol.
TEST_F(ProbeHost, EndsWithTheAgent) {
  start({}).hang_up();
  EXPECT_EQ(host_->wait(), 0);
  start({}).send_bytes({0xff, 0xff, 0xff, 0xff, 1, 2, 3});
  EXPECT_EQ(host_->wait(), 1);
  start({}).send_bytes({1, 0, 0, 0, 99});
  EXPECT_EQ(host_->wait(), 1);
  EXPECT_EQ(start({}).poll().done.status, CallStatus::ok);
  host_->send(Configure{});
  EXPECT_EQ(host_->wait(), 1);
  host_.emplace(test_plugin(std::string("probe-") + FIRST_COMPILER));
  host_->send(PollRequest{1, 0, 0});
  EXPECT_EQ(host_->wait(), 1);
}

}  // namespace
}  // namespace tallyman::agent
