// An operator's wishes: when they are heeded, and what of an instance outlives the agent.

#include <algorithm>
#include <utility>

#include "agent/instance/instance.hpp"

namespace tallyman::agent {
namespace {

/// A host that must be ready again for a poll is not restarted less than this, or half an interval,
/// before it.
constexpr Ns kRestartRoom = 2 * kSecond;

}  // namespace

void Instance::disable(Disabled by) {
  disabled_ = std::move(by);
  begin();
  ask(PluginEvent::disable);
}

void Instance::enable() {
  disabled_.reset();
  if (std::exchange(asked_, std::nullopt) == PluginEvent::disable) return;
  take(PluginEvent::enable);
}

void Instance::restart() {
  if (try_refused_again()) return;
  const Ns room = std::min(kRestartRoom, config_.interval / 2);
  const bool soon = schedule_ && schedule_->next() - context_.loop.clock().wall() < room;
  if (supervisor_.phase() == PluginPhase::running && soon) {
    asked_ = PluginEvent::restart;
  } else {
    ask(PluginEvent::restart);
  }
}

void Instance::reset() { take(PluginEvent::reset); }

void Instance::remember(Steering& steering) const {
  steering.record.reset();
  const Clock& clock = context_.loop.clock();
  if (supervisor_.blemished()) {
    steering.record = Record{supervisor_.memory(clock.wall(), clock.boot()), failure_};
  }
  steering.before = before_ ? before_->digest : kNoHash;
  steering.pin = pin_;
}

void Instance::ask(PluginEvent event) {
  asked_ = event;
  if (!flight_) settle();
}

void Instance::settle() {
  if (asked_) take(*std::exchange(asked_, std::nullopt));
}

bool Instance::told_to_stop() const {
  return supervisor_.phase() == PluginPhase::stopping ||
         supervisor_.phase() == PluginPhase::restarting;
}

}  // namespace tallyman::agent
