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
#include "agent/instance/retired_hosts.hpp"
#include "agent/instance/schedule.hpp"
#include "agent/instance/steering.hpp"
#include "agent/instance/successor.hpp"
#include "agent/instance/supervisor.hpp"
#include "agent/journal.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// Between two looks at what a host takes while it is starting or polled.
constexpr Ns kBusyLook = 100 * kMillisecond;

class Instance;
class Isolation;

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
  /// Of its plugin, the version of this digest; null when it is not kept.
  std::function<PluginVersion(const InstanceConfig&, const Hash&)> kept;
  std::function<void(const Instance&, const std::string& what)> event;
  std::function<void(const Instance&, const wire::Poll&)> polled;
  std::function<void(const Instance&, const wire::Gap&)> gapped;
  std::function<void(const Instance&)> remembered;  ///< what remember() gives has changed
  SupervisorOptions supervisor;
  Ns start_deadline = 10 * kSecond;  ///< from the process's start to the plugin's creation
  Ns stop_deadline = kSecond;        ///< from Stop to the process's end
  Ns kill_deadline = 2 * kSecond;    ///< from SIGKILL to the process's end, or it is unkillable
  Fence* fence = nullptr;            ///< always there
  Isolation* isolation = nullptr;
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
  bool thaws = false;  ///< thaw() follows, with the versions that steering names
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
  /// Writes what is to outlive the agent, but for what an operator decided about its running.
  void remember(Steering& steering) const;

  // Versions of its plugin.
  /// This is the plugin's file now. What neither runs nor was refused or rolled back takes over
  /// from the version that runs, or is started if none does.
  void replace(const PluginVersion& version);
  /// Null before the first start.
  [[nodiscard]] const PluginVersion& version() const { return version_; }
  /// What ran before what runs; null when there is nothing, or no copy of it.
  [[nodiscard]] const PluginVersion& before() const { return before_; }
  /// What is to be kept when before() is to run instead of what runs: nothing when that is the
  /// plugin's file. Only where there is one before.
  [[nodiscard]] std::optional<Pin> pin_for_rollback(std::string who, std::string why,
                                                    Ns when) const;
  /// Lets before() take over, and be what runs until the plugin's file changes.
  void roll_back(std::optional<Pin> pin);
  /// Whether another version polls first just now, or a former one has not ended.
  [[nodiscard]] bool changes_over() const;
  /// Ends what is to take over; it is begun with anew when the loop turns on, here or in the next
  /// program.
  void put_off_change();

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
  /// its process and its polls. `away`: for how long nobody took in what its process sent; no
  /// deadline counts that. A process that cannot be gone on with is killed, a failure.
  void thaw(InstanceState&& state, Ns away);

  [[nodiscard]] PluginStatus status() const;
  [[nodiscard]] const InstanceConfig& config() const { return config_; }
  [[nodiscard]] const wire::InstanceDef& definition() const { return recorder_.definition(); }
  /// The last good poll in the spool; nothing before the first.
  [[nodiscard]] const std::optional<wire::Poll>& latest() const { return latest_; }

 private:
  void begin();
  void look();
  void begin_poll(Ns instant, Ns wall, bool stepped);
  void begin_flight(const Flight& flight);
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
  [[nodiscard]] Verdict check_end(const PollDone& done) const;
  [[nodiscard]] PollTimes times_of_flight(const PollDone& done) const;
  void hand_in(RecordedPoll recorded);
  [[nodiscard]] std::optional<Flight> end_own_flight();
  [[nodiscard]] bool polls_itself() const { return flight_ && !flight_->trial; }
  [[nodiscard]] Configure configuration(const Described& described) const;
  void on_ended(const Ended& ended);

  // instance_swap.cpp
  [[nodiscard]] Successor::Handlers successor_handlers();
  [[nodiscard]] RetiredHosts::Handlers retired_handlers();
  void recall_versions(const InstancePast& past);
  [[nodiscard]] Result<PluginVersion> choose_version();
  void run_version(PluginVersion version);
  void unpin();
  void consider(const PluginVersion& version);
  void take_next();
  /// Whether a restart is to be another try of a version that was refused, or is under way as one.
  [[nodiscard]] bool try_refused_again();
  void settle_versions();
  [[nodiscard]] Verdict fit(const Described& described) const;
  [[nodiscard]] bool begin_trial(Ns instant, Ns late, bool stepped);
  void trial_over_deadline();
  void end_trial_unpolled();
  [[nodiscard]] Verdict good_trial(const PollDone& done);
  void take_over(Heir heir);
  void adopt(Heir heir);
  void refused_version(const Fault& fault);
  void fall_back();
  void go_on_with_successor();
  void start_heir(Heir heir);
  void drop_successor();
  void note_foreign_state();
  void forget_foreign_state(RecordedPoll& recorded) const;
  [[nodiscard]] std::string swap_words() const;

  // instance_limits.cpp
  void watch_usage(Ns delay);
  void check_usage();
  void recycle(const std::string& why);
  /// What the failure is once limits are looked at: theirs, if one was broken.
  [[nodiscard]] Fault blame(Fault fault) const;
  /// The poll that waited for a fresh process: a gap if that failed, else begun.
  void give_up_held();
  void poll_held();
  void poll_waiting();
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

  // instance_isolation.cpp
  [[nodiscard]] Result<Confinement> confinement(const StoredPlugin& version) const;
  [[nodiscard]] const KnownNeeds* known_needs(const Hash& digest) const;
  [[nodiscard]] Judgement judged(const KnownNeeds& known) const;
  /// Notes what a version needs, and whether it may run: a fault refuses it.
  [[nodiscard]] Verdict learn(const Hash& digest, const Described& described);
  /// Whether the host may go on. Otherwise it is refused, or started anew.
  [[nodiscard]] bool admit(const Described& described);
  [[nodiscard]] Verdict fit_successor(const Described& described);
  /// Counts readings of the poll under way.
  [[nodiscard]] Verdict within_readings(std::size_t more);
  /// Of the poll under way, or since the last one.
  [[nodiscard]] Verdict within_bytes() const;

  /// The host is to be killed for this.
  void condemn(const Fault& fault, PluginEvent event);
  void refuse(const std::string& why);
  void take(PluginEvent event, bool clean = false);
  void ask(PluginEvent event);
  void settle();
  [[nodiscard]] bool told_to_stop() const;
  void spawn();
  [[nodiscard]] Result<std::unique_ptr<HostProcess>> start_host(const StoredPlugin& version,
                                                                HostProcess::Handlers handlers);
  [[nodiscard]] HostProcess::Handlers host_handlers();
  void begin_process();
  void thaw_host(const InstanceState& state, Ns away);
  void arm(Ns delay, PluginEvent event);
  void end_flight();
  void gap(Ns from, Ns to, wire::Cause cause, const std::string& why);
  void gap_for_phase(Ns instant);
  void note_failure(wire::Cause cause, const std::string& why);
  [[nodiscard]] wire::InstanceDef definition_for(const Described& described,
                                                 const StoredPlugin& version) const;

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
  bool refused_ = false;   ///< version_ was
  std::optional<Described> described_;
  RetiredHosts retired_;
  Successor successor_;
  PluginVersion ran_;       ///< what ran when the agent last ended
  PluginVersion before_;    ///< what ran before version_
  PluginVersion next_;      ///< what the next process is to be, if it is another and cannot be yet
  std::optional<Pin> pin_;  ///< why what runs is not the plugin's file
  PluginVersion pinned_;    ///< what runs then
  std::optional<Heir> heir_;  ///< to be started
  /// One that was asked for and has not come about, and what stood there before it.
  struct Rollback {
    PluginVersion to;
    std::optional<Pin> pin;
    PluginVersion pinned;
  };
  std::optional<Rollback> rollback_;
  std::string rollback_refused_;
  bool foreign_state_ = false;     ///< the spool keeps a state that this version has no use for
  std::vector<KnownNeeds> needs_;  ///< of the versions loaded last, the latest at the end
  std::string surplus_;            ///< told already
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
  std::optional<HeldPoll> held_;  ///< waits for the process that takes over, or a poll's end
  pid_t plugin_pid_ = 0;          ///< once measured
  std::uint64_t recycled_ = 0;
  std::string recycled_why_;
  std::optional<Usage> first_usage_;   ///< of this process, after its first good poll
  Ns cpu_before_ = 0;                  ///< used by this process before the poll, or since it
  std::uint64_t received_before_ = 0;  ///< bytes, likewise
  Ns cpu_ = 0;                         ///< as last measured
  std::uint64_t output_dropped_ = 0;   ///< by processes before this one
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
