// An operator's decisions about plugin instances: checked, made durable, then heeded.

#include <utility>

#include "agent/agent.hpp"
#include "app/log.hpp"

namespace tallyman::agent {

void Agent::open_steering() {
  steering_ = std::make_unique<SteeringFile>(loop_, real_files(),
                                             config_.state_directory + "/plugins.state");
  if (!steering_->trouble().empty()) log::error("{}", steering_->trouble());
  // Decisions about what is not configured now stand until it is again; counts do not.
  std::set<std::string> unknown;
  for (const auto& entry : steering_->table()) unknown.insert(entry.first);
  for (const InstanceConfig& instance : config_.instances) unknown.erase(instance.name);
  for (const PluginFile& file : available_plugins(config_)) unknown.erase(file.name);
  for (const std::string& name : unknown) steering_->of(name).record.reset();
}

Status Agent::check_steerable(const Request& request) const {
  const std::string& name = request.plugin;
  if (stopping_) return Error{"the agent is stopping", "agent", "start it again"};
  if (auto found = instances_.find(name); found != instances_.end()) {
    const auto& disabled = found->second->disabled();
    const bool to_run = request.command == Request::Command::plugin_restart ||
                        request.command == Request::Command::plugin_reset ||
                        request.command == Request::Command::plugin_rollback;
    if (!disabled || !to_run) return {};
    return Error{"`" + name + "` is disabled by " + disabled->who + ": " + disabled->why, "agent",
                 "`tallyman plugin enable " + name + "` first"};
  }
  std::string there;
  for (const InstanceConfig& instance : config_.instances) {
    if (instance.name == name) {
      return Error{"`" + name + "` is switched off by its configuration", instance.file,
                   "set enabled = true there, and send the agent SIGHUP"};
    }
    there += (there.empty() ? "" : ", ") + instance.name;
  }
  return Error{"no plugin instance `" + name.substr(0, 64) + "` is configured", "agent",
               there.empty() ? "there is none: put one into plugins.d" : "there are: " + there};
}

Status Agent::check_room(const std::string& name) const {
  std::size_t others = 0;
  for (const auto& [other, steering] : steering_->table()) {
    if (other != name && !steering.empty()) others++;
  }
  if (others < kMaxSteered) return {};
  return Error{"decisions about too many instances are kept already", "agent",
               "at most " + std::to_string(kMaxSteered) + ": enable what is disabled in vain"};
}

void Agent::steer(const Request& request, const std::string& user, const Done& done) {
  const std::string& name = request.plugin;
  if (Status fit = check_steerable(request); !fit.ok()) return done(fit);
  if (deciding_.contains(name)) {
    return done(Error{"another decision about `" + name + "` is on its way", "agent",
                      "try again when it is made"});
  }
  Instance& instance = *instances_.at(name);
  if (request.command == Request::Command::plugin_disable) {
    if (Status fit = check_room(name); !fit.ok()) return done(fit);
    return decide(name, Disabled{user, request.why, loop_.clock().wall()}, done);
  }
  if (request.command == Request::Command::plugin_enable) {
    if (!instance.disabled()) return done({});
    event(name, "enabled by " + user);
    return decide(name, std::nullopt, done);
  }
  if (request.command == Request::Command::plugin_rollback) {
    return roll_back(instance, user, request.why, done);
  }
  const bool restart = request.command == Request::Command::plugin_restart;
  event(name, std::string(restart ? "restart" : "reset") + " asked for by " + user);
  if (restart) {
    instance.restart();
  } else {
    instance.reset();
  }
  done({});
}

// Nothing is heeded before it is durable; what could not be made durable never was decided.
void Agent::decide(const std::string& name, std::optional<Disabled> decision, const Done& done) {
  deciding_.insert(name);
  auto before = std::exchange(steering_->of(name).disabled, std::move(decision));
  steering_->save([this, name, before = std::move(before), done](const Status& saved) {
    deciding_.erase(name);
    if (!saved.ok()) {
      steering_->of(name).disabled = before;
      steering_->save([](const Status&) {});
    }
    heed(name);
    done(saved);
  });
}

void Agent::heed(const std::string& name) {
  auto found = instances_.find(name);
  if (found == instances_.end() || stopping_) return;
  Instance& instance = *found->second;
  const std::optional<Disabled>& decision = steering_->of(name).disabled;
  if (decision == instance.disabled()) return;
  if (!decision) return instance.enable();
  event(name, "disabled by " + decision->who + ": " + decision->why);
  instance.disable(*decision);
}

void Agent::roll_back(const Instance& instance, const std::string& user, const std::string& why,
                      const Done& done) {
  const std::string& name = instance.config().name;
  if (!instance.before()) {
    return done(Error{"there is no version of `" + name + "` before this one", "agent",
                      "place the file of the one that is to run"});
  }
  if (Status fit = check_room(name); !fit.ok()) return done(fit);
  const std::string reason = why.empty() ? "no reason given" : why;
  std::optional<Pin> pin = instance.pin_for_rollback(user, reason, loop_.clock().wall());
  event(name, "rollback asked for by " + user + ": " + reason);
  deciding_.insert(name);
  auto before = std::exchange(steering_->of(name).pin, pin);
  steering_->save([this, name, pin, before = std::move(before), done](const Status& saved) {
    deciding_.erase(name);
    auto found = instances_.find(name);
    if (!saved.ok()) {
      steering_->of(name).pin = before;
      steering_->save([](const Status&) {});
    } else if (found != instances_.end() && found->second->before() && !stopping_) {
      found->second->roll_back(pin);
    }
    done(saved);
  });
}

void Agent::remember(const Instance& instance) {
  auto found = instances_.find(instance.config().name);
  if (found == instances_.end() || found->second.get() != &instance) return;
  if (!check_room(found->first).ok()) return;  // decisions go first
  instance.remember(steering_->of(found->first));
  steering_->save([name = found->first](const Status& saved) {
    if (!saved.ok())
      log::warning("plugin {}: its failures and versions are not kept: {}", name,
                   saved.error().text());
  });
}

}  // namespace tallyman::agent
