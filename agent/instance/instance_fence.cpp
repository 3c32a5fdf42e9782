// One process of an instance at a time, also where the kernel does not let go of the one before.

#include <utility>

#include "agent/instance/instance.hpp"
#include "agent/instance/kernel_wait.hpp"
#include "app/log.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {

bool Instance::must_wait() {
  const bool own = process_ && process_->alive();
  if (own) kill_host();
  if (!own) process_.reset();
  waiting_ = own || context_.fence->in_the_way(config_.name) != 0;
  if (waiting_) arm(context_.kill_deadline, PluginEvent::stuck);
  return waiting_;
}

void Instance::way_cleared() {
  // Its own process tells itself when it has ended.
  if (process_ || context_.fence->in_the_way(config_.name) != 0) return;
  if (waiting_) return spawn();
  if (told_to_stop() || is_unkillable(supervisor_.phase())) take(PluginEvent::exit);
}

void Instance::kill_host() {
  context_.loop.cancel(std::exchange(usage_timer_, 0));
  if (!process_ || !process_->alive()) return;
  process_->kill();
  context_.fence->hold(config_.name, process_->pid());
}

void Instance::forget_host() {
  context_.fence->ended(std::exchange(host_pid_, 0));
  output_dropped_ += process_->output_dropped();
  process_.reset();
  plugin_pid_ = 0;
  context_.loop.cancel(std::exchange(usage_timer_, 0));
}

void Instance::fenced() {
  begin();
  if (!stopped_) return;
  log::warning("plugin {}: {}; it is left to whoever inherits it", config_.name, stuck_);
  context_.loop.after(0, std::exchange(stopped_, nullptr));
}

const std::string& Instance::note_stuck(bool first) {
  if (!first) return stuck_;
  stuck_since_ = context_.loop.clock().wall();
  return stuck_ = stuck_words();
}

std::string Instance::stuck_words() const {
  pid_t leader = process_ && process_->alive() ? process_->pid() : 0;
  if (leader == 0) leader = context_.fence->in_the_way(config_.name);
  const std::optional<KernelWait> wait = kernel_wait(leader);
  std::string out = "process " + std::to_string(wait ? wait->pid : leader) +
                    " was killed and has not ended at " + to_rfc3339_short(stuck_since_);
  return wait ? out + ": " + wait->words : out;
}

}  // namespace tallyman::agent
