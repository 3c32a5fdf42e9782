#pragma once
// An instance as values: what a program that is executed in place of this one needs in order to go
// on with it as if nothing had happened.

#include <optional>
#include <string>

#include "agent/config.hpp"
#include "agent/instance/host_process.hpp"
#include "agent/instance/plugin_store.hpp"
#include "agent/instance/recorder.hpp"
#include "agent/instance/schedule.hpp"
#include "agent/instance/steering.hpp"
#include "agent/instance/supervisor.hpp"

namespace tallyman::agent {

/// A poll under way.
struct Flight {
  std::uint64_t number = 0;
  Ns scheduled = 0;
  Ns boot = 0;      ///< when it was sent
  Ns deadline = 0;  ///< boot instant when it is over
  Ns late = 0;      ///< how long after its instant
  bool stepped = false;
  bool trial = false;  ///< by the successor
  std::uint64_t readings = 0;
};

/// What a plugin's file declared when it was last loaded.
struct KnownNeeds {
  Hash digest{};
  Needs needs;
  std::vector<OptionDef> options;
  friend bool operator==(const KnownNeeds&, const KnownNeeds&) = default;
};

/// A poll that waits for the process that takes over, or for the end of the one before.
struct HeldPoll {
  Ns scheduled = 0;
  bool stepped = false;
};

/// Members as those of Instance with the same names.
struct InstanceState {
  InstanceConfig config;  ///< what it runs with, whatever its file says by now
  Supervisor::Saved supervisor;
  Ns covered = 0;
  wire::Cause since = wire::Cause::agent_down;
  std::optional<Disabled> disabled;
  std::optional<PluginEvent> asked;
  std::optional<Schedule::Saved> schedule;
  Recorder::Saved recorder;
  std::optional<HostState> host;
  std::string since_why;
  std::optional<StoredPlugin> version;
  std::optional<StoredPlugin> next;
  std::optional<StoredPlugin> ran, before, pinned;
  bool refused = false;
  std::optional<Described> described;
  std::vector<KnownNeeds> needs;
  std::string surplus;
  std::optional<Flight> flight;
  std::uint64_t polls_sent = 0;
  pid_t plugin_pid = 0;
  Ns phase_due = 0;  ///< boot instant of the phase's timer; 0 = it does not run
  PluginEvent phase_event = PluginEvent::timer;
  bool waiting = false;
  Ns stuck_since = 0;
  std::string stuck;
  pid_t host_pid = 0;
  bool recycling = false;
  std::optional<HeldPoll> held;
  std::uint64_t recycled = 0;
  std::string recycled_why;
  std::optional<Usage> first_usage;
  Ns cpu_before = 0;
  std::uint64_t received_before = 0;
  Ns cpu = 0;
  std::uint64_t output_dropped = 0;
  Fault failure;
  std::string last_cause;
  Ns spawned = 0;
  std::optional<wire::Poll> latest;
  Ns last_took = 0;
  std::uint64_t readings = 0;
  std::uint64_t gaps = 0;
};

}  // namespace tallyman::agent
