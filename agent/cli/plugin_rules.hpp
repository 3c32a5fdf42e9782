#pragma once
// What is held against a plugin that is checked. Pure.

#include <string>
#include <vector>

#include "agent/cli/plugin_trial.hpp"

namespace tallyman::cli {

struct Finding {
  bool fault = true;  ///< else a note: worth knowing, nothing to mend
  std::string what;   ///< one line
  friend bool operator==(const Finding&, const Finding&) = default;
};

/// Names, units and help texts as Prometheus has them, in base units; labels; options.
[[nodiscard]] std::vector<Finding> declaration_findings(const agent::Described& declared);

/// What went wrong when it was tried, and what it did that billing cannot use.
[[nodiscard]] std::vector<Finding> trial_findings(const Trial& trial, const TrialPlan& plan);

}  // namespace tallyman::cli
