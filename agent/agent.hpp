#pragma once
// The agent: spool, journal, link, instances and desk, put together on one event loop.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/control/desk.hpp"
#include "agent/dropin/drop_ins.hpp"
#include "agent/instance/instance.hpp"
#include "agent/instance/plugin_store.hpp"
#include "agent/instance/steering_file.hpp"
#include "agent/isolation/isolation.hpp"
#include "agent/journal.hpp"
#include "agent/link/link.hpp"
#include "agent/reexec/reexec.hpp"
#include "agent/spool/spool.hpp"
#include "app/notify.hpp"

namespace tallyman::agent {

/// Owned by main; main thread.
class Agent {
 public:
  /// Opens spool and socket, starts hosts and link. An error leaves nothing running. `former`: what
  /// the program before this one handed over, to go on with.
  static Result<std::unique_ptr<Agent>> start(app::EventLoop& loop, AgentConfig config,
                                              ConfigDefaults defaults,
                                              std::optional<AgentState> former = std::nullopt);
  ~Agent();

  /// Reads the configuration anew: a good one comes into force, a bad one changes nothing but
  /// status.
  void reload();
  /// Tells the service manager from now on how it is: ready once every instance was started or
  /// refused, reloading, stopping, and the state of it all in words. `manager` outlives this.
  void report_to(app::Notifier& manager);
  /// Ends polls and hosts, seals, writes out, sends what it can within a second; then stops the
  /// loop.
  void shut_down();
  /// Replaces the program by the one that stands in its place by now, or says why not. `asker`, if
  /// any, is answered.
  void replace(std::shared_ptr<app::ControlSession> asker = nullptr);

 private:
  Agent(app::EventLoop& loop, AgentConfig config, ConfigDefaults defaults);
  Status open(std::optional<AgentState> former);
  Status guard_state();
  /// The uid of its own that an instance has, configured or dropped in; root when none is left.
  [[nodiscard]] User own_user(const std::string& name);
  void open_link();
  void find_known();
  void open_steering();
  void add(const InstanceConfig& config, wire::Cause since, const std::string& why = "");
  void remove(const std::string& name);

  // agent_plugins.cpp
  void open_plugins(AgentState* former = nullptr);
  [[nodiscard]] Result<PluginVersion> version_of(const InstanceConfig& instance,
                                                 const PluginVersion& had);
  /// The instances that are to be there now: those configured, and the drop-ins that nobody
  /// configured.
  [[nodiscard]] std::map<std::string, InstanceConfig> wanted_instances();
  [[nodiscard]] std::optional<std::vector<InstanceConfig>> wanted_by(const std::string& path);
  /// Removes the instances that are not wanted as they are, and adds those that are.
  void apply();
  void renew_packages();
  void on_admitted(const std::string& path);
  void on_gone(const std::string& path, const DropIn& was);
  void retire(const Instance& instance, const std::string& why);
  void retire(const std::string& name, const wire::Gap& gap);
  void end_retired(const std::string& name);
  [[nodiscard]] std::string file_note(const Instance& instance) const;
  [[nodiscard]] std::vector<PluginStatus> plugin_statuses() const;
  void close_journal();
  void await_link(Ns until);
  [[nodiscard]] Ns unaccounted() const;

  // agent_reexec.cpp
  void open_reexec();
  [[nodiscard]] std::string hindrance() const;
  [[nodiscard]] bool calm() const;
  [[nodiscard]] Result<AgentState> freeze(bool last);
  void take_over(AgentState& former);
  void tell_reexec(const AgentState& former);
  void hold_others(const AgentState& former);
  void adopt(InstanceState&& state, Ns away);
  [[nodiscard]] Result<std::unique_ptr<Spool>> open_spool(AgentState* former,
                                                          const wire::BootId& boot);

  using Done = std::function<void(const Status&)>;
  void steer(const Request& request, const std::string& user, const Done& done);
  [[nodiscard]] Status check_steerable(const Request& request) const;
  [[nodiscard]] Status check_room(const std::string& name) const;
  void decide(const std::string& name, std::optional<Disabled> decision, const Done& done);
  void heed(const std::string& name);
  void roll_back(const Instance& instance, const std::string& user, const std::string& why,
                 const Done& done);
  void remember(const Instance& instance);
  void event(const std::string& plugin, const std::string& what);
  // agent_notify.cpp
  void report_soon();
  void report();
  void announce_reload();
  [[nodiscard]] std::string words() const;
  [[nodiscard]] std::string status() const;
  [[nodiscard]] std::string plugin_list() const;
  [[nodiscard]] Result<std::vector<std::string>> readings(const std::string& plugin) const;

  app::EventLoop& loop_;
  AgentConfig config_;
  ConfigDefaults defaults_;
  std::string configuration_error_;
  Ns started_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<SteeringFile> steering_;
  std::set<std::string> deciding_;  ///< instances with a decision on its way to the disk
  std::unique_ptr<Fence> fence_;
  std::unique_ptr<Isolation> isolation_;
  std::unique_ptr<PluginStore> plugins_;
  std::unique_ptr<DropIns> drop_ins_;
  std::map<std::string, User> drop_in_users_;  ///< those drawn for what is not configured
  bool starting_ = true;
  std::set<std::string> late_;  ///< drop-ins that were not there when the agent started
  /// The first instant that a drop-in does not poll any more: a gap that says why.
  struct Retired {
    wire::Gap gap;
    app::TimerId timer = 0;
  };
  std::map<std::string, Retired> retired_;
  std::unique_ptr<InstanceContext> context_;
  std::map<std::string, Ns> covered_;               ///< of instances not running now
  std::map<std::string, wire::InstanceDef> known_;  ///< likewise
  std::map<std::string, std::unique_ptr<Instance>> instances_;
  std::vector<std::unique_ptr<Instance>> leaving_;  ///< removed, still ending
  std::unique_ptr<Link> link_;
  std::unique_ptr<Desk> desk_;
  app::Notifier* manager_ = nullptr;
  bool ready_ = false;  ///< told so, since the start or the last reload
  app::TimerId report_timer_ = 0;
  std::unique_ptr<Reexec> reexec_;
  std::shared_ptr<app::ControlSession> asker_;  ///< waits for the re-exec under way
  std::uint64_t reexecs_ = 0;
  bool stopping_ = false;
  bool closing_ = false;     ///< the journal closes, once
  std::size_t running_ = 0;  ///< instances that have not stopped yet, while stopping
  app::TimerId stop_timer_ = 0;
};

}  // namespace tallyman::agent
