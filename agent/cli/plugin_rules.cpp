#include "agent/cli/plugin_rules.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>

#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::cli {
namespace {

using Findings = std::vector<Finding>;

constexpr Ns kClockSlack = kSecond;

struct Unit {
  std::string_view written, base;
};
// What is written in place of a base unit. Parts of a second may be written out: values are whole.
constexpr std::array<Unit, 33> kUnits{{
    {"b", "bytes"},
    {"byte", "bytes"},
    {"kb", "bytes"},
    {"mb", "bytes"},
    {"gb", "bytes"},
    {"tb", "bytes"},
    {"kib", "bytes"},
    {"mib", "bytes"},
    {"gib", "bytes"},
    {"tib", "bytes"},
    {"kilobytes", "bytes"},
    {"megabytes", "bytes"},
    {"gigabytes", "bytes"},
    {"kibibytes", "bytes"},
    {"mebibytes", "bytes"},
    {"gibibytes", "bytes"},
    {"bit", "bytes"},
    {"bits", "bytes"},
    {"kbit", "bytes"},
    {"sectors", "bytes"},
    {"s", "seconds"},
    {"sec", "seconds"},
    {"second", "seconds"},
    {"min", "seconds"},
    {"minutes", "seconds"},
    {"h", "seconds"},
    {"hours", "seconds"},
    {"days", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"%", "parts of a whole number, as used and total"},
    {"percent", "parts of a whole number, as used and total"},
}};
// Units that the name of the metric must say.
constexpr std::array<std::string_view, 5> kNamed{"bytes", "seconds", "milliseconds", "microseconds",
                                                 "nanoseconds"};

bool is_snake(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
         std::all_of(name.begin(), name.end(), fits) && name.find("__") == std::string_view::npos &&
         name.back() != '_';
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void check_unit(const wire::MetricDef& metric, const std::string& head, Findings& out) {
  const std::string unit = lower(metric.unit);
  for (const Unit& known : kUnits) {
    if (known.written != unit) continue;
    out.push_back({true, head + "the unit is \"" + metric.unit + "\"; write \"" +
                             std::string(known.base) + "\", and values in it"});
    return;
  }
  const bool named = std::find(kNamed.begin(), kNamed.end(), unit) != kNamed.end();
  std::string_view stem = metric.name;
  if (stem.ends_with("_total")) stem.remove_suffix(6);
  if (named && !stem.ends_with("_" + unit)) {
    out.push_back({true, head + "the name does not say its unit; end it in _" + unit +
                             (metric.kind == wire::Kind::counter ? "_total" : "")});
  }
}

void check_labels(const wire::MetricDef& metric, const std::string& head, Findings& out) {
  for (const auto* labels : {&metric.identity, &metric.info}) {
    for (const std::string& label : *labels) {
      if (is_snake(label)) continue;
      out.push_back({true, head + "the label \"" + label + "\" is not [a-z][a-z0-9_]*"});
    }
  }
  for (const std::string& label : metric.identity) {
    if (label != "name" && label != "alias" && label != "description") continue;
    out.push_back({false, head + "the identity label \"" + label +
                              "\" sounds as if it could change; what may change is an info label"});
  }
}

void check_metric(const wire::MetricDef& metric, const std::string& prefix, Findings& out) {
  const std::string head = metric.name + ": ";
  const bool counter = metric.kind == wire::Kind::counter;
  if (!is_snake(metric.name)) {
    out.push_back({true, head + "the name is not [a-z][a-z0-9_]* without double underscores"});
  }
  if (counter && !metric.name.ends_with("_total")) {
    out.push_back({true, head + "a counter's name ends in _total"});
  }
  if (!counter && metric.name.ends_with("_total")) {
    out.push_back({true, head + "only a counter's name ends in _total"});
  }
  if (!metric.name.starts_with(prefix + "_")) {
    out.push_back({false, head + "names of one plugin usually begin alike: " + prefix + "_"});
  }
  if (metric.help.empty()) out.push_back({true, head + "it has no help text"});
  check_unit(metric, head, out);
  check_labels(metric, head, out);
}

/// What makes it the same counter.
using Counter = std::tuple<std::string, std::string, wire::Labels, std::uint64_t>;

void check_values(const Trial& trial, Findings& out) {
  std::map<Counter, std::uint64_t> last;
  bool fell = false, future = false;
  for (const TrialPoll& poll : trial.polls) {
    for (const wire::ReadingLine& reading : poll.readings) {
      if (!future && reading.time > poll.wall + kClockSlack) {
        future = true;
        out.push_back({true, reading.metric + ": a reading of " + to_rfc3339_short(reading.time) +
                                 " lies in the future"});
      }
      if (reading.kind != wire::Kind::counter) continue;
      auto [at, fresh] =
          last.try_emplace({reading.source, reading.metric, reading.labels, reading.epoch}, 0);
      if (!fresh && reading.value < at->second && !fell) {
        fell = true;
        out.push_back({true, reading.metric + ": the counter fell from " +
                                 std::to_string(at->second) + " to " +
                                 std::to_string(reading.value) +
                                 " within an epoch; a counter that begins anew has another epoch"});
      }
      at->second = reading.value;
    }
  }
}

void check_polls(const Trial& trial, const TrialPlan& plan, Findings& out) {
  std::size_t readings = 0, gaps = 0, number = 0;
  Ns slowest = 0;
  for (const TrialPoll& poll : trial.polls) {
    number++;
    readings += poll.readings.size();
    gaps += poll.gaps.size();
    slowest = std::max(slowest, poll.took);
    const std::string head = "poll " + std::to_string(number) + ": ";
    if (!poll.why.empty() && poll.why != trial.ended) out.push_back({true, head + poll.why});
    const std::string broken = over_limit(plan.config.limits, poll.usage);
    if (!broken.empty()) out.push_back({true, head + "over a limit: " + broken});
  }
  if (readings == 0 && !trial.polls.empty()) {
    out.push_back({true, "no poll gave a reading"});
  }
  if (gaps > 0) {
    out.push_back(
        {false, std::to_string(gaps) + " parts of polls gave nothing, as it says itself"});
  }
  if (slowest > plan.config.deadline / 2) {
    out.push_back({false, "a poll took " + to_duration_text(slowest / kMillisecond * kMillisecond) +
                              ", more than half of its deadline of " +
                              to_duration_text(plan.config.deadline)});
  }
}

}  // namespace

Findings declaration_findings(const agent::Described& declared) {
  Findings out;
  std::string prefix = declared.name;
  std::replace(prefix.begin(), prefix.end(), '-', '_');
  for (const wire::MetricDef& metric : declared.metrics) check_metric(metric, prefix, out);
  for (const agent::OptionDef& option : declared.options) {
    if (option.help.empty())
      out.push_back({true, "option " + option.key + ": it has no help text"});
  }
  return out;
}

Findings trial_findings(const Trial& trial, const TrialPlan& plan) {
  Findings out;
  if (!trial.ended.empty()) {
    out.push_back(
        {true, (trial.loaded ? "it went no further: " : "it is not loaded: ") + trial.ended});
  }
  check_polls(trial, plan, out);
  check_values(trial, out);
  const bool stateful = trial.declared.state_version != 0;
  if (stateful && trial.ended.empty() && !trial.restored) {
    out.push_back(
        {true, "its state is not taken by another process: " +
                   (trial.not_restored.empty() ? "no reason given" : trial.not_restored)});
  }
  if (!trial.not_stopped.empty()) {
    out.push_back({true, "told to stop, " + trial.not_stopped + ": it is killed then"});
  }
  return out;
}

}  // namespace tallyman::cli
