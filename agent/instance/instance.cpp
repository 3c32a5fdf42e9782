#include "agent/instance/instance.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "agent/instance/plugin_files.hpp"
#include "app/log.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

using wire::Cause;

std::uint64_t seed_of(const std::string& agent, const std::string& instance) {
  Hash hash = hash_of(as_bytes(agent + "/" + instance));
  std::uint64_t seed = 0;
  for (std::size_t i = 0; i < 8; i++) seed = seed << 8U | hash[i];
  return seed;
}

std::string disabled_words(const Disabled& disabled) {
  return "disabled by " + disabled.who + ": " + disabled.why;
}

std::string failure_words(const Fault& fault) {
  return std::string(wire::cause_name(fault.cause)) + ": " + fault.why;
}

}  // namespace

Instance::Instance(InstanceContext& context, InstanceConfig config, InstancePast past)
    : context_(context),
      config_(std::move(config)),
      supervisor_(context.supervisor, config_.restart, seed_of(context.agent, config_.name)),
      covered_(past.covered),
      since_(past.since),
      since_why_(std::move(past.why)),
      disabled_(std::move(past.steering.disabled)),
      recorder_(context.spool.dictionary(), context.agent, config_.name),
      retired_(context.loop, retired_handlers()),
      successor_(context.loop, context.spool.dictionary(), context.agent, config_, retired_,
                 context.start_deadline, successor_handlers()) {
  wire::InstanceDef definition = past.known.value_or(
      wire::InstanceDef{config_.name, plugin_name(config_.plugin), "", kNoHash, 0});
  definition.interval = config_.interval;
  recorder_.adopt(definition);
  recall_versions(past);
  if (!past.steering.record) return;
  const Clock& clock = context_.loop.clock();
  supervisor_.recall(past.steering.record->counts, clock.wall(), clock.boot());
  if (!supervisor_.blemished()) return;
  failure_ = past.steering.record->last;
  last_cause_ = failure_words(failure_);
}

Instance::~Instance() {
  for (app::TimerId timer : {look_timer_, poll_timer_, phase_timer_, usage_timer_})
    context_.loop.cancel(timer);
}

void Instance::start() {
  take(disabled_ ? PluginEvent::disable : PluginEvent::enable);
  if (supervisor_.phase() != PluginPhase::starting) begin();
}

// Nothing is expected of an instance before it was ready or failed for the first time: what it was
// known to do before is then continued by a gap.
void Instance::begin() {
  if (schedule_ || stopping_) return;
  const Clock& clock = context_.loop.clock();
  schedule_.emplace(config_.interval, clock.wall(), clock.boot(), covered_);
  Ns from = next_instant(covered_, config_.interval);
  Ns to = schedule_->next() - config_.interval;
  if (covered_ != 0 && from <= to) {
    std::string why = "the instance was not configured";
    if (since_ == Cause::agent_down) why = "the agent was not running";
    if (since_ == Cause::starting) why = "started anew with a changed configuration";
    if (!since_why_.empty()) why = since_why_;
    if (disabled_ && disabled_->when <= from) {
      gap(from, to, Cause::disabled, disabled_words(*disabled_));
    } else {
      gap(from, to, since_, why);
    }
  }
  look();
}

void Instance::stop(std::function<void()> stopped) {
  stopping_ = true;
  stopped_ = std::move(stopped);
  context_.loop.cancel(std::exchange(look_timer_, 0));
  ask(PluginEvent::disable);
}

Ns Instance::unaccounted() const {
  if (flight_) return flight_->scheduled;
  if (held_) return held_->scheduled;
  if (schedule_) return schedule_->next();
  return covered_ != 0 ? next_instant(covered_, config_.interval) : std::numeric_limits<Ns>::max();
}

Ns Instance::next_due() const {
  return schedule_ ? schedule_->next() : std::numeric_limits<Ns>::max();
}

// ---- polls --------------------------------------------------------------------------------------

void Instance::look() {
  const Clock& clock = context_.loop.clock();
  Ns wall = clock.wall();
  Due due = schedule_->look(wall, clock.boot());
  if (due.missed) {
    std::string length = to_duration_text(due.missed->to - due.missed->from + config_.interval);
    if (due.missed->clock) {
      gap(due.missed->from, due.missed->to, Cause::clock, "the wall clock stepped over " + length);
    } else {
      gap(due.missed->from, due.missed->to, Cause::agent_down,
          "the agent was held up for " + length);
    }
  }
  if (due.poll) begin_poll(*due.poll, wall, due.stepped);
  // A step of the wall clock moves the instants: look again before long.
  look_timer_ = context_.loop.after(std::min(due.wait, kSecond), [this] { look(); });
}

