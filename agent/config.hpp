#pragma once
// What the agent is told: agent.toml, and one file per plugin instance in plugins.d. Pure but for
// reading those files; every error of every file is gathered, with its position.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/host_protocol.hpp"
#include "agent/instance/limits.hpp"
#include "agent/instance/supervisor.hpp"
#include "agent/isolation/grants.hpp"
#include "agent/isolation/user.hpp"
#include "agent/spool/spool.hpp"
#include "app/config.hpp"
#include "app/key.hpp"
#include "app/log.hpp"
#include "base/clock.hpp"

namespace tallyman::agent {

constexpr Ns kDefaultInterval = kMinute;
constexpr Ns kMinInterval = 10 * kMillisecond;
constexpr Ns kDefaultDeadline = 5 * kSecond;

/// One plugin instance: plugins.d/NAME.toml.
struct InstanceConfig {
  std::string name;    ///< the file's name without .toml
  std::string file;    ///< the configuration file
  std::string plugin;  ///< as written: a name to look up, or an absolute path
  bool enabled = true;
  Ns interval = kDefaultInterval;
  Ns deadline = kDefaultDeadline;  ///< at most the interval
  Limits limits;
  Grants grants;
  User user;  ///< who it runs as: the one granted, or a uid of its own
  Strategy restart = Strategy::permanent;
  std::vector<HostOption> options;
  friend bool operator==(const InstanceConfig&, const InstanceConfig&) = default;
};

struct AgentConfig {
  std::string file;
  std::string agent;  ///< the stable id of this host: [A-Za-z0-9._-]{1,64}
  std::string state_directory;
  std::string socket;
  std::vector<std::string> plugin_directories;   ///< searched in order, then those not in it of:
  std::vector<std::string> drop_in_directories;  ///< what is placed there is run
  std::string plugin_host;
  std::string plugin_configuration;
  UidRange plugin_uids;
  log::Level log_level = log::Level::info;
  std::vector<std::string> endpoints;  ///< of the rater; none = spool only
  std::string key_file;                ///< of the own key pair
  std::string rater_key;               ///< public, Z85; empty = the link is plain
  app::KeyPair key;                    ///< as load_key() found it
  bool compress = false;               ///< batches on the link to the rater
  SpoolOptions spool;
  Ns group_commit = kSecond;
  std::vector<InstanceConfig> instances;  ///< ascending by name; disabled ones too
};

/// What the configuration's defaults depend on.
struct ConfigDefaults {
  std::string host_name;  ///< default of `agent`
  std::string program;    ///< absolute path of tallyman-agent
  std::string socket;     ///< instead of the configured one, unless empty
  /// As they are for this process.
  static ConfigDefaults of_this_process();
};

/// Reads everything. With errors the result is only good for being thrown away.
[[nodiscard]] AgentConfig load_config(const std::string& file, const ConfigDefaults& defaults,
                                      app::ConfigErrors& errors);

/// Reads one file of plugins.d.
[[nodiscard]] InstanceConfig load_instance(const std::string& file, app::ConfigErrors& errors);

/// Reads the own key pair if the link is to be encrypted. Not part of load_config(): who only looks
/// for the socket need not be allowed to read it.
void load_key(AgentConfig& config, app::ConfigErrors& errors);

/// Adds an error for each program and plugin file that is named and not there: `--check` asks for
/// it, a start does not (an absent plugin leaves the others running).
void check_files(const AgentConfig& config, app::ConfigErrors& errors);

/// The name of the plugin that a file of this name holds: "netif" for "netif.so". Empty for files
/// that hold none: hidden ones, and what editors, package managers and downloads leave behind.
[[nodiscard]] std::string plugin_of(std::string_view file_name);

/// Whether the file is one that is run without being configured.
[[nodiscard]] bool is_drop_in(const AgentConfig& config, const std::string& path);

/// The plugin's file: an absolute path as it is, a name as NAME.so in the first directory that has
/// it; empty when there is none.
[[nodiscard]] std::string find_plugin(const AgentConfig& config, const std::string& plugin);

/// Every plugin in the directories, in order.
struct PluginFile {
  std::string name;
  std::string path;
};
[[nodiscard]] std::vector<PluginFile> available_plugins(const AgentConfig& config);

/// [A-Za-z0-9._-]{1,64}, not beginning with a dot.
[[nodiscard]] bool is_name(std::string_view text);

}  // namespace tallyman::agent
