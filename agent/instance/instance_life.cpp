// The life of an instance's host: what comes from it, and what the supervisor's table says to do.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"
#include "agent/instance/plugin_files.hpp"
#include "app/log.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {

using wire::Cause;

// ---- frames -------------------------------------------------------------------------------------

void Instance::on_frame(FromHost& frame) {
  Verdict fault = within_bytes();
  if (!fault) fault = std::visit([this](auto& body) { return on(body); }, frame);
  if (fault) condemn(*fault, PluginEvent::garbage);
}

Verdict Instance::on(Described& described) {
  if (told_to_stop()) return {};
  if (described_ || supervisor_.phase() != PluginPhase::starting) {
    return Fault{Cause::protocol, "a second declaration"};
  }
  if (Verdict fault = recorder_.described(described, definition_for(described, *version_))) {
    refuse(fault->why);
    return {};
  }
  if (!admit(described)) return {};
  process_->send(configuration(described));
  described_ = std::move(described);
  return {};
}

Configure Instance::configuration(const Described& described) const {
  Configure configure;
  configure.options = config_.options;
  if (described.state_version == 0) return configure;
  for (PluginState& state : context_.spool.states()) {
    if (state.instance != config_.name) continue;
    configure.state_version = state.version;
    configure.state = std::move(state.bytes);
  }
  // What waits to be written is newer: what the plugin read then will be in the spool with it.
  if (state_) {
    configure.state_version = state_->version;
    configure.state = state_->bytes;
  }
  return configure;
}

wire::InstanceDef Instance::definition_for(const Described& described,
                                           const StoredPlugin& version) const {
  return {config_.name, described.name, described.version, version.digest, config_.interval};
}

Verdict Instance::on(Created& created) {
  if (told_to_stop()) return {};
  if (supervisor_.phase() != PluginPhase::starting) {
    return Fault{Cause::protocol, "an answer to nothing that was asked"};
  }
  if (created.status == CallStatus::ok && described_) {
    if (!created.why.empty()) log::warning("plugin {}: {}", config_.name, created.why);
    note_foreign_state();
    take(PluginEvent::ready);
    return {};
  }
  std::string why = created.why.empty() ? "the plugin gave no reason" : created.why;
  if (created.status == CallStatus::bad_config) {
    refuse(why);
    return {};
  }
  return blame({Cause::error, "it could not be created: " + why});
}

Verdict Instance::on(Define& define) {
  if (!polls_itself()) return Fault{Cause::protocol, "a definition outside a poll"};
  return recorder_.define(define);
}

Verdict Instance::on(Readings& readings) {
  if (!polls_itself()) return Fault{Cause::protocol, "readings outside a poll"};
  if (Verdict over = within_readings(readings.values.size())) return over;
  return recorder_.readings(readings);
}

Verdict Instance::on(PartGap& part) {
  if (!polls_itself()) return Fault{Cause::protocol, "a gap outside a poll"};
  return recorder_.part(std::move(part));
}

Verdict Instance::on(State& state) {
  if (!polls_itself()) return Fault{Cause::protocol, "a state outside a poll"};
  return recorder_.state(std::move(state));
}

// ---- the table's events and actions -------------------------------------------------------------

void Instance::condemn(const Fault& fault, PluginEvent event) {
  note_failure(fault.cause, fault.why);
  recorder_.abandon();
  const std::optional<Flight> flight = end_own_flight();
  if (flight) gap(flight->scheduled, flight->scheduled, fault.cause, fault.why);
  take(event);
  settle();
  poll_waiting();
}

void Instance::refuse(const std::string& why) {
  refused_ = true;
  note_failure(Cause::refused, why);
  take(PluginEvent::refuse);
}

void Instance::on_ended(const Ended& ended) {
  if (waiting_) {
    forget_host();
    return spawn();
  }
  PluginPhase phase = supervisor_.phase();
  bool unasked = phase == PluginPhase::starting || phase == PluginPhase::running;
  const std::optional<Flight> flight = end_own_flight();
  recorder_.abandon();
  forget_host();
  if (unasked) {
    const std::string memory = died_of_memory(config_.limits, ended.peak, ended.words);
    if (memory.empty()) note_failure(Cause::crash, ended.words);
    if (!memory.empty()) note_failure(Cause::limit, memory);
  }
  if (flight) gap(flight->scheduled, flight->scheduled, failure_.cause, failure_.why);
  take(PluginEvent::exit, ended.clean);
  settle();
  go_on_with_successor();
  poll_waiting();
}

// That of a successor goes on.
std::optional<Flight> Instance::end_own_flight() {
  if (!polls_itself()) return std::nullopt;
  context_.loop.cancel(std::exchange(poll_timer_, 0));
  return std::exchange(flight_, std::nullopt);
}