void Instance::begin_poll(Ns instant, Ns wall, bool stepped) {
  if (recycling_) {
    if (held_) gap(held_->scheduled, held_->scheduled, Cause::starting, "being started anew");
    held_ = HeldPoll{instant, stepped};
    return;
  }
  if (flight_ && flight_->trial) end_trial_unpolled();
  if (supervisor_.phase() != PluginPhase::running) {
    gap_for_phase(instant);
    return;
  }
  const Ns boot = context_.loop.clock().boot();
  // Sent late, or held up by an exec, it still has its time: this instant is polled after it.
  if (flight_ && flight_->deadline > boot) {
    if (held_) gap(held_->scheduled, held_->scheduled, Cause::agent_down, "the agent was held up");
    held_ = HeldPoll{instant, stepped};
    return;
  }
  if (flight_) over_deadline();
  if (flight_ || supervisor_.phase() != PluginPhase::running) {
    gap_for_phase(instant);
    return;
  }
  const Ns late = std::max<Ns>(wall - instant, 0);
  if (begin_trial(instant, late, stepped)) return;
  begin_flight({++polls_sent_, instant, boot, boot + config_.deadline, late, stepped, false});
}

void Instance::begin_flight(const Flight& flight) {
  flight_ = flight;
  received_before_ = process_->received();
  process_->send(PollRequest{flight.number, flight.scheduled, flight.deadline});
  cpu_before_ = cpu_;
  watch_usage(kBusyLook);
  poll_timer_ = context_.loop.at(flight.deadline, [this] {
    poll_timer_ = 0;
    over_deadline();
  });
}

void Instance::over_deadline() {
  if (!flight_) return;
  if (flight_->trial) return trial_over_deadline();
  // The answer may wait unread: then it was the agent that was late.
  process_->take_in();
  if (!flight_) return;
  condemn({Cause::hang, "poll over its deadline of " + to_duration_text(config_.deadline)},
          PluginEvent::overrun);
}

Verdict Instance::on(PollDone& done) {
  if (!polls_itself() || done.number != flight_->number) {
    return Fault{Cause::protocol, "the end of a poll that was not asked for"};
  }
  if (Verdict fault = check_end(done)) return fault;
  if (done.status == CallStatus::ok) return good_poll(done);
  recorder_.abandon();
  Fault fault = blame({Cause::error, done.why.empty() ? "the plugin gave no reason" : done.why});
  // An instance that calls itself broken, or has no room left, is of no further use.
  if (done.status != CallStatus::retry || fault.cause == Cause::limit) return fault;
  note_failure(fault.cause, fault.why);
  gap(flight_->scheduled, flight_->scheduled, fault.cause, fault.why);
  end_flight();
  return {};
}

Verdict Instance::check_end(const PollDone& done) const {
  if (done.ended >= flight_->boot && done.ended <= context_.loop.clock().boot()) return {};
  return Fault{Cause::protocol, "a poll that ended before it began, or has yet to"};
}

// By the host's own clock: its answer may have waited for the agent.
PollTimes Instance::times_of_flight(const PollDone& done) const {
  const Clock& clock = context_.loop.clock();
  PollTimes times;
  times.scheduled = flight_->scheduled;
  times.boot = done.ended;
  times.wall = clock.wall() - (clock.boot() - done.ended);
  times.in_time = flight_->late + times.boot - flight_->boot <= config_.deadline;
  times.stepped = flight_->stepped;
  return times;
}

Verdict Instance::good_poll(const PollDone& done) {
  RecordedPoll recorded;
  if (Verdict fault = recorder_.finish(times_of_flight(done), done.forgotten, recorded)) {
    note_failure(fault->cause, fault->why);
    gap(flight_->scheduled, flight_->scheduled, fault->cause, fault->why);
    end_flight();
    return {};
  }
  hand_in(std::move(recorded));
  return {};
}

// What the flight gave is good: into the journal with it, whoever polled.
void Instance::hand_in(RecordedPoll recorded) {
  last_took_ = recorded.poll.boot - flight_->boot;
  written_ = recorded.poll;
  for (const wire::Gap& part : recorded.gaps) context_.gapped(*this, part);
  forget_foreign_state(recorded);
  state_ = recorded.state;
  const bool saved = recorded.state.has_value();
  auto outcome = [this, alive = std::weak_ptr<bool>(alive_),
                  at = recorded.poll.scheduled](bool committed) {
    if (alive.expired()) return;
    if (state_ && state_->scheduled <= at) state_.reset();
    if (!committed) {
      recorder_.lost();
      gaps_++;
      return;
    }
    recorder_.committed();
    foreign_state_ = false;
    readings_ += written_->values.size();
    latest_ = std::exchange(written_, std::nullopt);
    context_.polled(*this, *latest_);
  };
  context_.journal.poll(std::move(recorded), std::move(outcome));
  const bool blemished = supervisor_.blemished();
  supervisor_.good_poll();
  if (blemished && !supervisor_.blemished()) context_.remembered(*this);
  watch_usage(0);
  if (saved) successor_.outdated();
  end_flight();
}

void Instance::end_flight() {
  context_.loop.cancel(std::exchange(poll_timer_, 0));
  flight_.reset();
  cpu_before_ = cpu_;
  received_before_ = process_ ? process_->received() : 0;
  settle();
  settle_versions();
  poll_waiting();
}

// What waited for a poll's end, whichever that was.
void Instance::poll_waiting() {
  if (held_ && !recycling_ && !flight_) poll_held();
}

// ---- gaps ---------------------------------------------------------------------------------------

