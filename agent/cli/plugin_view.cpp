#include "agent/cli/plugin_view.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/host/declaration.hpp"
#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::cli {
namespace {

using app::Colour;
using app::paint;
using nlohmann::ordered_json;

// Of one poll; the JSON has all of them.
constexpr std::size_t kMostShown = 20;

std::string milliseconds(Ns length) {
  const Ns microseconds = length / kMicrosecond;
  const std::string part = std::to_string(1000 + microseconds % 1000).substr(1);
  return std::to_string(microseconds / 1000) + "." + part + " ms";
}

bool good(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const auto& f) { return f.fault; });
}

std::string poll_text(const std::string& head, const TrialPoll& poll) {
  std::string out = head + ": " + std::to_string(poll.readings.size()) +
                    (poll.readings.size() == 1 ? " reading in " : " readings in ") +
                    milliseconds(poll.took) + ", memory " + app::human_bytes(poll.usage.memory);
  if (poll.state_bytes > 0) out += ", state " + std::to_string(poll.state_bytes) + " bytes";
  out += "\n";
  for (std::size_t i = 0; i < std::min(poll.readings.size(), kMostShown); i++) {
    const wire::ReadingLine& reading = poll.readings[i];
    out += "  " + series_text(reading) + " " + std::to_string(reading.value) + " " + reading.unit;
    if (reading.start != 0) out += ", since " + to_rfc3339_short(reading.start);
    out += "\n";
  }
  if (poll.readings.size() > kMostShown) {
    out += "  and " + std::to_string(poll.readings.size() - kMostShown) + " more\n";
  }
  for (const wire::GapLine& gap : poll.gaps) out += "  gap " + gap.source + ": " + gap.gap + "\n";
  return out;
}

std::string state_text(const Trial& trial) {
  if (trial.declared.state_version == 0) return "no state is kept\n";
  if (trial.restored) return "the state was restored by another process\n";
  return "the state was not restored\n";
}

ordered_json poll_json(const TrialPoll& poll) {
  ordered_json readings = ordered_json::array();
  for (const wire::ReadingLine& reading : poll.readings) {
    readings.push_back(ordered_json::parse(to_json_line(reading)));
  }
  ordered_json gaps = ordered_json::array();
  for (const wire::GapLine& gap : poll.gaps) gaps.push_back(ordered_json::parse(to_json_line(gap)));
  return {{"why", poll.why},
          {"took_us", poll.took / kMicrosecond},
          {"cpu_us", poll.usage.cpu / kMicrosecond},
          {"memory_bytes", poll.usage.memory},
          {"descriptors", poll.usage.descriptors},
          {"state_bytes", poll.state_bytes},
          {"readings", std::move(readings)},
          {"gaps", std::move(gaps)}};
}

}  // namespace

std::string series_text(const wire::ReadingLine& reading) {
  std::string out;
  for (const auto* labels : {&reading.labels, &reading.info}) {
    for (const auto& [name, value] : *labels) {
      if (!value.empty()) out += (out.empty() ? "" : ",") + name + "=\"" + value + "\"";
    }
  }
  return reading.metric + "{" + out + "}";
}

std::string trial_text(const TrialPlan& plan, const Trial& trial,
                       const std::vector<Finding>& findings, bool colour) {
  std::string out;
  if (trial.loaded) out += host::describe(trial.declared);
  for (std::size_t i = 0; i < trial.polls.size(); i++) {
    const bool again = trial.restored && i + 1 == trial.polls.size();
    out += poll_text(
        again ? "restored, poll " + std::to_string(i + 1) : "poll " + std::to_string(i + 1),
        trial.polls[i]);
  }
  if (!trial.polls.empty()) out += state_text(trial);
  for (const std::string& line : trial.said) out += paint(line, Colour::faint, colour) + "\n";
  std::size_t faults = 0;
  for (const Finding& finding : findings) {
    faults += finding.fault ? 1 : 0;
    out += paint(finding.fault ? "fault: " : "note: ", finding.fault ? Colour::bad : Colour::warn,
                 colour) +
           finding.what + "\n";
  }
  return out + plan.file + ": " +
         (faults == 0 ? paint("good", Colour::good, colour)
                      : std::to_string(faults) + (faults == 1 ? " fault" : " faults")) +
         "\n";
}

std::string trial_json(const TrialPlan& plan, const Trial& trial,
                       const std::vector<Finding>& findings) {
  ordered_json polls = ordered_json::array();
  for (const TrialPoll& poll : trial.polls) polls.push_back(poll_json(poll));
  ordered_json found = ordered_json::array();
  for (const Finding& finding : findings) {
    found.push_back({{"level", finding.fault ? "fault" : "note"}, {"what", finding.what}});
  }
  const ordered_json document{
      {"file", plan.file},
      {"plugin", trial.declared.name},
      {"version", trial.declared.version},
      {"state_version", trial.declared.state_version},
      {"restored", trial.restored},
      {"polls", std::move(polls)},
      {"said", trial.said},
      {"findings", std::move(found)},
      {"good", good(findings)},
  };
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace tallyman::cli
