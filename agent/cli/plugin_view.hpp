#pragma once
// What `tallyman plugin check` prints. Pure; the JSON library is included by plugin_view.cpp.

#include <string>
#include <vector>

#include "agent/cli/plugin_rules.hpp"
#include "agent/cli/plugin_trial.hpp"

namespace tallyman::cli {

/// The declaration, each poll with its readings, the state; then a line for each finding, and one
/// for them all.
[[nodiscard]] std::string trial_text(const TrialPlan& plan, const Trial& trial,
                                     const std::vector<Finding>& findings, bool colour);
/// One JSON document in one line: file, plugin, version, polls, state, findings, good.
[[nodiscard]] std::string trial_json(const TrialPlan& plan, const Trial& trial,
                                     const std::vector<Finding>& findings);
/// "netif_receive_bytes_total{ifindex="3"}": identity and info labels that have a value.
[[nodiscard]] std::string series_text(const wire::ReadingLine& reading);

}  // namespace tallyman::cli
