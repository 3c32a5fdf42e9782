#pragma once
// One configured plugin instance: its host process, its polls, and its gaps. Every scheduled
// instant becomes a poll or a gap, exactly once.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/config.hpp"
#include "agent/control/status.hpp"
#include "agent/instance/fence.hpp"
#include "agent/instance/host_process.hpp"
#include "agent/instance/instance_state.hpp"
#include "agent/instance/plugin_store.hpp"
#include "agent/instance/recorder.hpp"
#include "agent/instance/schedule.hpp"
#include "agent/instance/steering.hpp"
#include "agent/instance/supervisor.hpp"
#include "agent/journal.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// Between two looks at what a host takes while it is starting or polled.
constexpr Ns kBusyLook = 100 * kMillisecond;

class Instance;

/// What all instances share. Outlives them.
struct InstanceContext {
  app::EventLoop& loop;
  Spool& spool;
  Journal& journal;
  std::string agent;
  std::string plugin_host;
  /// What of its plugin is to be run now; `had` is what the instance ran last, null when it ran
  /// nothing or that was refused. An error says why there is none.
  std::function<Result<PluginVersion>(const InstanceConfig&, const PluginVersion& had)> version_of;
  /// Of a version that the agent's former program ran: again.
  std::function<PluginVersion(StoredPlugin)> keep_version;
  std::function<void(const Instance&, const std::string& what)> event;
  std::function<void(const Instance&, const wire::Poll&)> polled;
  std::function<void(const Instance&, const wire::Gap&)> gapped;
  std::function<void(const Instance&)> remembered;  ///< what record() gives has changed
  SupervisorOptions supervisor;
  Ns start_deadline = 10 * kSecond;  ///< from the process's start to the plugin's creation
  Ns stop_deadline = kSecond;        ///< from Stop to the process's end
  Ns kill_deadline = 2 * kSecond;    ///< from SIGKILL to the process's end, or it is unkillable
  Fence* fence = nullptr;            ///< always there
};

/// What is known of an instance from before it was made.
struct InstancePast {
  /// The last instant already accounted for, 0 = none; what passed from there to the first
  /// readiness or failure is recorded as a gap of cause `since`.
  Ns covered = 0;
  wire::Cause since = wire::Cause::agent_down;
  std::string why;                         ///< of that gap; empty = as `since` is
  std::optional<wire::InstanceDef> known;  ///< what its polls were last written under, if any
  Steering steering;
};

/// Owned by the Agent; main thread.
class Instance {
 public:
  Instance(InstanceContext& context, InstanceConfig config, InstancePast past);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  void start();
  /// No further poll; the one under way may finish within its deadline; then the host is told to
  /// stop. Calls back once nothing runs any more, or what runs cannot be killed; at the earliest in
  /// a later turn of the loop.
  void stop(std::function<void()> stopped);

  // An operator's wishes. Each is heeded once the poll under way, if any, has ended.
  /// Ends the host; its instants are gaps of cause disabled from now on, until enable().
  void disable(Disabled by);
  void enable();
  /// Ends the host and starts it again, no failure counted; shortly before a poll only after it.
  void restart();
  /// Forgets what failures were counted, and tries at once when it waits to be tried.
  void reset();
  [[nodiscard]] const std::optional<Disabled>& disabled() const { return disabled_; }
  /// What the fence held for this instance has ended.
  void way_cleared();

  /// Goes over to this version of its plugin, without a gap where the running one can be left
  /// between two polls; what waits to be tried again tries it at once. Nothing when it is what
  /// runs.
  void replace(PluginVersion version);
  /// Null before the first start.
  [[nodiscard]] const PluginVersion& version() const { return version_; }
  /// What is to outlive the agent; nothing when there was no failure that still counts.
  [[nodiscard]] std::optional<Record> record() const;

  /// The earliest scheduled instant that was neither recorded nor given up as a gap; the end of
  /// time when there is none, because nothing was ever expected of it.
  [[nodiscard]] Ns unaccounted() const;
  /// The last instant that was: 0 = none.
  [[nodiscard]] Ns covered() const {
    return schedule_ ? schedule_->next() - config_.interval : covered_;
  }
  [[nodiscard]] PluginPhase phase() const { return supervisor_.phase(); }
  /// When it is polled next, a wall instant; the end of time when that is not known.
  [[nodiscard]] Ns next_due() const;
  [[nodiscard]] bool polling() const { return flight_.has_value(); }

  // instance_reexec.cpp: for a program that is executed in place of this one.
  /// All of it as values, and changes nothing. No poll may wait for the journal.
  [[nodiscard]] InstanceState freeze() const;
  /// In place of start(), of an instance made with the frozen one's configuration: goes on with it,
  /// its process and its polls. A process that cannot be gone on with is killed, a failure.
  void thaw(InstanceState&& state);

  [[nodiscard]] PluginStatus status() const;
  [[nodiscard]] const InstanceConfig& config() const { return config_; }
  [[nodiscard]] const wire::InstanceDef& definition() const { return recorder_.definition(); }
  /// The last good poll in the spool; nothing before the first.
  [[nodiscard]] const std::optional<wire::Poll>& latest() const { return latest_; }

