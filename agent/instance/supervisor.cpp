#include "agent/instance/supervisor.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using A = PluginAction;

using Cell = std::optional<Transition>;  // nothing = the event means nothing here

struct Row {
  Cell enable{}, ready{}, refuse{}, overrun{}, garbage{}, exit{}, exit_often{}, timer{}, disable{},
      recycle{};
};

constexpr Row kDisabled{.enable = {{P::starting, A::spawn}}};
constexpr Row kStarting{.ready = {{P::running, A::admit}},
                        .refuse = {{P::quarantined, A::drop}},
                        .overrun = {{P::overdue, A::kill}},
                        .garbage = {{P::overdue, A::kill}},
                        .exit = {{P::backoff, A::wait}},
                        .exit_often = {{P::failed, A::probe}},
                        .timer = {{P::overdue, A::kill}},
                        .disable = {{P::stopping, A::ask}}};
constexpr Row kRunning{.refuse = {{P::quarantined, A::drop}},
                       .overrun = {{P::overdue, A::kill}},
                       .garbage = {{P::overdue, A::kill}},
                       .exit = {{P::backoff, A::wait}},
                       .exit_often = {{P::failed, A::probe}},
                       .disable = {{P::stopping, A::ask}},
                       .recycle = {{P::starting, A::spawn}}};
constexpr Row kOverdue{.exit = {{P::backoff, A::wait}},
                       .exit_often = {{P::failed, A::probe}},
                       .disable = {{P::stopping, A::kill}}};
constexpr Row kStopping{.overrun = {{P::stopping, A::kill}},
                        .garbage = {{P::stopping, A::kill}},
                        .exit = {{P::disabled, A::rest}},
                        .exit_often = {{P::disabled, A::rest}},
                        .timer = {{P::stopping, A::kill}}};
constexpr Row kBackoff{.timer = {{P::starting, A::spawn}}, .disable = {{P::disabled, A::rest}}};
constexpr Row kFailed{.timer = {{P::starting, A::spawn}}, .disable = {{P::disabled, A::rest}}};
constexpr Row kQuarantined{.timer = {{P::starting, A::spawn}}, .disable = {{P::disabled, A::rest}}};

constexpr std::array<const Row*, kPluginPhases> kTable{
    &kDisabled, &kStarting, &kRunning, &kOverdue, &kStopping, &kBackoff, &kFailed, &kQuarantined,
};

Cell Row::*column(PluginEvent event) {
  static constexpr std::array<Cell Row::*, kPluginEvents> kColumns{
      &Row::enable, &Row::ready,      &Row::refuse, &Row::overrun, &Row::garbage,
      &Row::exit,   &Row::exit_often, &Row::timer,  &Row::disable, &Row::recycle,
  };
  return kColumns[static_cast<std::size_t>(event)];
}

}  // namespace

Transition transition(PluginPhase phase, PluginEvent event) {
  const Cell& cell = kTable[static_cast<std::size_t>(phase)]->*column(event);
  return cell.value_or(Transition{phase, A::none});
}

const char* phase_name(PluginPhase phase) {
  static constexpr std::array<const char*, kPluginPhases> kNames{
      "disabled", "starting", "running", "overdue", "stopping", "back-off", "failed", "quarantined",
  };
  return kNames[static_cast<std::size_t>(phase)];
}

Supervisor::Supervisor(const SupervisorOptions& options, std::uint64_t seed)
    : options_(options),
      random_(static_cast<std::minstd_rand::result_type>(seed % 2147483646U + 1)) {}

PluginAction Supervisor::take(PluginEvent event, Ns boot) {
  bool alive = phase_ == P::starting || phase_ == P::running || phase_ == P::overdue;
  if (event == PluginEvent::exit && alive) {
    good_polls_ = 0;
    failures_++;
    ends_.push_back(boot);
    if (ends_.size() > options_.max_restarts + 1) ends_.pop_front();
    if (ends_.size() > options_.max_restarts && boot - ends_.front() <= options_.within) {
      event = PluginEvent::exit_often;
    }
  }
  Transition to = transition(phase_, event);
  phase_ = to.next;
  if (to.action == A::spawn && event != PluginEvent::recycle) spawns_++;
  if (to.action == A::wait) {
    Ns delay = options_.backoff_min;
    for (unsigned i = 1; i < failures_ && delay < options_.backoff_max; i++) delay *= 2;
    delay_ = jittered(std::min(delay, options_.backoff_max));
  }
  if (to.action == A::probe || to.action == A::drop) delay_ = jittered(options_.probe);
  return to.action;
}

void Supervisor::good_poll() {
  if (++good_polls_ < options_.proven) return;
  failures_ = 0;
  ends_.clear();
}

// Between three quarters and all of it, so that many plugins that failed together do not start
// together, and no limit is ever exceeded.
Ns Supervisor::jittered(Ns length) {
  auto part = static_cast<Ns>(random_() % 1025);
  return length - length / 4 * part / 1024;
}

}  // namespace tallyman::agent
