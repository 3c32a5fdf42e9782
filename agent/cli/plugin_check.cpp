#include "agent/cli/plugin_check.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "agent/cli/plugin_rules.hpp"
#include "agent/cli/plugin_trial.hpp"
#include "agent/cli/plugin_view.hpp"
#include "agent/instance/plugin_files.hpp"
#include "app/exit.hpp"
#include "app/table.hpp"

namespace tallyman::cli {
namespace {

/// Adds "KEY=VALUE" words to what a file configured; those of a key replace what it said.
Status add_options(const std::vector<std::string>& words, agent::InstanceConfig& config) {
  std::vector<agent::HostOption> given;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{"--option `" + word + "` is no KEY=VALUE", "", "write --option path=/srv"};
    }
    const std::string key = word.substr(0, equals);
    const auto same = [&](const agent::HostOption& option) { return option.key == key; };
    auto at = std::find_if(given.begin(), given.end(), same);
    if (at == given.end()) at = given.insert(at, {key, {}});
    at->values.push_back(word.substr(equals + 1));
    std::erase_if(config.options, same);
  }
  config.options.insert(config.options.end(), given.begin(), given.end());
  return {};
}

}  // namespace

int plugin_check(const PluginCheck& check) {
  TrialPlan plan;
  plan.plugin_host = check.plugin_host;
  plan.file = std::filesystem::absolute(check.file).lexically_normal();
  plan.polls = check.polls;
  if (!check.config.empty()) {
    app::ConfigErrors errors;
    plan.config = agent::load_instance(check.config, errors);
    if (!errors.empty()) {
      std::fputs(errors.text().c_str(), stderr);
      return app::kUsage;
    }
  } else {
    plan.config.name = agent::plugin_name(plan.file);
  }
  plan.config.file = check.config.empty() ? "--option" : check.config;
  if (Status added = add_options(check.options, plan.config); !added.ok()) {
    app::complain("tallyman", added.error());
    return app::kUsage;
  }
  // The very bytes that are tried are what an agent would run: a file, whole, of a sane size.
  if (const auto bytes = agent::read_plugin(plan.file, agent::Trust::any); !bytes) {
    app::complain("tallyman", bytes.error());
    return app::kFound;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const RealClock clock;
  app::EventLoop loop(clock);
  const Trial trial = try_plugin(loop, plan);
  std::vector<Finding> findings = declaration_findings(trial.declared);
  for (Finding& finding : trial_findings(trial, plan)) findings.push_back(std::move(finding));
  const std::string text = check.json ? trial_json(plan, trial, findings) + "\n"
                                      : trial_text(plan, trial, findings, app::stdout_has_colour());
  std::fwrite(text.data(), 1, text.size(), stdout);
  const bool faults =
      std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.fault; });
  return faults ? app::kFound : app::kDone;
}

}  // namespace tallyman::cli