void Instance::gap(Ns from, Ns to, Cause cause, const std::string& why) {
  wire::Gap gap{recorder_.instance(), 0, from, to, cause, why};
  if (gap.why.size() > wire::kMaxTextBytes) gap.why.resize(wire::kMaxTextBytes);
  gaps_ += static_cast<std::uint64_t>((to - from) / config_.interval + 1);
  context_.journal.gap(gap);
  context_.gapped(*this, gap);
}

void Instance::gap_for_phase(Ns instant) {
  switch (supervisor_.phase()) {
    case PluginPhase::starting:
      return gap(instant, instant, Cause::starting, "the plugin is being started");
    case PluginPhase::backoff:
      return gap(instant, instant, Cause::backoff,
                 "waiting to be started again after " + failure_words(failure_));
    case PluginPhase::failed:
      return gap(instant, instant, Cause::backoff,
                 "failed too often, last " + failure_words(failure_));
    case PluginPhase::quarantined:
      return gap(instant, instant, Cause::refused, failure_.why);
    case PluginPhase::ended:
      return gap(instant, instant, failure_.cause,
                 "ended, and is not to be started again, last " + failure_words(failure_));
    case PluginPhase::disabled:
    case PluginPhase::stopping:
      return gap(instant, instant, Cause::disabled,
                 disabled_ ? disabled_words(*disabled_) : "being stopped");
    case PluginPhase::restarting:
      return gap(instant, instant, Cause::starting, "the plugin is being restarted");
    case PluginPhase::running:
    case PluginPhase::overdue:
      return gap(instant, instant, failure_.cause, failure_.why);
    case PluginPhase::unkillable_stopping:
      if (disabled_) return gap(instant, instant, Cause::disabled, disabled_words(*disabled_));
      [[fallthrough]];
    case PluginPhase::unkillable:
    case PluginPhase::unkillable_restarting:
      return gap(instant, instant, Cause::hang, stuck_);
  }
}

void Instance::note_failure(Cause cause, const std::string& why) {
  failure_ = {cause, why};
  last_cause_ = failure_words(failure_);
  context_.event(*this, last_cause_);
  begin();
}

PluginStatus Instance::status() const {
  PluginStatus status;
  status.instance = config_.name;
  status.plugin = described_ ? described_->name : plugin_name(config_.plugin);
  status.version = described_ ? described_->version : "";
  status.file = version_ ? version_->file : "";
  PluginPhase phase = supervisor_.phase();
  status.state = phase_name(phase);
  if (phase != PluginPhase::running && !told_to_stop()) status.why = failure_.why;
  if (disabled_) {
    status.why =
        "by " + disabled_->who + " at " + to_rfc3339_short(disabled_->when) + ": " + disabled_->why;
    status.disabled = *disabled_;
  }
  if (is_unkillable(phase)) status.why = (disabled_ ? status.why + "; " : "") + stuck_words();
  status.restart = strategy_name(config_.restart);
  status.pid = process_ && process_->alive() ? process_->pid() : 0;
  if (status.pid != 0 && plugin_pid_ != 0) status.pid = plugin_pid_;
  if (status.pid == 0 && is_unkillable(phase))
    status.pid = context_.fence->in_the_way(config_.name);
  status.uptime = status.pid != 0 ? context_.loop.clock().boot() - spawned_ : 0;
  status.restarts = supervisor_.restarts();
  status.last_cause = last_cause_;
  status.last_poll = latest_ ? latest_->scheduled : 0;
  status.last_poll_took = last_took_;
  status.interval = config_.interval;
  status.deadline = config_.deadline;
  status.readings = readings_;
  status.series = latest_ ? latest_->values.size() : 0;
  status.gaps = gaps_;
  status.digest = version_ ? to_hex(version_->digest) : "";
  status.before = before_ ? to_hex(before_->digest) : "";
  status.notes = notes();
  const bool pid_namespace = process_ && process_->pid_namespace();
  if (process_) {
    status.isolation = isolation_text(config_.limits, pid_namespace, process_->confined().words,
                                      process_->confined().weaker);
  }
  if (const KnownNeeds* known = version_ ? known_needs(version_->digest) : nullptr) {
    status.needs = known->needs;
  }
  status.grants = config_.grants;
  return status;
}

// ---- log ----------------------------------------------------------------------------------------

Verdict Instance::on(LogLine& line) {
  Ns second = context_.loop.clock().boot() / kSecond;
  if (second != log_second_) {
    if (log_lines_ > config_.limits.log_lines) {
      log::warning("plugin {}: {} more lines in a second were dropped", config_.name,
                   log_lines_ - config_.limits.log_lines);
    }
    log_second_ = second;
    log_lines_ = 0;
  }
  if (++log_lines_ > config_.limits.log_lines) return {};
  auto level = static_cast<log::Level>(std::min<std::uint8_t>(line.level, 3));
  if (log::enabled(level)) {
    if (line.text.size() > wire::kMaxTextBytes) line.text.resize(wire::kMaxTextBytes);
    log::write(level, "plugin " + config_.name + ": " + line.text);
  }
  return {};
}

}  // namespace tallyman::agent
