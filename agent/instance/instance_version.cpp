// Which version of its plugin an instance runs, and how it goes over to another one.

#include <utility>

#include "agent/instance/instance.hpp"

namespace tallyman::agent {

void Instance::replace(PluginVersion version) {
  const PluginVersion& now = next_ ? next_ : version_;
  if (now && now->digest == version->digest && !refused_) return;
  next_ = std::move(version);
  switch (supervisor_.phase()) {
    case PluginPhase::starting:
    case PluginPhase::running:
      // A wish of an operator's that waits ends the process as well.
      if (asked_) return;
      asked_ = PluginEvent::recycle;
      if (supervisor_.phase() == PluginPhase::running && !flight_) settle();
      return;
    case PluginPhase::backoff:
    case PluginPhase::failed:
    case PluginPhase::quarantined:
    case PluginPhase::ended:
      return take(PluginEvent::reset);
    case PluginPhase::disabled:
    case PluginPhase::overdue:
    case PluginPhase::stopping:
    case PluginPhase::restarting:
    case PluginPhase::unkillable:
    case PluginPhase::unkillable_stopping:
    case PluginPhase::unkillable_restarting:
      return;  // the next process is of this version
  }
}

void Instance::go_over() {
  if (!next_ || stopping_ || asked_ || supervisor_.phase() != PluginPhase::running) return;
  if (flight_) {
    asked_ = PluginEvent::recycle;
  } else {
    recycle("its plugin's file changed");
  }
}

Result<PluginVersion> Instance::next_version() {
  const bool refused = std::exchange(refused_, false);
  if (next_) return std::exchange(next_, nullptr);
  return context_.version_of(config_, refused ? nullptr : version_);
}

}  // namespace tallyman::agent
