// An instance that outlives the agent's program: its host goes on beneath the next one.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"

namespace tallyman::agent {

InstanceState Instance::freeze() const {
  InstanceState state;
  state.config = config_;
  state.supervisor = supervisor_.save();
  state.covered = covered_;
  state.since = since_;
  state.disabled = disabled_;
  state.asked = asked_;
  if (schedule_) state.schedule = schedule_->save();
  state.recorder = recorder_.save();
  if (process_ && process_->alive()) state.host = process_->save();
  state.since_why = since_why_;
  if (version_) state.version = *version_;
  if (next_) state.next = *next_;
  if (ran_) state.ran = *ran_;
  if (before_) state.before = *before_;
  if (pinned_) state.pinned = *pinned_;
  state.refused = refused_;
  state.described = described_;
  state.needs = needs_;
  state.surplus = surplus_;
  state.flight = flight_;
  state.polls_sent = polls_sent_;
  state.plugin_pid = plugin_pid_;
  state.phase_due = phase_timer_ != 0 ? phase_due_ : 0;
  state.phase_event = phase_event_;
  state.waiting = waiting_;
  state.stuck_since = stuck_since_;
  state.stuck = stuck_;
  state.host_pid = host_pid_;
  state.recycling = recycling_;
  state.held = held_;
  state.recycled = recycled_;
  state.recycled_why = recycled_why_;
  state.first_usage = first_usage_;
  state.cpu_before = cpu_before_;
  state.received_before = received_before_;
  state.cpu = cpu_;
  state.output_dropped = output_dropped_;
  state.failure = failure_;
  state.last_cause = last_cause_;
  state.spawned = spawned_;
  state.latest = latest_;
  state.last_took = last_took_;
  state.readings = readings_;
  state.gaps = gaps_;
  return state;
}

void Instance::thaw(InstanceState&& state, Ns away) {
  supervisor_.restore(state.supervisor);
  asked_ = state.asked;
  if (state.schedule) schedule_.emplace(config_.interval, *state.schedule);
  const auto kept = [this](std::optional<StoredPlugin>& version) -> PluginVersion {
    return version ? context_.keep_version(std::move(*version)) : nullptr;
  };
  version_ = kept(state.version);
  next_ = kept(state.next);
  ran_ = kept(state.ran);
  before_ = kept(state.before);
  pinned_ = kept(state.pinned);
  refused_ = state.refused;
  described_ = std::move(state.described);
  needs_ = std::move(state.needs);
  surplus_ = std::move(state.surplus);
  polls_sent_ = state.polls_sent;
  plugin_pid_ = state.plugin_pid;
  waiting_ = state.waiting;
  stuck_since_ = state.stuck_since;
  stuck_ = std::move(state.stuck);
  host_pid_ = state.host_pid;
  recycling_ = state.recycling;
  held_ = state.held;
  recycled_ = state.recycled;
  recycled_why_ = std::move(state.recycled_why);
  first_usage_ = state.first_usage;
  cpu_before_ = state.cpu_before;
  received_before_ = state.received_before;
  cpu_ = state.cpu;
  output_dropped_ = state.output_dropped;
  failure_ = std::move(state.failure);
  last_cause_ = std::move(state.last_cause);
  spawned_ = state.spawned;
  latest_ = std::move(state.latest);
  last_took_ = state.last_took;
  readings_ = state.readings;
  gaps_ = state.gaps;
  if (state.phase_due != 0) {
    const Ns left = state.phase_due - context_.loop.clock().boot();
    arm(std::max<Ns>(left, 0), state.phase_event);
  }
  const Verdict fault = recorder_.restore(state.recorder, described_);
  if (state.host) thaw_host(state, away);
  if (state.host && fault) condemn(*fault, PluginEvent::overrun);
  note_foreign_state();
  context_.loop.after(0, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) settle_versions();
  });
  if (schedule_) look();
}

// The poll's answer may wait unread by now, or, where it is long, to be taken in: its deadline
// moves by the time that nobody did.
void Instance::thaw_host(const InstanceState& state, Ns away) {
  process_ = HostProcess::adopt(context_.loop, *state.host, host_handlers());
  context_.fence->started(config_.name, process_->pid());
  if (state.host->killed) context_.fence->hold(config_.name, process_->pid());
  flight_ = state.flight;
  if (flight_) {
    flight_->deadline += away;
    poll_timer_ = context_.loop.at(flight_->deadline, [this] {
      poll_timer_ = 0;
      over_deadline();
    });
  }
  watch_usage(kBusyLook);
}

}  // namespace tallyman::agent
