// Which plugins run: what is configured, what was dropped in, and which version of each.

#include <algorithm>
#include <utility>

#include "agent/agent.hpp"
#include "agent/instance/plugin_files.hpp"
#include "app/log.hpp"

namespace tallyman::agent {

using wire::Cause;

void Agent::open_plugins(AgentState* former) {
  if (!plugins_) {
    plugins_ = std::make_unique<PluginStore>(loop_, config_.state_directory + "/plugins");
  }
  if (drop_ins_) {
    for (const auto& entry : drop_ins_->files()) late_.insert(entry.second.name);
  }
  drop_ins_.reset();
  DropIns::Handlers handlers;
  handlers.wanted = [this](const std::string& path) { return wanted_by(path); };
  handlers.admitted = [this](const std::string& path) { on_admitted(path); };
  handlers.gone = [this](const std::string& path, const DropIn& was) { on_gone(path, was); };
  handlers.event = [this](const std::string& name, const std::string& what) { event(name, what); };
  handlers.confined = [this](const std::string& name, const std::string& path) {
    return isolation_->confine(
        {name, path, config_.plugin_host, own_user(name), Access{}, Limits{}});
  };
  drop_ins_ = std::make_unique<DropIns>(loop_, *plugins_, config_.plugin_host,
                                        config_.drop_in_directories, std::move(handlers));
  if (former != nullptr) take_over(*former);
  apply();
  starting_ = false;
}

Result<PluginVersion> Agent::version_of(const InstanceConfig& instance, const PluginVersion& had) {
  const std::string file = find_plugin(config_, instance.plugin);
  if (file.empty()) {
    // What runs is known; that its file is gone says nothing against it.
    if (had) return had;
    return Error{"no plugin file for `" + instance.plugin + "`", instance.file, ""};
  }
  if (is_drop_in(config_, file)) return drop_ins_->version_of(file);
  // A package's files change under it, one by one: it says when it is done.
  if (had && had->file == file) return had;
  return plugins_->admit(file, Trust::any);
}

std::optional<std::vector<InstanceConfig>> Agent::wanted_by(const std::string& path) {
  std::vector<InstanceConfig> wanted;
  bool named = false;
  const std::string name = plugin_name(path);
  for (const InstanceConfig& instance : config_.instances) {
    const bool runs_it = find_plugin(config_, instance.plugin) == path;
    named = named || runs_it || instance.name == name;
    if (runs_it && instance.enabled) wanted.push_back(instance);
  }
  if (!wanted.empty()) return wanted;
  if (named) return std::nullopt;
  // Of two drop-ins of one name the first folder's counts.
  for (const std::string& folder : config_.drop_in_directories) {
    const std::string first = folder + "/" + name + ".so";
    if (first == path) break;
    if (drop_ins_ && drop_ins_->files().contains(first)) return std::nullopt;
  }
  InstanceConfig unconfigured;
  unconfigured.name = name;
  unconfigured.plugin = path;
  unconfigured.user = own_user(name);
  return std::vector{unconfigured};
}

User Agent::own_user(const std::string& name) {
  std::set<uid_t> taken;
  for (const InstanceConfig& instance : config_.instances) {
    if (instance.name == name && instance.grants.user.empty()) return instance.user;
    taken.insert(instance.user.uid);
  }
  for (const auto& [other, user] : drop_in_users_) taken.insert(user.uid);
  const auto known = drop_in_users_.find(name);
  if (known != drop_in_users_.end()) return known->second;
  const std::optional<uid_t> uid = draw_uid(name, taken, config_.plugin_uids);
  if (!uid) return {};
  return drop_in_users_[name] = {*uid, *uid, {}};
}

std::map<std::string, InstanceConfig> Agent::wanted_instances() {
  std::map<std::string, InstanceConfig> wanted;
  for (const InstanceConfig& instance : config_.instances) {
    if (instance.enabled) wanted[instance.name] = instance;
  }
  for (const auto& [path, file] : drop_ins_->files()) {
    if (!file.version) continue;
    const auto by = wanted_by(path);
    if (by && by->front().file.empty()) wanted[by->front().name] = by->front();
  }
  return wanted;
}

void Agent::apply() {
  const std::map<std::string, InstanceConfig> wanted = wanted_instances();
  std::set<std::string> changed;
  for (const auto& [name, instance] : instances_) {
    const auto still = wanted.find(name);
    if (still == wanted.end() || !(still->second == instance->config())) changed.insert(name);
  }
  for (const std::string& name : changed) remove(name);
  for (const auto& [name, config] : wanted) {
    if (instances_.contains(name)) continue;
    const bool drop_in = config.file.empty();
    if (changed.contains(name)) {
      add(config, Cause::starting);
    } else if (starting_ || (drop_in && !late_.contains(name))) {
      add(config, Cause::agent_down);
    } else {
      add(config, Cause::disabled, drop_in ? "its plugin's file was not there" : "");
    }
  }
}

// What packages brought meanwhile. Read off the main thread: nobody's poll is to wait for it.
void Agent::renew_packages() {
  for (const auto& [name, instance] : instances_) {
    const std::string file = find_plugin(config_, instance->config().plugin);
    if (file.empty() || is_drop_in(config_, file)) continue;
    plugins_->admit_later(file, Trust::any,
                          [this, name = name](const Result<PluginVersion>& version) {
                            const auto found = instances_.find(name);
                            if (found == instances_.end() || stopping_) return;
                            if (version) return found->second->replace(*version);
                            event(name, "goes on with what it has: " + version.error().text());
                          });
  }
}

void Agent::on_admitted(const std::string& path) {
  if (stopping_) return;
  event(plugin_name(path), path + " is admitted");
  apply();
  const Result<PluginVersion> version = drop_ins_->version_of(path);
  for (const auto& [name, instance] : instances_) {
    if (version && find_plugin(config_, instance->config().plugin) == path) {
      instance->replace(*version);
    }
  }
}

void Agent::on_gone(const std::string& path, const DropIn& was) {
  if (stopping_) return;
  event(was.name, path + " is gone");
  late_.insert(was.name);
  const auto found = instances_.find(was.name);
  if (found != instances_.end() && found->second->config().plugin == path &&
      found->second->config().file.empty()) {
    retire(*found->second, path + " was removed");
  }
  drop_ins_->again();  // one of the same name may have stood in its shadow
  apply();
}

// What it metered does not end with its last poll, but is unknown from then on.
void Agent::retire(const Instance& instance, const std::string& why) {
  if (instance.covered() == 0) return;
  const Ns next = instance.covered() + instance.config().interval;
  const wire::DefNo number = spool_->dictionary().intern(instance.definition());
  retire(instance.config().name, wire::Gap{number, 0, next, next, Cause::disabled, why});
}

void Agent::retire(const std::string& name, const wire::Gap& gap) {
  Retired& retired = retired_[name];
  loop_.cancel(retired.timer);
  retired.gap = gap;
  retired.timer = loop_.after(0, [this, name] { end_retired(name); });
}

void Agent::end_retired(const std::string& name) {
  Retired& retired = retired_.at(name);
  const Ns left = retired.gap.from - loop_.clock().wall();
  if (left > 0) {
    retired.timer = loop_.after(std::min(left, kMinute), [this, name] { end_retired(name); });
    return;
  }
  if (!closing_) journal_->gap(retired.gap);
  covered_[name] = std::max(covered_[name], retired.gap.to);
  retired_.erase(name);
}

/// What is to be said of its file while it runs.
std::string Agent::file_note(const Instance& instance) const {
  if (!instance.version()) return {};
  const std::string& file = instance.version()->file;
  if (find_plugin(config_, instance.config().plugin).empty()) {
    return file + " is gone: it goes on with what it has";
  }
  const auto found = drop_ins_->files().find(file);
  if (found == drop_ins_->files().end() || found->second.refused.empty()) return {};
  return "another version of its file is not admitted: " + found->second.refused;
}

std::vector<PluginStatus> Agent::plugin_statuses() const {
  std::map<std::string, PluginStatus> statuses;
  for (const auto& [name, instance] : instances_) {
    PluginStatus& status = statuses[name] = instance->status();
    const std::string note = file_note(*instance);
    if (!note.empty()) status.notes += (status.notes.empty() ? "" : "; ") + note;
  }
  for (const auto& [path, file] : drop_ins_->files()) {
    if (file.refused.empty() || statuses.contains(file.name)) continue;
    PluginStatus& status = statuses[file.name];
    status.instance = status.plugin = file.name;
    status.file = path;
    status.state = phase_name(PluginPhase::quarantined);
    status.why = file.refused;
  }
  std::vector<PluginStatus> out;
  for (auto& entry : statuses) out.push_back(std::move(entry.second));
  return out;
}

std::string Agent::plugin_list() const {
  std::vector<PluginRow> rows;
  for (const PluginStatus& status : plugin_statuses()) {
    std::string why = status.why;
    if (!status.notes.empty()) why += (why.empty() ? "" : "; ") + status.notes;
    rows.push_back({status.plugin, status.instance, status.version, status.state, status.file, why,
                    status.needs, status.grants});
  }
  for (const InstanceConfig& instance : config_.instances) {
    if (instance.enabled) continue;
    rows.push_back({plugin_name(instance.plugin), instance.name, "", "disabled",
                    find_plugin(config_, instance.plugin), "by " + instance.file, std::nullopt,
                    instance.grants});
  }
  for (const PluginFile& file : available_plugins(config_)) {
    auto uses = [&](const PluginRow& row) { return row.file == file.path; };
    if (std::any_of(rows.begin(), rows.end(), uses)) continue;
    rows.push_back({file.name, "", "", "available", file.path, "", std::nullopt, std::nullopt});
  }
  return to_json(rows);
}

}  // namespace tallyman::agent