void Instance::take(PluginEvent event, bool clean) {
  PluginPhase before = supervisor_.phase();
  bool blemished = supervisor_.blemished();
  PluginAction action = supervisor_.take(event, context_.loop.clock().boot(), clean);
  PluginPhase after = supervisor_.phase();
  bool counts = event == PluginEvent::exit || event == PluginEvent::reset ||
                (after == PluginPhase::overdue && before != after);
  if (counts && (blemished || supervisor_.blemished())) context_.remembered(*this);
  if (before != after) {
    std::string what = phase_name(after);
    if (after == PluginPhase::backoff || after == PluginPhase::failed ||
        after == PluginPhase::quarantined) {
      what += ": " + failure_.why + "; next try in " +
              to_duration_text(supervisor_.delay() / kMillisecond * kMillisecond);
    }
    if (is_unkillable(after)) what += ": " + note_stuck(!is_unkillable(before));
    if (after == PluginPhase::ended) what += ": " + failure_.why + "; it is not started again";
    context_.event(*this, what);
  }
  if (before == PluginPhase::starting && after != PluginPhase::running) give_up_held();
  if (after != PluginPhase::starting) waiting_ = false;
  const bool stays = after == PluginPhase::stopping || after == PluginPhase::restarting ||
                     after == PluginPhase::quarantined || after == PluginPhase::disabled ||
                     (after == PluginPhase::ended && !(flight_ && flight_->trial));
  if (before != after && stays) drop_successor();
  auto cancel = [this] { context_.loop.cancel(std::exchange(phase_timer_, 0)); };
  switch (action) {
    case PluginAction::none:
      return;
    case PluginAction::spawn:
      return spawn();
    case PluginAction::admit:
      cancel();
      watch_usage(0);
      begin();
      poll_held();
      return settle_versions();
    case PluginAction::kill:
      kill_host();
      return arm(context_.kill_deadline, PluginEvent::stuck);
    case PluginAction::ask:
      if (process_) process_->send(Stop{});
      return arm(context_.stop_deadline, PluginEvent::timer);
    case PluginAction::wait:
    case PluginAction::probe:
      return arm(supervisor_.delay(), PluginEvent::timer);
    case PluginAction::drop:
      kill_host();
      return arm(supervisor_.delay(), PluginEvent::timer);
    case PluginAction::rest:
      cancel();
      process_.reset();
      return settle_versions();
    case PluginAction::fence:
      cancel();
      return fenced();
  }
}

void Instance::arm(Ns delay, PluginEvent event) {
  context_.loop.cancel(phase_timer_);
  phase_due_ = context_.loop.clock().boot() + delay;
  phase_event_ = event;
  phase_timer_ = context_.loop.at(phase_due_, [this, event] {
    phase_timer_ = 0;
    if (event == PluginEvent::timer && supervisor_.phase() == PluginPhase::starting) {
      return condemn({Cause::hang, "not ready within " + to_duration_text(context_.start_deadline)},
                     PluginEvent::overrun);
    }
    take(event);
  });
}

void Instance::spawn() {
  if (must_wait()) return;
  described_.reset();
  if (heir_) return start_heir(*std::exchange(heir_, std::nullopt));
  Result<PluginVersion> version = choose_version();
  if (!version) return refuse(version.error().text());
  run_version(*version);
  spawned_ = context_.loop.clock().boot();
  auto process = start_host(*version_, host_handlers());
  if (!process) {
    note_failure(Cause::crash, process.error().text());
    return take(PluginEvent::exit);
  }
  process_ = std::move(*process);
  begin_process();
  arm(context_.start_deadline, PluginEvent::timer);
}

Result<std::unique_ptr<HostProcess>> Instance::start_host(const StoredPlugin& version,
                                                          HostProcess::Handlers handlers) {
  Result<Confinement> confined = confinement(version);
  if (!confined) return confined.error();
  auto process = HostProcess::start(context_.loop, context_.plugin_host, {version.path},
                                    config_.limits, std::move(*confined), std::move(handlers));
  if (process) context_.fence->started(config_.name, (*process)->pid());
  return process;
}

HostProcess::Handlers Instance::host_handlers() {
  HostProcess::Handlers handlers;
  handlers.frame = [this](FromHost& frame) { on_frame(frame); };
  handlers.garbage = [this](const Error& error) {
    condemn({Cause::protocol, "garbage on its descriptor: " + error.text()}, PluginEvent::garbage);
  };
  handlers.printed = [this](const std::string& line) { on_printed(line); };
  handlers.ended = [this](const Ended& ended) { on_ended(ended); };
  return handlers;
}

// What was measured was another process's.
void Instance::begin_process() {
  host_pid_ = process_->pid();
  first_usage_.reset();
  cpu_ = cpu_before_ = 0;
  received_before_ = 0;
  plugin_pid_ = 0;
  watch_usage(kBusyLook);
}

}  // namespace tallyman::agent
