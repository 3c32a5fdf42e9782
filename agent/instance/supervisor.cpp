#include "agent/instance/supervisor.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using A = PluginAction;

using Cell = std::optional<Transition>;  // nothing = the event means nothing here

struct Row {
  Cell enable{}, hold{}, hold_often{}, ready{}, refuse{}, overrun{}, garbage{}, exit{},
      exit_often{}, exit_final{}, timer{}, disable{}, recycle{}, restart{}, reset{}, stuck{},
      replace{};
};

constexpr Row kDisabled{.enable = {{P::starting, A::spawn}},
                        .hold = {{P::backoff, A::wait}},
                        .hold_often = {{P::failed, A::probe}},
                        .disable = {{P::disabled, A::rest}}};
constexpr Row kStarting{.ready = {{P::running, A::admit}},
                        .refuse = {{P::quarantined, A::drop}},
                        .overrun = {{P::overdue, A::kill}},
                        .garbage = {{P::overdue, A::kill}},
                        .exit = {{P::backoff, A::wait}},
                        .exit_often = {{P::failed, A::probe}},
                        .exit_final = {{P::ended, A::rest}},
                        .timer = {{P::overdue, A::kill}},
                        .disable = {{P::stopping, A::ask}},
                        .restart = {{P::restarting, A::ask}},
                        // The process before it, which it waits for.
                        .stuck = {{P::unkillable_restarting, A::fence}},
                        .replace = {{P::running, A::admit}}};
constexpr Row kRunning{.refuse = {{P::quarantined, A::drop}},
                       .overrun = {{P::overdue, A::kill}},
                       .garbage = {{P::overdue, A::kill}},
                       .exit = {{P::backoff, A::wait}},
                       .exit_often = {{P::failed, A::probe}},
                       .exit_final = {{P::ended, A::rest}},
                       .disable = {{P::stopping, A::ask}},
                       .recycle = {{P::starting, A::spawn}},
                       .restart = {{P::restarting, A::ask}},
                       .replace = {{P::running, A::admit}}};
constexpr Row kOverdue{.exit = {{P::backoff, A::wait}},
                       .exit_often = {{P::failed, A::probe}},
                       .exit_final = {{P::ended, A::rest}},
                       .disable = {{P::stopping, A::kill}},
                       .restart = {{P::restarting, A::kill}},
                       .stuck = {{P::unkillable, A::fence}},
                       .replace = {{P::running, A::admit}}};
constexpr Row kStopping{.enable = {{P::restarting, A::none}},
                        .overrun = {{P::stopping, A::kill}},
                        .garbage = {{P::stopping, A::kill}},
                        .exit = {{P::disabled, A::rest}},
                        .exit_often = {{P::disabled, A::rest}},
                        .exit_final = {{P::disabled, A::rest}},
                        .timer = {{P::stopping, A::kill}},
                        .stuck = {{P::unkillable_stopping, A::fence}}};
constexpr Row kRestarting{.overrun = {{P::restarting, A::kill}},
                          .garbage = {{P::restarting, A::kill}},
                          .exit = {{P::starting, A::spawn}},
                          .exit_often = {{P::starting, A::spawn}},
                          .exit_final = {{P::starting, A::spawn}},
                          .timer = {{P::restarting, A::kill}},
                          .disable = {{P::stopping, A::none}},
                          .stuck = {{P::unkillable_restarting, A::fence}}};
constexpr Row kBackoff{.timer = {{P::starting, A::spawn}},
                       .disable = {{P::disabled, A::rest}},
                       .restart = {{P::starting, A::spawn}},
                       .reset = {{P::starting, A::spawn}},
                       .replace = {{P::running, A::admit}}};
constexpr Row kFailed = kBackoff;
constexpr Row kQuarantined{.timer = {{P::starting, A::spawn}},
                           .disable = {{P::disabled, A::rest}},
                           .restart = {{P::starting, A::spawn}},
                           .reset = {{P::starting, A::spawn}}};
constexpr Row kEnded{.disable = {{P::disabled, A::rest}},
                     .restart = {{P::starting, A::spawn}},
                     .reset = {{P::starting, A::spawn}},
                     .replace = {{P::running, A::admit}}};
constexpr Row kUnkillable{.exit = {{P::backoff, A::wait}},
                          .exit_often = {{P::failed, A::probe}},
                          .exit_final = {{P::ended, A::rest}},
                          .disable = {{P::unkillable_stopping, A::fence}},
                          .restart = {{P::unkillable_restarting, A::fence}}};
constexpr Row kUnkillableStopping{.enable = {{P::unkillable_restarting, A::fence}},
                                  .exit = {{P::disabled, A::rest}},
                                  .exit_often = {{P::disabled, A::rest}},
                                  .exit_final = {{P::disabled, A::rest}}};
constexpr Row kUnkillableRestarting{.exit = {{P::starting, A::spawn}},
                                    .exit_often = {{P::starting, A::spawn}},
                                    .exit_final = {{P::starting, A::spawn}},
                                    .disable = {{P::unkillable_stopping, A::fence}}};

constexpr std::array<const Row*, kPluginPhases> kTable{
    &kDisabled,
    &kStarting,
    &kRunning,
    &kOverdue,
    &kStopping,
    &kRestarting,
    &kBackoff,
    &kFailed,
    &kQuarantined,
    &kEnded,
    &kUnkillable,
    &kUnkillableStopping,
    &kUnkillableRestarting,
};

