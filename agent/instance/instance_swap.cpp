// Versions of an instance's plugin: which one runs, and how another takes over from it.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"
#include "app/log.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {

using wire::Cause;

namespace {

/// No further version is tried while so many former processes have not ended.
constexpr std::size_t kMostRetired = 3;

}  // namespace

Successor::Handlers Instance::successor_handlers() {
  Successor::Handlers handlers;
  handlers.start = [this](const StoredPlugin& version, HostProcess::Handlers host) {
    return start_host(version, std::move(host));
  };
  handlers.fit = [this](const Described& described) { return fit_successor(described); };
  handlers.configuration = [this](const Described& described) { return configuration(described); };
  handlers.loaded = [this] { settle_versions(); };
  handlers.polled = [this](const PollDone& done) { return good_trial(done); };
  handlers.refused = [this](const Fault& fault) { refused_version(fault); };
  handlers.ended = [this](pid_t pid) { context_.fence->ended(pid); };
  handlers.log = [this](LogLine& line) { (void)on(line); };
  handlers.printed = [this](const std::string& line) { on_printed(line); };
  return handlers;
}

RetiredHosts::Handlers Instance::retired_handlers() {
  RetiredHosts::Handlers handlers;
  handlers.killed = [this](pid_t pid) { context_.fence->hold(config_.name, pid); };
  handlers.ended = [this](pid_t pid) {
    context_.fence->ended(pid);
    settle_versions();
  };
  return handlers;
}

// ---- which version ------------------------------------------------------------------------------

void Instance::recall_versions(const InstancePast& past) {
  pin_ = past.steering.pin;
  if (past.thaws) return;
  const auto kept = [&](const Hash& digest) {
    return digest == kNoHash ? nullptr : context_.kept(config_, digest);
  };
  before_ = kept(past.steering.before);
  if (pin_) pinned_ = kept(pin_->runs);
  if (past.known) ran_ = pin_ ? pinned_ : kept(past.known->digest);
}

// What is to be started: the plugin's file, but for one that was refused or rolled back.
Result<PluginVersion> Instance::choose_version() {
  const bool refused = std::exchange(refused_, false);
  Result<PluginVersion> found = std::exchange(next_, nullptr);
  if (!*found) found = context_.version_of(config_, refused ? nullptr : version_);
  if (!found || !pin_ || pin_->runs == (*found)->digest) return found;
  if (pin_->file != (*found)->digest) {
    unpin();
    return found;
  }
  if (pinned_) return pinned_;
  log::warning("plugin {}: of version {} no copy is left: the plugin's file is started",
               config_.name, to_hex(pin_->runs).substr(0, 8));
  return found;
}

void Instance::run_version(PluginVersion version) {
  const PluginVersion& last = version_ ? version_ : ran_;
  const bool other = last && last->digest != version->digest;
  if (other) before_ = last;
  version_ = std::move(version);
  if (other) context_.remembered(*this);
}

void Instance::unpin() {
  pin_.reset();
  pinned_.reset();
  context_.remembered(*this);
}

void Instance::replace(const PluginVersion& version) {
  if (pin_ && pin_->file == version->digest) return;
  const bool same = version_ && version_->digest == version->digest;
  if (!same || refused_) return consider(version);
  successor_.withdraw();
  next_.reset();
  if (pin_) unpin();
}

void Instance::consider(const PluginVersion& version) {
  next_ = version;
  switch (supervisor_.phase()) {
    case PluginPhase::backoff:
    case PluginPhase::failed:
    case PluginPhase::quarantined:
    case PluginPhase::ended:
      return take(PluginEvent::reset);
    case PluginPhase::running:
      return settle_versions();
    case PluginPhase::starting:
    case PluginPhase::disabled:
    case PluginPhase::overdue:
    case PluginPhase::stopping:
    case PluginPhase::restarting:
    case PluginPhase::unkillable:
    case PluginPhase::unkillable_stopping:
    case PluginPhase::unkillable_restarting:
      return;  // it takes over from what is being started, or is started next
  }
}

void Instance::take_next() {
  const bool waits = stopping_ || (flight_ && flight_->trial) || retired_.size() >= kMostRetired;
  if (!next_ || waits) return;
  const bool same = next_->digest == version_->digest ||
                    (successor_.alive() && successor_.version()->digest == next_->digest);
  if (same) return next_.reset();
  const bool proven = ran_ || latest_ || written_;
  if (!proven && flight_) return;
  context_.event(*this, "version " + version_text({}, next_->digest) + " is to take over");
  if (proven) return successor_.offer(std::exchange(next_, nullptr));
  // Nothing was ever read by what runs: there is nothing to hold the next one against.
  recycling_ = true;
  take(PluginEvent::recycle);
}

