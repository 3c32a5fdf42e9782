// The agent before and after an exec of its new program: what is handed over, and what becomes of
// it.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/agent.hpp"
#include "agent/reexec/handover.hpp"
#include "agent/spool/segment.hpp"
#include "app/log.hpp"

namespace tallyman::agent {
namespace {

/// An exec takes less than this, but for a slow disk; so long before a poll it is not begun.
constexpr Ns kCalm = 250 * kMillisecond;

}  // namespace

void Agent::open_reexec() {
  std::vector<std::string> arguments{"--config", config_.file};
  if (!defaults_.socket.empty()) arguments.insert(arguments.end(), {"--socket", defaults_.socket});
  Reexec::Handlers handlers;
  handlers.prepare = [this] {
    journal_->write_out();
    journal_->hold_write_outs(true);
  };
  handlers.go_on = [this] { journal_->hold_write_outs(false); };
  handlers.hindrance = [this] { return hindrance(); };
  handlers.writing = [this] { return journal_->writes_out(); };
  handlers.calm = [this] { return calm(); };
  handlers.freeze = [this](bool last) { return freeze(last); };
  reexec_ =
      std::make_unique<Reexec>(loop_, own_program(), std::move(arguments), std::move(handlers));
}

void Agent::replace(std::shared_ptr<app::ControlSession> asker) {
  if (stopping_ || reexec_->under_way()) {
    const Error error{stopping_ ? "the agent is stopping" : "a re-exec is under way already",
                      "agent", stopping_ ? "start it again" : "wait for it"};
    log::warning("re-exec: {}", error.what);
    if (asker) asker->fail(error);
    return;
  }
  asker_ = std::move(asker);
  event("", "re-exec asked for by " + (asker_ ? asker_->peer().user : "a signal"));
  reexec_->begin([this](const Error& error) {
    log::error("re-exec: {}", error.text());
    event("", "re-exec: " + error.text());
    if (const auto waits = std::exchange(asker_, nullptr)) waits->fail(error);
  });
}

std::string Agent::hindrance() const {
  if (stopping_) return "the agent is stopping";
  if (!leaving_.empty()) return "`" + leaving_.front()->config().name + "` is still being ended";
  if (!deciding_.empty() || !steering_->idle()) return "a decision is being made durable";
  for (const auto& [name, instance] : instances_) {
    if (instance->changes_over()) return "another version of `" + name + "` is taking over";
  }
  if (!drop_ins_->idle() || !plugins_->idle()) return "a plugin is being examined";
  return {};
}

bool Agent::calm() const {
  const Ns wall = loop_.clock().wall();
  return std::all_of(instances_.begin(), instances_.end(), [wall](const auto& entry) {
    const Instance& instance = *entry.second;
    const Ns room = std::min(instance.config().interval / 4 * 3, kCalm);
    return instance.next_due() - wall >= room;
  });
}

// What waits is written first: then the instances' numbers stand in the spool, and nothing but them
// is to be carried.
Result<AgentState> Agent::freeze(bool last) {
  if (Status written = journal_->hand_over(last); !written.ok()) return written.error();
  AgentState state;
  state.program = TALLYMAN_VERSION;
  state.agent = config_.agent;
  state.spool_directory = config_.spool.directory;
  state.socket = config_.socket;
  state.incarnation = spool_->incarnation();
  state.started = started_;
  state.frozen = loop_.clock().boot();
  state.reexecs = reexecs_;
  state.lock = descriptor_of(config_.spool.directory + "/lock");
  if (!journal_->writes_out()) state.spool = spool_->save();
  if (state.spool) {
    const std::string newest = segment_name(state.spool->segments.back().first);
    state.segment = descriptor_of(config_.spool.directory + "/" + newest);
    state.durable_definitions = journal_->durable_definitions();
  }
  for (const auto& [name, retired] : retired_) state.retired[name] = retired.gap;
  state.listener = desk_->listener();
  state.asker = asker_ ? asker_->descriptor() : -1;
  for (const auto& [name, instance] : instances_) {
    if (last) instance->put_off_change();
    state.instances.push_back(instance->freeze());
  }
  return state;
}

// As the former program left it; where that cannot be, as a recovery finds it.
Result<std::unique_ptr<Spool>> Agent::open_spool(AgentState* former, const wire::BootId& boot) {
  if (former != nullptr) {
    const Fd segment(former->segment);  // until it is opened again
    Fd lock(former->lock);
    if (former->spool && lock.valid()) {
      fcntl(lock.get(), F_SETFD, FD_CLOEXEC);
      auto resumed = Spool::resume(config_.spool, config_.agent, boot, loop_.clock(),
                                   std::move(*former->spool), std::move(lock));
      if (resumed) return resumed;
      log::warning("re-exec: {}: the spool is recovered", resumed.error().text());
    }
    former->durable_definitions.reset();
  }
  return Spool::open(config_.spool, config_.agent, boot, loop_.clock());
}

// Hosts that nobody goes on with, such as one that was killed and waits in the kernel: as before
// they are in their instances' way, and somebody must reap them.
void Agent::hold_others(const AgentState& former) {
  for (const Fence::Entry& left : fence_->hosts()) {
    const auto is_it = [&](const InstanceState& state) {
      return state.host && state.host->pid == left.pid;
    };
    if (std::any_of(former.instances.begin(), former.instances.end(), is_it)) continue;
    HostState host;
    host.pid = left.pid;
    host.exit_notice = static_cast<int>(syscall(SYS_pidfd_open, left.pid, 0U));
    if (host.exit_notice < 0) continue;
    fence_->hold(left.instance, left.pid);
    HostProcess::adopt(loop_, host, {});
  }
}

void Agent::take_over(AgentState& former) {
  starting_ = false;
  started_ = former.started;
  reexecs_ = former.reexecs + 1;
  hold_others(former);
  const bool same = former.incarnation == spool_->incarnation();
  const Ns away = std::max<Ns>(loop_.clock().boot() - former.frozen, 0);
  for (const auto& [name, gap] : former.retired) {
    if (same) retire(name, gap);
  }
  for (InstanceState& state : former.instances) {
    if (same) {
      adopt(std::move(state), away);
    } else if (state.host) {
      // Its numbers mean nothing in this spool: it begins anew, and its host ends here.
      fence_->hold(state.config.name, state.host->pid);
      HostProcess::adopt(loop_, *state.host, {});
    }
  }
}

void Agent::tell_reexec(const AgentState& former) {
  ReexecOutcome outcome{TALLYMAN_VERSION, former.program, 0, 0};
  for (const auto& [name, instance] : instances_) {
    if (instance->status().pid != 0) outcome.plugins++;
  }
  outcome.took = loop_.clock().boot() - former.frozen;
  const std::string words = words_of(outcome);
  log::info("{}", words);
  event("", words);
  desk_->answer_asker(to_json(outcome));
}

void Agent::adopt(InstanceState&& state, Ns away) {
  InstancePast past;
  past.thaws = true;
  past.covered = state.covered;
  past.since = state.since;
  past.why = state.since_why;
  past.known = state.recorder.definition;
  const SteeringTable& steered = steering_->table();
  if (auto found = steered.find(state.config.name); found != steered.end()) {
    past.steering.pin = found->second.pin;
  }
  past.steering.disabled = state.disabled;
  auto instance = std::make_unique<Instance>(*context_, state.config, std::move(past));
  Instance& adopted = *instance;
  instances_[state.config.name] = std::move(instance);
  adopted.thaw(std::move(state), away);
  if (adopted.version() && is_drop_in(config_, adopted.version()->file)) {
    drop_ins_->keep(adopted.version()->file, adopted.version());
  }
}

}  // namespace tallyman::agent