Cell Row::*column(PluginEvent event) {
  static constexpr std::array<Cell Row::*, kPluginEvents> kColumns{
      &Row::enable,  &Row::hold,    &Row::hold_often, &Row::ready,      &Row::refuse,
      &Row::overrun, &Row::garbage, &Row::exit,       &Row::exit_often, &Row::exit_final,
      &Row::timer,   &Row::disable, &Row::recycle,    &Row::restart,    &Row::reset,
      &Row::stuck,   &Row::replace,
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
      "disabled", "starting",    "running", "overdue",    "stopping",   "restarting", "back-off",
      "failed",   "quarantined", "ended",   "unkillable", "unkillable", "unkillable",
  };
  return kNames[static_cast<std::size_t>(phase)];
}

const char* strategy_name(Strategy strategy) {
  static constexpr std::array<const char*, 3> kNames{"permanent", "transient", "temporary"};
  return kNames[static_cast<std::size_t>(strategy)];
}

Supervisor::Supervisor(const SupervisorOptions& options, Strategy strategy, std::uint64_t seed)
    : options_(options),
      strategy_(strategy),
      random_(static_cast<std::minstd_rand::result_type>(seed % 2147483646U + 1)) {}

void Supervisor::recall(const SupervisorMemory& memory, Ns wall, Ns boot) {
  const std::size_t most = options_.max_restarts + 1;
  const std::size_t skip = memory.ends.size() > most ? memory.ends.size() - most : 0;
  Ns last = options_.within + 1;  // ages, ascending in time
  for (std::size_t i = skip; i < memory.ends.size(); i++) {
    last = std::min(last, std::max<Ns>(wall - memory.ends[i], 0));
    if (last <= options_.within) ends_.push_back(boot - last);
  }
  if (ends_.empty()) return;
  failures_ = std::max(memory.failures, 1U);
  if (memory.next_try <= wall) return;
  held_ = memory.failed ? PluginEvent::hold_often : PluginEvent::hold;
  delay_ = std::min(memory.next_try - wall, memory.failed ? options_.probe : options_.backoff_max);
}

SupervisorMemory Supervisor::memory(Ns wall, Ns boot) const {
  SupervisorMemory memory;
  memory.failed = phase_ == P::failed;
  memory.failures = failures_;
  for (const Ns end : ends_) memory.ends.push_back(std::max<Ns>(wall - (boot - end), 0));
  if (phase_ == P::failed || phase_ == P::backoff) memory.next_try = wall + (due_ - boot);
  return memory;
}

Supervisor::Saved Supervisor::save() const {
  std::ostringstream random;
  random << random_;
  return {phase_,      delay_,    due_,        held_,
          spawns_,     failures_, good_polls_, {ends_.begin(), ends_.end()},
          random.str()};
}

void Supervisor::restore(const Saved& saved) {
  phase_ = saved.phase;
  delay_ = saved.delay;
  due_ = saved.due;
  held_ = saved.held;
  spawns_ = saved.spawns;
  failures_ = saved.failures;
  good_polls_ = saved.good_polls;
  ends_.assign(saved.ends.begin(), saved.ends.end());
  while (ends_.size() > options_.max_restarts + 1) ends_.pop_front();
  std::istringstream random(saved.random);
  std::minstd_rand restored;
  if (random >> restored) random_ = restored;
}

void Supervisor::count_failure(Ns boot) {
  good_polls_ = 0;
  failures_++;
  ends_.push_back(boot);
  if (ends_.size() > options_.max_restarts + 1) ends_.pop_front();
}

PluginEvent Supervisor::exit_event(Ns boot, bool clean) const {
  const bool final =
      strategy_ == Strategy::temporary || (strategy_ == Strategy::transient && clean);
  if (final) return PluginEvent::exit_final;
  const bool often =
      ends_.size() > options_.max_restarts && boot - ends_.front() <= options_.within;
  return often ? PluginEvent::exit_often : PluginEvent::exit;
}

PluginAction Supervisor::take(PluginEvent event, Ns boot, bool clean) {
  const bool alive = phase_ == P::starting || phase_ == P::running;
  const bool dying = phase_ == P::overdue || phase_ == P::unkillable;
  if (event == PluginEvent::exit && alive) count_failure(boot);
  // One that had to be killed did not end by itself, whatever its status says.
  if (event == PluginEvent::exit && (alive || dying)) event = exit_event(boot, clean && alive);
  const bool held = event == PluginEvent::enable && held_ && phase_ == P::disabled;
  if (held) event = *held_;
  if (held || event == PluginEvent::enable || event == PluginEvent::disable) held_.reset();
  if (event == PluginEvent::reset) forgive();
  Transition to = transition(phase_, event);
  // Counted when it is killed, not when it has ended: a restart or a stop that comes between takes
  // nothing back, and an end that never comes hides nothing.
  if (alive && to.next == P::overdue) count_failure(boot);
  phase_ = to.next;
  if (to.action == A::spawn && event != PluginEvent::recycle) spawns_++;
  if (to.action == A::wait && !held) {
    Ns delay = options_.backoff_min;
    for (unsigned i = 1; i < failures_ && delay < options_.backoff_max; i++) delay *= 2;
    delay_ = jittered(std::min(delay, options_.backoff_max));
  }
  if ((to.action == A::probe && !held) || to.action == A::drop) delay_ = jittered(options_.probe);
  if (to.action == A::wait || to.action == A::probe || to.action == A::drop) due_ = boot + delay_;
  return to.action;
}

void Supervisor::good_poll() {
  if (++good_polls_ >= options_.proven) forgive();
}

void Supervisor::forgive() {
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
