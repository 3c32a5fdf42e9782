// What the service manager is told of the agent.

#include <algorithm>
#include <utility>

#include "agent/agent.hpp"

namespace tallyman::agent {
namespace {

// Many things that happen at once are told at once.
constexpr Ns kReportDelay = 50 * kMillisecond;

}  // namespace

void Agent::report_to(app::Notifier& manager) {
  manager_ = &manager;
  if (reexecs_ > 0) {
    // It was told by the program before this one, and waits for signs of life.
    ready_ = true;
    manager_->ready();
  }
  report();
}

void Agent::report_soon() {
  if (manager_ == nullptr || !manager_->heard() || report_timer_ != 0) return;
  report_timer_ = loop_.after(kReportDelay, [this] {
    report_timer_ = 0;
    report();
  });
}

void Agent::report() {
  if (stopping_) return;
  manager_->status(words());
  const auto settled = [](const auto& entry) {
    return entry.second->phase() != PluginPhase::starting;
  };
  if (ready_ || !std::all_of(instances_.begin(), instances_.end(), settled)) return;
  ready_ = true;
  manager_->ready();
}

void Agent::announce_reload() {
  if (manager_ == nullptr) return;
  manager_->reloading();
  ready_ = false;
  report_soon();
}

std::string Agent::words() const {
  std::size_t running = 0;
  std::string others;
  for (const auto& [name, instance] : instances_) {
    if (instance->phase() == PluginPhase::running) {
      running++;
    } else {
      others += "; " + name + " is " + phase_name(instance->phase());
    }
  }
  std::string trouble = spool_->stats().trouble;
  if (trouble.empty()) trouble = journal_->hung();
  std::string out = std::to_string(running) + " of " + std::to_string(instances_.size()) +
                    " plugins run" + others;
  if (!trouble.empty()) out += "; spool: " + trouble;
  if (!configuration_error_.empty()) out += "; the configuration on disk is not in force";
  return out + "; link " + link_->status().state;
}

}  // namespace tallyman::agent