 private:
  void begin();
  void look();
  void begin_poll(Ns instant, Ns wall, bool stepped);
  void over_deadline();
  void on_frame(FromHost& frame);
  [[nodiscard]] Verdict on(Described& described);
  [[nodiscard]] Verdict on(Created& created);
  [[nodiscard]] Verdict on(Define& define);
  [[nodiscard]] Verdict on(Readings& readings);
  [[nodiscard]] Verdict on(PartGap& part);
  [[nodiscard]] Verdict on(LogLine& line);
  [[nodiscard]] Verdict on(State& state);
  [[nodiscard]] Verdict on(PollDone& done);
  [[nodiscard]] Verdict good_poll(const PollDone& done);
  void on_ended(const Ended& ended);

  // instance_limits.cpp
  void watch_usage(Ns delay);
  void check_usage();
  void recycle(const std::string& why);
  /// What the failure is once limits are looked at: theirs, if one was broken.
  [[nodiscard]] Fault blame(Fault fault) const;
  /// The poll that waited for a fresh process: a gap if that failed, else begun.
  void give_up_held();
  void poll_held();
  [[nodiscard]] std::string notes() const;
  void on_printed(const std::string& line);

  // instance_fence.cpp
  /// Kills what is left of this instance's processes; true when there is something to wait for.
  [[nodiscard]] bool must_wait();
  void kill_host();
  void forget_host();
  void fenced();
  /// What cannot be killed, and where it waits.
  [[nodiscard]] std::string stuck_words() const;
  /// The same, as it was at first.
  const std::string& note_stuck(bool first);

  /// The host is to be killed for this.
  void condemn(const Fault& fault, PluginEvent event);
  void refuse(const std::string& why);
  void take(PluginEvent event, bool clean = false);
  void ask(PluginEvent event);
  void settle();
  [[nodiscard]] Result<PluginVersion> next_version();
  void go_over();
  [[nodiscard]] bool told_to_stop() const;
  void spawn();
  [[nodiscard]] HostProcess::Handlers host_handlers();
  void thaw_host(const InstanceState& state);
  void arm(Ns delay, PluginEvent event);
  void end_flight();
  void gap(Ns from, Ns to, wire::Cause cause, const std::string& why);
  void gap_for_phase(Ns instant);
  void note_failure(wire::Cause cause, const std::string& why);
  [[nodiscard]] wire::InstanceDef definition_for(const Described& described) const;

  InstanceContext& context_;
  InstanceConfig config_;
  Supervisor supervisor_;
  Ns covered_;         ///< as given
  wire::Cause since_;  ///< as given
  std::string since_why_;
  std::optional<Disabled> disabled_;
  std::optional<PluginEvent> asked_;  ///< to be taken once no poll is under way
  std::optional<Schedule> schedule_;  ///< from the first readiness or failure on
  Recorder recorder_;
  std::unique_ptr<HostProcess> process_;
  pid_t host_pid_ = 0;     ///< of process_, also once that has ended
  PluginVersion version_;  ///< what the process was started with, or was last to be
  PluginVersion next_;     ///< what the next process is to be started with, if it is another
  bool refused_ = false;   ///< version_ was
  std::optional<Described> described_;
  std::optional<Flight> flight_;
  std::uint64_t polls_sent_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;

  app::TimerId look_timer_ = 0;
  app::TimerId poll_timer_ = 0;
  app::TimerId phase_timer_ = 0;
  Ns phase_due_ = 0;  ///< boot instant of the phase timer, while it runs
  PluginEvent phase_event_ = PluginEvent::timer;  ///< which that timer becomes
  app::TimerId usage_timer_ = 0;

  bool recycling_ = false;        ///< starting, but not for a failure
  bool waiting_ = false;          ///< starting, once what runs has ended
  Ns stuck_since_ = 0;            ///< wall instant, while unkillable
  std::string stuck_;             ///< where it waits, as it was then
  std::optional<HeldPoll> held_;  ///< waits for the process that takes over
  pid_t plugin_pid_ = 0;          ///< once measured
  std::uint64_t recycled_ = 0;
  std::string recycled_why_;
  std::optional<Usage> first_usage_;  ///< of this process, after its first good poll
  Ns cpu_before_ = 0;                 ///< used by this process before the poll under way
  Ns cpu_ = 0;                        ///< as last measured
  std::uint64_t output_dropped_ = 0;  ///< by processes before this one
  /// What the last poll that was handed to the journal saved, until it is in the spool.
  std::optional<PluginState> state_;

  Fault failure_;  ///< the last one: why it is not running, while it is not
  std::string last_cause_;
  Ns spawned_ = 0;  ///< boot instant
  std::optional<wire::Poll> latest_;
  std::optional<wire::Poll> written_;  ///< handed to the journal, its outcome is awaited
  Ns last_took_ = 0;
  std::uint64_t readings_ = 0;
  std::uint64_t gaps_ = 0;
  Ns log_second_ = 0;
  unsigned log_lines_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what may outlive this
};

}  // namespace tallyman::agent
