#pragma once
// What `tallyman status` is told, as values and as the one JSON document. The JSON library is
// included by status.cpp and requests.cpp only.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/host_protocol.hpp"
#include "agent/instance/steering.hpp"
#include "agent/spool/spool.hpp"
#include "base/clock.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

struct PluginStatus {
  std::string instance, plugin, version, file;
  std::string state, why;
  std::optional<Disabled> disabled;
  std::string restart;  ///< its strategy
  pid_t pid = 0;        ///< 0 = none
  Ns uptime = 0;        ///< of its process
  std::uint64_t restarts = 0;
  std::string last_cause;  ///< of the last failure, in words; empty = none yet
  Ns last_poll = 0;        ///< wall instant of the last good poll; 0 = none yet
  Ns last_poll_took = 0;
  Ns interval = 0, deadline = 0;
  std::uint64_t readings = 0;  ///< since the agent started
  std::uint64_t series = 0;    ///< in the last good poll
  std::uint64_t gaps = 0;      ///< instants without a reading since the agent started
  std::string notes;           ///< what befell it that is no failure; may be empty
  std::string digest;          ///< of the version that runs, or is started next; may be empty
  std::string before;          ///< of the one that ran before; may be empty
  std::string isolation;       ///< what is in force; empty while no process runs
  std::optional<Needs> needs;  ///< as the plugin declares them; nothing = not known yet
  Needs grants;                ///< as configured
};

struct LinkStatus {
  std::string rater;  ///< the endpoint in use; empty = none configured
  std::string state, why;
  std::string note;  ///< what last befell the agent's identity (diverged, moved …); may be empty
  Ns noted = 0;      ///< wall instant of that
  Ns last_ack = 0;   ///< wall instant, 0 = none yet
  std::uint64_t acknowledged = 0;
  std::uint64_t ledger = 0;
  Ns clock_offset = 0;               ///< the rater's wall clock minus this one
  std::string compression = "none";  ///< of batches, as agreed with the rater: or "zstd"
};

struct AgentStatus {
  std::string agent, configuration_file, configuration_error;
  wire::Incarnation incarnation{};
  pid_t pid = 0;
  Ns time = 0;
  Ns uptime = 0;
  std::uint64_t reexecs = 0;  ///< programs of this process before this one
  std::vector<PluginStatus> plugins;
  std::string spool_directory;
  SpoolStats spool;
  LinkStatus link;
};

/// One line of JSON, no newline.
[[nodiscard]] std::string to_json(const AgentStatus& status);
/// {"event":{"time","plugin","what"}}; an empty plugin is the agent itself.
[[nodiscard]] std::string event_json(Ns time, const std::string& plugin, const std::string& what);

/// What a re-exec came to, as the new program says it.
struct ReexecOutcome {
  std::string version;
  std::string before;       ///< version of the program before it
  std::size_t plugins = 0;  ///< processes that were taken over
  Ns took = 0;              ///< during which nobody polled
};
/// {"reexec":{"version","before","plugins","took_ms"}}
[[nodiscard]] std::string to_json(const ReexecOutcome& outcome);
/// The same in words.
[[nodiscard]] std::string words_of(const ReexecOutcome& outcome);

/// A row of `tallyman plugin list`.
struct PluginRow {
  std::string plugin, instance, version, state, file, why;
  std::optional<Needs> needs, grants;  ///< nothing = not known, not configured
};
[[nodiscard]] std::string to_json(const std::vector<PluginRow>& rows);

}  // namespace tallyman::agent
