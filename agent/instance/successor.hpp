#pragma once
// The version that is to take over from the one that runs: its process, how far it has come
// (succession.hpp), and what it reads before it is known to be good.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/config.hpp"
#include "agent/instance/host_process.hpp"
#include "agent/instance/plugin_store.hpp"
#include "agent/instance/recorder.hpp"
#include "agent/instance/retired_hosts.hpp"
#include "agent/instance/succession.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// What a successor was, for whoever goes on with it.
struct Heir {
  PluginVersion version;
  std::unique_ptr<HostProcess> process;
  Ns spawned = 0;  ///< boot instant
  SuccessorPhase phase = SuccessorPhase::none;
  std::optional<Described> described;  ///< from `loaded` on
  std::unique_ptr<Recorder> recorder;  ///< knows what the process declared and defined
};

/// "1.1 (3f29c01a)", or the digest alone while it has not declared itself.
[[nodiscard]] std::string version_text(const std::optional<Described>& described,
                                       const Hash& digest);

/// Owned by an Instance; main thread. Its host is held to the instance's limits and to the
/// deadlines of a start; whatever goes wrong ends it, and the instance is told.
class Successor {
 public:
  struct Handlers {
    std::function<Result<std::unique_ptr<HostProcess>>(const StoredPlugin&, HostProcess::Handlers)>
        start;
    /// Whether it may run: options known, needs granted. A fault refuses it.
    std::function<Verdict(const Described&)> fit;
    /// Options, and the last state there is.
    std::function<Configure(const Described&)> configuration;
    /// It is loaded: free() when no poll is under way.
    std::function<void()> loaded;
    /// Its poll ended OK. A fault means that it is not good after all; otherwise promote() was
    /// called.
    std::function<Verdict(const PollDone&)> polled;
    /// It is being killed. version() and described() are still its.
    std::function<void(const Fault&)> refused;
    /// Its process has ended by itself, and is reaped.
    std::function<void(pid_t)> ended;
    std::function<void(LogLine&)> log;
    std::function<void(const std::string& line)> printed;
  };
  /// All of it outlives this.
  Successor(app::EventLoop& loop, Dictionary& dictionary, const std::string& agent,
            const InstanceConfig& config, RetiredHosts& retired, Ns start_deadline,
            Handlers handlers);
  ~Successor();
  Successor(const Successor&) = delete;
  Successor& operator=(const Successor&) = delete;

  /// Starts the version, in place of one that has not taken over yet; not while that one polls.
  void offer(PluginVersion version);
  void free() { take(SuccessorEvent::free); }
  /// The running version saved again. One that is never ready between two polls, for the whole of a
  /// start's deadline, is refused.
  void outdated();
  void poll(const PollRequest& request);
  /// Gives the frames that wait unread, now.
  void take_in();
  void fail(const Fault& fault);
  /// Its poll is over its time. True: it is to be tried again, by try_again(). False: it was too
  /// often, or a former process has yet to end; fail() it.
  [[nodiscard]] bool may_try_again() const;
  /// Begins with it anew.
  void try_again();
  void withdraw() { take(SuccessorEvent::withdraw); }
  /// Its poll was good.
  [[nodiscard]] Heir promote();
  /// The running version ended by itself; nothing when there is nobody to go on with.
  [[nodiscard]] std::optional<Heir> orphaned();

  [[nodiscard]] SuccessorPhase phase() const { return phase_; }
  [[nodiscard]] bool alive() const { return phase_ != SuccessorPhase::none; }
  /// Null before the first offer.
  [[nodiscard]] const PluginVersion& version() const { return version_; }
  [[nodiscard]] const std::optional<Described>& described() const { return described_; }
  /// What its process is confined to; only while there is one.
  [[nodiscard]] const Confined& confined() const { return process_->confined(); }
  /// Only in the phase canary, or within polled().
  [[nodiscard]] Recorder& recorder() { return *recorder_; }
  /// "version 1.1 (3f29c01a) is ready to take over"; empty when nobody is to.
  [[nodiscard]] std::string words() const;

 private:
  SuccessorAction take(SuccessorEvent event);
  void spawn();
  void create();
  void dismiss();
  [[nodiscard]] Heir heir();
  void arm();
  void watch_usage();
  [[nodiscard]] Verdict within_bytes() const;
  void on_ended(const Ended& ended);
  [[nodiscard]] Verdict on(Described& described);
  [[nodiscard]] Verdict on(Created& created);
  [[nodiscard]] Verdict on(Define& define);
  [[nodiscard]] Verdict on(Readings& readings);
  [[nodiscard]] Verdict on(PartGap& part);
  [[nodiscard]] Verdict on(LogLine& line);
  [[nodiscard]] Verdict on(State& state);
  [[nodiscard]] Verdict on(PollDone& done);

  app::EventLoop& loop_;
  Dictionary& dictionary_;
  const std::string& agent_;
  const InstanceConfig& config_;
  RetiredHosts& retired_;
  Ns start_deadline_;
  Handlers handlers_;

  SuccessorPhase phase_ = SuccessorPhase::none;
  PluginVersion version_;
  std::unique_ptr<HostProcess> process_;
  pid_t pid_ = 0;  ///< of process_
  std::unique_ptr<Recorder> recorder_;
  std::optional<Described> described_;
  Ns spawned_ = 0;                     ///< boot instant
  Ns cpu_before_ = 0;                  ///< used before its poll
  std::uint64_t received_before_ = 0;  ///< bytes, when its poll began
  std::uint64_t readings_ = 0;         ///< of its poll
  unsigned creations_ = 0;
  unsigned slow_ = 0;  ///< polls of this version that were over their time
  bool given_state_ = false;
  std::uint64_t polled_ = 0;  ///< number of its poll
  app::TimerId timer_ = 0;
  app::TimerId usage_timer_ = 0;
};

}  // namespace tallyman::agent