std::optional<Pin> Instance::pin_for_rollback(std::string who, std::string why, Ns when) const {
  Pin pin;
  pin.file = pin_ ? pin_->file : version_->digest;
  pin.runs = before_->digest;
  if (pin.file == pin.runs) return std::nullopt;
  pin.version = pin_ ? pin_->version : version_text(described_, version_->digest);
  pin.who = std::move(who);
  pin.why = std::move(why);
  pin.when = when;
  return pin;
}

void Instance::roll_back(std::optional<Pin> pin) {
  rollback_ = Rollback{before_, std::exchange(pin_, std::move(pin)), pinned_};
  pinned_ = pin_ ? before_ : nullptr;
  context_.remembered(*this);
  consider(before_);
}

bool Instance::try_refused_again() {
  if (supervisor_.phase() != PluginPhase::running) return false;
  if (successor_.alive()) return true;
  if (!pin_ || !pin_->refused) return false;
  const Result<PluginVersion> found = context_.version_of(config_, nullptr);
  if (!found || (*found)->digest == version_->digest) return false;
  consider(*found);
  return true;
}

// ---- the successor's way ------------------------------------------------------------------------

// No poll is under way, or something that was waited for has ended.
void Instance::settle_versions() {
  if (stopped_ && supervisor_.phase() == PluginPhase::disabled && retired_.size() == 0) {
    context_.loop.after(0, std::exchange(stopped_, nullptr));
  }
  if (supervisor_.phase() != PluginPhase::running) return;
  take_next();
  if (!flight_) successor_.free();
}

Verdict Instance::fit(const Described& described) const {
  if (Status fit = check_admission(described, config_); !fit.ok()) {
    return Fault{Cause::refused, fit.error().text()};
  }
  return {};
}

bool Instance::begin_trial(Ns instant, Ns late, bool stepped) {
  const bool in_time = late <= config_.deadline / 4;
  if (successor_.phase() != SuccessorPhase::ready || !in_time) return false;
  const Ns boot = context_.loop.clock().boot();
  const Ns deadline = boot + config_.deadline / 2 - late;
  flight_ = Flight{++polls_sent_, instant, boot, deadline, late, stepped, true};
  successor_.poll({flight_->number, instant, deadline});
  poll_timer_ = context_.loop.at(deadline, [this] {
    poll_timer_ = 0;
    over_deadline();
  });
  return true;
}

void Instance::trial_over_deadline() {
  successor_.take_in();
  if (!flight_ || !flight_->trial) return;
  const std::string why =
      "its first poll was over half the deadline of " + to_duration_text(config_.deadline);
  if (!successor_.may_try_again()) return successor_.fail({Cause::hang, why});
  context_.event(*this, "version " +
                            version_text(successor_.described(), successor_.version()->digest) +
                            " is tried again: " + why);
  fall_back();
  successor_.try_again();
}

// Another instant is due: the timer of the half deadline did not come through, so it was the agent
// that was held up, and the version has proven nothing.
void Instance::end_trial_unpolled() {
  successor_.take_in();
  if (!flight_ || !flight_->trial) return;
  context_.loop.cancel(std::exchange(poll_timer_, 0));
  const Flight trial = *std::exchange(flight_, std::nullopt);
  gap(trial.scheduled, trial.scheduled, Cause::agent_down,
      "the agent was held up while another version polled");
  const PluginVersion version = successor_.version();
  successor_.withdraw();
  consider(version);
}

Verdict Instance::good_trial(const PollDone& done) {
  const PluginPhase phase = supervisor_.phase();
  if (transition(phase, PluginEvent::replace).next != PluginPhase::running) {
    return Fault{Cause::refused, std::string("the version before it is ") + phase_name(phase)};
  }
  if (Verdict fault = check_end(done)) return fault;
  RecordedPoll recorded;
  Recorder& recorder = successor_.recorder();
  recorder.inherit(recorder_);
  recorder.adopt(definition_for(*successor_.described(), *successor_.version()));
  if (Verdict fault = recorder.finish(times_of_flight(done), done.forgotten, recorded))
    return fault;
  take_over(successor_.promote());
  hand_in(std::move(recorded));
  return {};
}

void Instance::take_over(Heir heir) {
  context_.event(*this, "version " + version_text(heir.described, heir.version->digest) +
                            " takes over from " + version_text(described_, version_->digest));
  std::unique_ptr<HostProcess> former = std::move(process_);
  if (former) output_dropped_ += former->output_dropped();
  adopt(std::move(heir));
  rollback_.reset();
  if (pin_ && pin_->runs != version_->digest) unpin();
  retired_.retire(std::move(former), context_.stop_deadline);
  take(PluginEvent::replace);
}

void Instance::adopt(Heir heir) {
  process_ = std::move(heir.process);
  process_->hand_over(host_handlers());
  spawned_ = heir.spawned;
  run_version(std::move(heir.version));
  described_ = std::move(heir.described);
  if (described_) {
    heir.recorder->adopt(definition_for(*described_, *version_));
    recorder_.take_over(std::move(*heir.recorder));
  }
  begin_process();
  note_foreign_state();
}

