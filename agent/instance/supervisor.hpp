#pragma once
// The life of one plugin host as a table of states × events, with back-off and restart intensity
// as in OTP. Pure: the caller does what the returned action says, and feeds what happens back.

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace tallyman::agent {

enum class PluginPhase : std::uint8_t {
  disabled,     ///< no process, and none wanted
  starting,     ///< the process runs; the plugin is not created yet
  running,      ///< the plugin is created: it is polled
  overdue,      ///< killed (over its deadline, or out of protocol); its end is awaited
  stopping,     ///< told to stop for good; its end is awaited
  restarting,   ///< told to stop, to be started again; its end is awaited
  backoff,      ///< it ended; waiting to be started again
  failed,       ///< it ended too often; a slow probe tries again now and then
  quarantined,  ///< not admitted: no such file, wrong options; looked at again now and then
  ended,        ///< it ended, and its strategy does not start it again
  // SIGKILL does not end it, because it waits in the kernel. No other is started while it is there.
  unkillable,             ///< it failed; back-off follows once it has ended
  unkillable_stopping,    ///< it is not wanted any more
  unkillable_restarting,  ///< to be started again as soon as it has ended
};
constexpr std::size_t kPluginPhases = 13;

enum class PluginEvent : std::uint8_t {
  enable,      ///< it is to run
  hold,        ///< it is to run, once the back-off of an earlier life is over
  hold_often,  ///< the same, and it had failed too often
  ready,       ///< created
  refuse,      ///< it cannot be admitted as it is configured
  overrun,     ///< over a deadline: of a poll, or of the start
  garbage,     ///< what it sent is no protocol, or over a limit
  exit,        ///< the process ended, or could not be started
  exit_often,  ///< the same, once too often within the time allowed
  exit_final,  ///< the same, and its strategy does not start it again
  timer,       ///< the timer of the state's action ran out
  disable,     ///< it is not to run any more
  recycle,     ///< it grew towards a limit: a fresh process is to take over; no failure
  restart,     ///< it is to be ended and started again, by an operator's wish
  reset,       ///< what happened is forgiven; try at once
  stuck,       ///< killed a while ago, and still there
  replace,     ///< another process, proven by a poll, is there in place of the one that was
};
constexpr std::size_t kPluginEvents = 17;

enum class PluginAction : std::uint8_t {
  none,
  spawn,  ///< start a process, and the timer of the start's deadline
  admit,  ///< begin to poll; drop the timer
  kill,   ///< SIGKILL to its process group, and the timer after which it is stuck
  ask,    ///< send Stop, and start the timer after which it is killed
  wait,   ///< start the back-off timer
  probe,  ///< start the slow timer of failed and quarantined
  rest,   ///< drop the timer: nothing is left to do
  drop,   ///< kill what runs, and start the slow timer
  fence,  ///< wait for its end for as long as that takes; drop the timer
};

struct Transition {
  PluginPhase next;
  PluginAction action;
  friend bool operator==(const Transition&, const Transition&) = default;
};

/// The table itself. An event that means nothing in a state leaves it, with action none.
[[nodiscard]] Transition transition(PluginPhase phase, PluginEvent event);

/// Whether it waits for the end of a process that cannot be killed.
[[nodiscard]] constexpr bool is_unkillable(PluginPhase phase) {
  return phase == PluginPhase::unkillable || phase == PluginPhase::unkillable_stopping ||
         phase == PluginPhase::unkillable_restarting;
}

/// "running", "back-off" …: as status, log and messages say it.
[[nodiscard]] const char* phase_name(PluginPhase phase);

/// What follows when a host ends that nobody told to, as in OTP.
enum class Strategy : std::uint8_t {
  permanent,  ///< it is started again
  transient,  ///< it is started again, unless it ended by itself with status 0
  temporary,  ///< it is not started again
};

/// As configuration and status say it.
[[nodiscard]] const char* strategy_name(Strategy strategy);

struct SupervisorOptions {
  Ns backoff_min = 100 * kMillisecond;
  Ns backoff_max = 60 * kSecond;
  unsigned max_restarts = 8;  ///< more ends than this within `within` make it failed
  Ns within = 120 * kSecond;
  Ns probe = 60 * kSecond;  ///< between two tries of one that failed or is quarantined
  unsigned proven = 3;      ///< so many good polls in a row forgive what was before
};

/// What of a supervisor outlives the agent. All instants are wall instants, since the boot clock
/// may begin anew.
struct SupervisorMemory {
  bool failed = false;    ///< it ended too often
  unsigned failures = 0;  ///< ends since it was last proven
  std::vector<Ns> ends;   ///< the latest of them, ascending
  Ns next_try = 0;        ///< when it is due to be started again; 0 = it is not waiting
  friend bool operator==(const SupervisorMemory&, const SupervisorMemory&) = default;
};

/// The table with its counters. Owned by an Instance; not thread-safe.
class Supervisor {
 public:
  Supervisor(const SupervisorOptions& options, Strategy strategy, std::uint64_t seed);

  /// What an earlier life remembers, before the first event: counts go on where they were, and the
  /// first `enable` waits out what is left of the back-off (it becomes `hold` or `hold_often`).
  /// Forgotten when the last end is longer ago than the window. The memory is not trusted: no wait
  /// is longer than it would be now.
  void recall(const SupervisorMemory& memory, Ns wall, Ns boot);
  [[nodiscard]] SupervisorMemory memory(Ns wall, Ns boot) const;

  /// All of it as values, within one boot, and again as a supervisor: it goes on as if it had not
  /// been interrupted.
  struct Saved {
    PluginPhase phase = PluginPhase::disabled;
    Ns delay = 0;
    Ns due = 0;
    std::optional<PluginEvent> held;
    std::uint64_t spawns = 0;
    unsigned failures = 0;
    unsigned good_polls = 0;
    std::vector<Ns> ends;
    std::string random;  ///< the generator, as its operator<< writes it
  };
  [[nodiscard]] Saved save() const;
  void restore(const Saved& saved);

  /// Takes the event (`exit` becomes `exit_often` or `exit_final` by itself) and says what to do.
  /// `boot` is now; `clean`, of an exit: by itself with status 0.
  PluginAction take(PluginEvent event, Ns boot, bool clean = false);
  void good_poll();

  [[nodiscard]] PluginPhase phase() const { return phase_; }
  /// How long the timer of the last `wait`, `probe` or `drop` runs.
  [[nodiscard]] Ns delay() const { return delay_; }
  /// Whether there is anything to remember.
  [[nodiscard]] bool blemished() const { return failures_ > 0; }
  /// Processes started after the first one, but for those that `recycle` asked for.
  [[nodiscard]] std::uint64_t restarts() const { return spawns_ > 0 ? spawns_ - 1 : 0; }

 private:
  [[nodiscard]] Ns jittered(Ns length);
  void count_failure(Ns boot);
  [[nodiscard]] PluginEvent exit_event(Ns boot, bool clean) const;
  void forgive();

  SupervisorOptions options_;
  Strategy strategy_;
  std::minstd_rand random_;
  PluginPhase phase_ = PluginPhase::disabled;
  Ns delay_ = 0;
  Ns due_ = 0;                       ///< boot instant at which that timer runs out
  std::optional<PluginEvent> held_;  ///< what the first `enable` becomes
  std::uint64_t spawns_ = 0;
  unsigned failures_ = 0;    ///< since it was last proven: ends, and kills for a failure
  unsigned good_polls_ = 0;  ///< since the last end
  std::deque<Ns> ends_;      ///< boot instants of these, the latest max_restarts + 1
};

}  // namespace tallyman::agent
