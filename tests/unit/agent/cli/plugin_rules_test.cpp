#include "agent/cli/plugin_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

using ::testing::HasSubstr;

wire::MetricDef counter(const std::string& name, const std::string& unit) {
  wire::MetricDef metric;
  metric.name = name;
  metric.unit = unit;
  metric.help = "What it counts";
  return metric;
}

agent::Described plugin(std::vector<wire::MetricDef> metrics) {
  agent::Described declared;
  declared.name = "disk-usage";
  declared.version = "1.0";
  declared.metrics = std::move(metrics);
  return declared;
}

std::string faults(const agent::Described& declared) {
  std::string out;
  for (const Finding& finding : declaration_findings(declared)) {
    if (finding.fault) out += finding.what + "\n";
  }
  return out;
}

// Given a declaration as the house has it, then nothing is found.
TEST(PluginRules, good_ones_pass) {
  auto gauge = counter("disk_usage_used_bytes", "bytes");
  gauge.kind = wire::Kind::gauge;
  gauge.identity = {"mountpoint"};
  const auto declared =
      plugin({counter("disk_usage_read_bytes_total", "bytes"),
              counter("disk_usage_reads_total", "operations"),
              counter("disk_usage_busy_milliseconds_total", "milliseconds"), gauge});
  EXPECT_TRUE(declaration_findings(declared).empty());
}

// Given one thing wrong each, then it is named with the metric, and with what to write.
TEST(PluginRules, names_what_is_wrong) {
  EXPECT_THAT(faults(plugin({counter("disk_usage_read_bytes", "bytes")})),
              HasSubstr("disk_usage_read_bytes: a counter's name ends in _total"));
  auto gauge = counter("disk_usage_used_bytes_total", "bytes");
  gauge.kind = wire::Kind::gauge;
  EXPECT_THAT(faults(plugin({gauge})), HasSubstr("only a counter's name ends in _total"));
  EXPECT_THAT(faults(plugin({counter("disk_usage_read_total", "bytes")})),
              HasSubstr("end it in _bytes_total"));
  for (const char* unit : {"KiB", "MB", "bits", "ms", "minutes", "percent", "sectors"}) {
    EXPECT_THAT(faults(plugin({counter("disk_usage_x_total", unit)})),
                HasSubstr("the unit is \"" + std::string(unit) + "\"; write"));
  }
  EXPECT_THAT(faults(plugin({counter("disk_Usage_reads_total", "reads")})), HasSubstr("the name"));
  EXPECT_THAT(faults(plugin({counter("disk_usage__reads_total", "reads")})), HasSubstr("the name"));
  auto helpless = counter("disk_usage_reads_total", "reads");
  helpless.help = "";
  EXPECT_THAT(faults(plugin({helpless})), HasSubstr("no help text"));
  auto labelled = counter("disk_usage_reads_total", "reads");
  labelled.identity = {"Device"};
  EXPECT_THAT(faults(plugin({labelled})), HasSubstr("the label \"Device\""));
  auto option = plugin({counter("disk_usage_reads_total", "reads")});
  option.options.push_back({"path", "/", ""});
  EXPECT_THAT(faults(option), HasSubstr("option path: it has no help text"));
}

// Given what is odd but may be meant, then it is a note and no fault.
TEST(PluginRules, notes_are_no_faults) {
  auto metric = counter("reads_total", "reads");
  metric.identity = {"alias"};
  const auto declared = plugin({metric});
  EXPECT_EQ(faults(declared), "");
  EXPECT_EQ(declaration_findings(declared).size(), 2U);
}

TrialPoll poll_of(std::uint64_t value, std::uint64_t epoch, Ns at = kDay) {
  TrialPoll poll;
  poll.wall = kDay;
  wire::ReadingLine line;
  line.metric = "disk_usage_reads_total";
  line.value = value;
  line.epoch = epoch;
  line.time = at;
  poll.readings.push_back(line);
  return poll;
}

std::string found(const Trial& trial) {
  std::string out;
  for (const Finding& finding : trial_findings(trial, TrialPlan{})) out += finding.what + "\n";
  return out;
}

// Given polls, then a counter that falls within its epoch is a fault, one that begins another epoch
// is none, and so is a reading of the future.
TEST(PluginRules, holds_counters_to_their_epochs) {
  Trial trial;
  trial.loaded = true;
  trial.polls = {poll_of(5, 1), poll_of(5, 1), poll_of(9, 1), poll_of(0, 2)};
  EXPECT_EQ(found(trial), "");
  trial.polls.push_back(poll_of(8, 1));
  EXPECT_THAT(found(trial), HasSubstr("the counter fell from 9 to 8 within an epoch"));
  trial.polls = {poll_of(5, 1, 2 * kDay)};
  EXPECT_THAT(found(trial), HasSubstr("lies in the future"));
}

// Given a trial that went wrong somewhere, then that is told once.
TEST(PluginRules, tells_how_far_it_came) {
  Trial trial;
  trial.ended = "killed by signal 6";
  EXPECT_EQ(found(trial), "it is not loaded: killed by signal 6\n");
  trial.loaded = true;
  trial.polls = {poll_of(1, 1), TrialPoll{}};
  trial.polls[1].why = trial.ended;
  EXPECT_EQ(found(trial), "it went no further: killed by signal 6\n");
  trial.ended = "";
  trial.polls = {TrialPoll{}};
  EXPECT_EQ(found(trial), "no poll gave a reading\n");
  trial.polls = {poll_of(1, 1)};
  trial.declared.state_version = 1;
  trial.not_restored = "state refused: of another version";
  EXPECT_THAT(found(trial), HasSubstr("not taken by another process: state refused"));
  trial.restored = true;
  trial.not_stopped = "it does not end within 1s";
  EXPECT_EQ(found(trial), "told to stop, it does not end within 1s: it is killed then\n");
}

}  // namespace
}  // namespace tallyman::cli
