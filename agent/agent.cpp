#include "agent/agent.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "agent/control/readings_view.hpp"
#include "agent/control/status.hpp"
#include "agent/instance/plugin_files.hpp"
#include "agent/isolation/bound.hpp"
#include "agent/isolation/guard.hpp"
#include "app/log.hpp"
#include "base/files.hpp"

namespace tallyman::agent {
namespace {

// On the way out: polls get 2 s and hosts 1 s to end, the link 1 s to send.
constexpr Ns kStopDeadline = 3 * kSecond;
constexpr Ns kSendDeadline = kSecond;
constexpr Ns kSendLook = 10 * kMillisecond;

Result<wire::BootId> boot_id() {
  const char* path = "/proc/sys/kernel/random/boot_id";
  std::ifstream file(path);
  std::string text;
  std::getline(file, text);
  std::erase(text, '-');
  wire::BootId id{};
  if (Status status = from_hex(text, id); !status.ok()) {
    return Error{"cannot read the boot id: " + status.error().text(), path, ""};
  }
  return id;
}

Status make_directory(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem && !std::filesystem::is_directory(path)) {
    return Error{"cannot create the folder: " + problem.message(), path,
                 "create it, or name another one in the configuration"};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Agent>> Agent::start(app::EventLoop& loop, AgentConfig config,
                                            ConfigDefaults defaults,
                                            std::optional<AgentState> former) {
  std::unique_ptr<Agent> agent(new Agent(loop, std::move(config), std::move(defaults)));
  if (Status status = agent->open(std::move(former)); !status.ok()) return status.error();
  return agent;
}

Agent::Agent(app::EventLoop& loop, AgentConfig config, ConfigDefaults defaults)
    : loop_(loop),
      config_(std::move(config)),
      defaults_(std::move(defaults)),
      started_(loop.clock().boot()) {}

Agent::~Agent() {
  for (const auto& entry : retired_) loop_.cancel(entry.second.timer);
  loop_.cancel(stop_timer_);
  loop_.cancel(report_timer_);
}

Status Agent::open(std::optional<AgentState> former) {
  Capabilities granted = 0;
  for (const InstanceConfig& instance : config_.instances) {
    granted |= granted_capabilities(instance.grants);
  }
  give_up_capabilities(granted);
  Status made = real_files().make_directories(config_.state_directory);
  if (made.ok())
    made = make_directory(std::filesystem::path(config_.socket).parent_path().string());
  if (!made.ok()) return made;
  Result<wire::BootId> boot = boot_id();
  if (!boot) return boot.error();
  auto spool = open_spool(former ? &*former : nullptr, *boot);
  if (!spool) return spool.error();
  spool_ = std::move(*spool);
  if (Status guarded = guard_state(); !guarded.ok()) return guarded;
  for (const std::string& note : spool_->recovery().notes) log::warning("spool: {}", note);
  for (auto& [name, until] : spool_->covered_until()) covered_[name] = until;
  find_known();
  open_steering();

  Desk::Handlers desk;
  desk.status = [this] { return status(); };
  desk.plugins = [this] { return plugin_list(); };
  desk.readings = [this](const std::string& plugin) { return readings(plugin); };
  desk.steer = [this](const Request& request, const std::string& user, const Done& done) {
    steer(request, user, done);
  };
  desk.reexec = [this](const std::shared_ptr<app::ControlSession>& asker) { replace(asker); };
  auto opened = former ? Desk::adopt(loop_, config_.socket, std::move(desk), Fd(former->listener),
                                     Fd(former->asker))
                       : Desk::open(loop_, config_.socket, std::move(desk));
  if (!opened) return opened.error();
  desk_ = std::move(*opened);

  Journal::Handlers journal;
  journal.unaccounted = [this] { return unaccounted(); };
  journal.durable = [this] { link_->offer(); };
  journal.event = [this](const std::string& what) { event("", "spool: " + what); };
  auto started = Journal::start(loop_, *spool_, config_.group_commit, std::move(journal),
                                former ? former->durable_definitions : std::nullopt);
  if (!started) return started.error();
  journal_ = std::move(*started);

  context_ = std::make_unique<InstanceContext>(InstanceContext{loop_,
                                                               *spool_,
                                                               *journal_,
                                                               config_.agent,
                                                               config_.plugin_host,
                                                               {},
                                                               {},
                                                               {},
                                                               {},
                                                               {},
                                                               {},
                                                               {},
                                                               {}});
  fence_ = std::make_unique<Fence>(loop_, real_files(), config_.state_directory + "/hosts",
                                   to_hex(*boot), [this](const std::string& name) {
                                     auto found = instances_.find(name);
                                     if (found != instances_.end()) found->second->way_cleared();
                                   });
  context_->fence = fence_.get();
  isolation_ = std::make_unique<Isolation>();
  context_->isolation = isolation_.get();
  context_->version_of = [this](const InstanceConfig& instance, const PluginVersion& had) {
    return version_of(instance, had);
  };
  context_->keep_version = [this](StoredPlugin stored) {
    return plugins_->hold(std::move(stored));
  };
  context_->kept = [this](const InstanceConfig& instance, const Hash& digest) {
    const std::string file = find_plugin(config_, instance.plugin);
    return plugins_->find(file.empty() ? instance.plugin : file, digest);
  };
  context_->event = [this](const Instance& instance, const std::string& what) {
    event(instance.config().name, what);
  };
  context_->polled = [this](const Instance& instance, const wire::Poll& poll) {
    if (!desk_->anybody_reads()) return;
    for (const std::string& line :
         reading_lines(poll, instance.definition(), config_.agent, spool_->dictionary())) {
      desk_->reading(instance.config().name, line);
    }
  };
  context_->gapped = [this](const Instance& instance, const wire::Gap& gap) {
    std::string line = gap_line(gap, instance.definition(), config_.agent, spool_->dictionary());
    if (desk_->anybody_reads()) desk_->reading(instance.config().name, line);
  };
  context_->remembered = [this](const Instance& instance) { remember(instance); };
  open_reexec();
  open_plugins(former ? &*former : nullptr);
  open_link();
  if (former) tell_reexec(*former);
  log::info("agent {} runs with {} plugin instances", config_.agent, instances_.size());
  return {};
}

// The spool is nobody's but the agent's, and what lies beside it is nobody else's to replace.
Status Agent::guard_state() {
  Result<std::string> mended[] = {keep_own(config_.state_directory),
                                  keep_private(config_.spool.directory)};
  for (const Result<std::string>& one : mended) {
    if (!one) return one.error();
    if (!one->empty()) log::warning("{}", *one);
  }
  return {};
}

void Agent::open_link() {
  Link::Handlers handlers;
  handlers.durable_definitions = [this] { return journal_->durable_definitions(); };
  handlers.new_incarnation = [this] { journal_->new_incarnation(); };
  handlers.hold = [this](SyncJob job, std::function<void(const Status&)> done) {
    journal_->aside(std::move(job),
                    [this, done = std::move(done)](const SyncJob& held, const Status& result) {
                      spool_->held(held, result);
                      done(result);
                    });
  };
  handlers.event = [this](const std::string& what) {
    log::info("{}", what);
    event("", what);
  };
  link_ = std::make_unique<Link>(
      loop_, *spool_, config_.agent,
      RaterAddress{config_.endpoints, config_.key, config_.rater_key, config_.compress},
      LinkTimes{}, std::move(handlers));
  link_->start();
}

// What instances were last written under, so that a gap at the start belongs to their readings.
void Agent::find_known() {
  const Dictionary& dictionary = spool_->dictionary();
  for (wire::DefNo number = 1; number <= dictionary.highest(); number++) {
    const wire::DefBody* body = dictionary.find(number);
    const auto* instance = body ? std::get_if<wire::InstanceDef>(body) : nullptr;
    if (instance != nullptr) known_[instance->instance] = *instance;
  }
}

void Agent::add(const InstanceConfig& config, wire::Cause since, const std::string& why) {
  // It polls the instant itself after all.
  if (auto found = retired_.find(config.name); found != retired_.end()) {
    loop_.cancel(found->second.timer);
    retired_.erase(found);
  }
  InstancePast past;
  past.since = since;
  past.why = why;
  if (auto found = known_.find(config.name); found != known_.end()) past.known = found->second;
  if (auto found = covered_.find(config.name); found != covered_.end()) {
    past.covered = found->second;
  }
  const SteeringTable& steered = steering_->table();
  if (auto found = steered.find(config.name); found != steered.end()) past.steering = found->second;
  auto instance = std::make_unique<Instance>(*context_, config, std::move(past));
  Instance& added = *instance;
  instances_[config.name] = std::move(instance);
  added.start();
}

void Agent::remove(const std::string& name) {
  auto found = instances_.find(name);
  if (found == instances_.end()) return;
  Instance* leaving = found->second.get();
  covered_[name] = leaving->covered();
  known_[name] = leaving->definition();
  leaving_.push_back(std::move(found->second));
  instances_.erase(found);
  // What failed under another configuration says nothing of the next one.
  Steering& steering = steering_->of(name);
  steering.record.reset();
  if (steering.pin && steering.pin->refused) steering.pin.reset();
  leaving->stop([this, leaving] {
    std::erase_if(leaving_, [&](const auto& instance) { return instance.get() == leaving; });
  });
}

Ns Agent::unaccounted() const {
  Ns earliest = loop_.clock().wall();
  for (const auto& [name, instance] : instances_) {
    earliest = std::min(earliest, instance->unaccounted());
  }
  for (const auto& instance : leaving_) {
    if (instance->polling()) earliest = std::min(earliest, instance->unaccounted());
  }
  for (const auto& entry : retired_) earliest = std::min(earliest, entry.second.gap.from);
  // A drop-in that was here before and is still to be looked at goes on where it was.
  for (const std::string& path : drop_ins_ ? drop_ins_->awaited() : std::set<std::string>{}) {
    auto found = covered_.find(plugin_name(path));
    if (found != covered_.end() && !instances_.contains(found->first)) {
      earliest = std::min(earliest, found->second + 1);
    }
  }
  return earliest;
}

void Agent::reload() {
  if (stopping_) return;
  announce_reload();
  app::ConfigErrors errors;
  AgentConfig fresh = load_config(config_.file, defaults_, errors);
  load_key(fresh, errors);
  if (!errors.empty()) {
    configuration_error_ = errors.text();
    while (configuration_error_.ends_with('\n')) configuration_error_.pop_back();
    log::error("the new configuration is not taken:\n{}", configuration_error_);
    event("", "the new configuration is not taken: " + configuration_error_);
    return;
  }
  configuration_error_.clear();
  bool restart = fresh.agent != config_.agent || fresh.socket != config_.socket ||
                 fresh.state_directory != config_.state_directory ||
                 fresh.plugin_uids != config_.plugin_uids || fresh.log_level != config_.log_level ||
                 fresh.group_commit != config_.group_commit ||
                 fresh.spool.limit_bytes != config_.spool.limit_bytes ||
                 fresh.spool.segment_bytes != config_.spool.segment_bytes ||
                 fresh.spool.keep_acknowledged != config_.spool.keep_acknowledged ||
                 fresh.spool.seal_after != config_.spool.seal_after ||
                 fresh.spool.seal_bytes != config_.spool.seal_bytes;
  if (restart) {
    configuration_error_ =
        "agent, state_directory, socket, plugin_uids, log_level and [spool] take effect at the "
        "next "
        "start only";
    log::warning("{}", configuration_error_);
  }
  const bool folders_changed = fresh.drop_in_directories != config_.drop_in_directories;
  config_.plugin_directories = fresh.plugin_directories;
  config_.plugin_host = context_->plugin_host = fresh.plugin_host;
  config_.plugin_configuration = fresh.plugin_configuration;
  config_.instances = std::move(fresh.instances);
  config_.drop_in_directories = fresh.drop_in_directories;
  if (folders_changed) open_plugins();
  drop_ins_->again();
  apply();
  renew_packages();
  if (fresh.endpoints != config_.endpoints || fresh.key != config_.key ||
      fresh.rater_key != config_.rater_key || fresh.compress != config_.compress) {
    config_.endpoints = std::move(fresh.endpoints);
    config_.key = std::move(fresh.key);
    config_.rater_key = std::move(fresh.rater_key);
    config_.compress = fresh.compress;
    open_link();
  }
  log::info("the new configuration is in force with {} plugin instances", instances_.size());
  event("", "the new configuration is in force");
}

void Agent::shut_down() {
  if (stopping_) return;
  stopping_ = true;
  log::info("stopping");
  if (manager_ != nullptr) manager_->stopping();
  running_ = instances_.size();
  stop_timer_ = loop_.after(running_ == 0 ? 0 : kStopDeadline, [this] { close_journal(); });
  for (auto& [name, instance] : instances_) {
    instance->stop([this] {
      if (--running_ > 0 || closing_) return;
      loop_.cancel(stop_timer_);
      close_journal();
    });
  }
}

void Agent::close_journal() {
  if (std::exchange(closing_, true)) return;
  stop_timer_ = 0;
  for (const auto& [name, instance] : instances_) {
    const PluginPhase phase = instance->phase();
    if (phase == PluginPhase::disabled || is_unkillable(phase)) continue;
    log::warning("plugin {} did not stop in time: killed, and left to whoever inherits it", name);
  }
  journal_->close([this] {
    link_->offer();
    await_link(loop_.clock().boot() + kSendDeadline);
  });
}

void Agent::await_link(Ns until) {
  if (link_->idle() || loop_.clock().boot() >= until) {
    log::info("stopped");
    loop_.stop();
    return;
  }
  stop_timer_ = loop_.after(kSendLook, [this, until] { await_link(until); });
}

void Agent::event(const std::string& plugin, const std::string& what) {
  if (!plugin.empty()) log::info("plugin {}: {}", plugin, what);
  desk_->event(event_json(loop_.clock().wall(), plugin, what));
  report_soon();
}

std::string Agent::status() const {
  AgentStatus status;
  status.agent = config_.agent;
  status.configuration_file = config_.file;
  status.configuration_error = configuration_error_;
  status.incarnation = spool_->incarnation();
  status.pid = getpid();
  status.time = loop_.clock().wall();
  status.uptime = loop_.clock().boot() - started_;
  status.plugins = plugin_statuses();
  status.reexecs = reexecs_;
  status.spool_directory = config_.spool.directory;
  status.spool = spool_->stats();
  if (status.spool.trouble.empty()) status.spool.trouble = journal_->hung();
  status.link = link_->status();
  return to_json(status);
}

Result<std::vector<std::string>> Agent::readings(const std::string& plugin) const {
  std::vector<std::string> lines;
  if (!plugin.empty() && !instances_.contains(plugin)) {
    return Error{"no plugin instance `" + plugin + "` runs", "agent", "see `tallyman plugin list`"};
  }
  for (const auto& [name, instance] : instances_) {
    if ((!plugin.empty() && name != plugin) || !instance->latest()) continue;
    for (std::string& line : reading_lines(*instance->latest(), instance->definition(),
                                           config_.agent, spool_->dictionary())) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace tallyman::agent