void Instance::refused_version(const Fault& fault) {
  const PluginVersion version = successor_.version();
  const std::string name = version_text(successor_.described(), version->digest);
  const std::string why = std::string(wire::cause_name(fault.cause)) + ": " + fault.why;
  if (flight_ && flight_->trial) fall_back();
  const bool rollback = rollback_ && rollback_->to->digest == version->digest;
  if (rollback) {
    pin_ = std::move(rollback_->pin);
    pinned_ = std::move(rollback_->pinned);
  } else {
    const Ns now = context_.loop.clock().wall();
    pin_ = Pin{version->digest, version_->digest, true, name, "", why, now};
    pinned_ = version_;
  }
  rollback_.reset();
  rollback_refused_ = rollback ? "the rollback to version " + name + " was refused: " + why : "";
  context_.event(*this, (rollback ? rollback_refused_ : "version " + name + " is refused: " + why) +
                            "; version " + version_text(described_, version_->digest) + " goes on");
  context_.remembered(*this);
  settle_versions();
}

// The other half of the deadline; all of it again where the next instant is far enough.
void Instance::fall_back() {
  context_.loop.cancel(std::exchange(poll_timer_, 0));
  const Flight trial = *std::exchange(flight_, std::nullopt);
  if (supervisor_.phase() != PluginPhase::running) {
    gap_for_phase(trial.scheduled);
    return settle();
  }
  const Ns boot = context_.loop.clock().boot();
  const Ns next = trial.boot - trial.late + config_.interval;
  const Ns rest = trial.boot + config_.deadline;
  const Ns late = trial.late + boot - trial.boot;
  const Ns deadline = std::max(rest, std::min(boot + config_.deadline, next));
  begin_flight({++polls_sent_, trial.scheduled, boot, deadline, late, trial.stepped, false});
}

// ---- the former version's end -------------------------------------------------------------------

// It ended by itself: what was to take over need not wait for it, nor for its back-off.
void Instance::go_on_with_successor() {
  const PluginPhase phase = supervisor_.phase();
  const bool waits = phase == PluginPhase::backoff || phase == PluginPhase::failed;
  if (!waits || (flight_ && flight_->trial)) return;
  heir_ = successor_.orphaned();
  if (heir_) take(PluginEvent::restart);
}

void Instance::start_heir(Heir heir) {
  const SuccessorPhase phase = heir.phase;
  context_.event(*this, "version " + version_text(heir.described, heir.version->digest) +
                            " goes on in its place");
  adopt(std::move(heir));
  if (phase == SuccessorPhase::ready) return take(PluginEvent::ready);
  if (phase == SuccessorPhase::loaded) process_->send(configuration(*described_));
  arm(context_.start_deadline, PluginEvent::timer);
}

void Instance::drop_successor() {
  if (successor_.alive() && !next_) next_ = successor_.version();
  heir_.reset();
  successor_.withdraw();
  if (!flight_ || !flight_->trial) return;
  context_.loop.cancel(std::exchange(poll_timer_, 0));
  gap_for_phase(std::exchange(flight_, std::nullopt)->scheduled);
}

bool Instance::changes_over() const { return (flight_ && flight_->trial) || retired_.size() > 0; }

void Instance::put_off_change() {
  if (successor_.alive()) drop_successor();
}

// ---- state --------------------------------------------------------------------------------------

// A version without a state leaves the one of a version before to nobody: who goes back to that
// would go on from long ago.
void Instance::note_foreign_state() {
  foreign_state_ = false;
  if (!described_ || described_->state_version != 0) return;
  for (const PluginState& state : context_.spool.states()) {
    if (state.instance == config_.name && state.version != 0) foreign_state_ = true;
  }
}

void Instance::forget_foreign_state(RecordedPoll& recorded) const {
  if (!foreign_state_ || recorded.state) return;
  recorded.state = PluginState{config_.name, 0, {}, recorded.poll.scheduled};
}

std::string Instance::swap_words() const {
  std::string out = successor_.words();
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  const std::string runs = version_ ? version_text(described_, version_->digest) : "none";
  if (pin_ && pin_->refused) {
    add("version " + pin_->version + " is refused: " + pin_->why + "; version " + runs +
        " goes on");
  } else if (pin_) {
    add("rolled back from version " + pin_->version + " to " + runs + " by " + pin_->who + " at " +
        to_rfc3339_short(pin_->when) + ": " + pin_->why);
  }
  if (!rollback_refused_.empty()) add(rollback_refused_);
  if (retired_.size() >= kMostRetired) {
    add(std::to_string(retired_.size()) + " former processes have not ended yet");
  }
  return out;
}

}  // namespace tallyman::agent
