#include "agent/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "agent/isolation/grants_config.hpp"
#include "agent/utf8.hpp"
#include "app/socket.hpp"
#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;
using app::ConfigErrors;
using app::ConfigTable;

constexpr const char* kNameShape = "1 to 64 letters, digits, `.`, `_` or `-`";
constexpr const char* kAgentShape =
    "1 to 128 letters, digits, `.`, `_`, `-` or `:`, not beginning with `.` or `-`";
constexpr const char* kInstalledHost = "/usr/lib/tallyman/tallyman-plugin-host";

std::string beside(const std::string& file, const std::string& path) {
  fs::path p(path);
  if (p.is_absolute()) return path;
  return (fs::absolute(file).parent_path() / p).lexically_normal();
}

/// The same folder is always written the same.
std::string folder(const std::string& file, const std::string& path) {
  std::string out = fs::path(beside(file, path)).lexically_normal();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

std::vector<std::string> plugin_folders(const AgentConfig& config) {
  std::vector<std::string> folders = config.plugin_directories;
  for (const std::string& folder : config.drop_in_directories) {
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string default_plugin_host(const std::string& program) {
  std::string near = fs::path(program).parent_path() / "tallyman-plugin-host";
  return exists(near) ? near : kInstalledHost;
}

log::Level log_level(ConfigTable& root) {
  static constexpr std::array<std::string_view, 4> names{"debug", "info", "warning", "error"};
  std::string word = root.choice("log_level", names, "info");
  auto at = std::find(names.begin(), names.end(), word);
  return static_cast<log::Level>(at - names.begin());
}

Strategy restart_strategy(ConfigTable& root) {
  static constexpr std::array<std::string_view, 3> names{"permanent", "transient", "temporary"};
  std::string word = root.choice("restart", names, "permanent");
  auto at = std::find(names.begin(), names.end(), word);
  return static_cast<Strategy>(at - names.begin());
}

void check_endpoint(ConfigTable& rater, const char* key, const std::string& endpoint,
                    bool encrypted) {
  if (!endpoint.starts_with("tcp://") && !endpoint.starts_with("ipc://")) {
    rater.complain(key, "`" + endpoint + "` is no endpoint", "tcp://HOST:PORT or ipc://PATH");
  } else if (!encrypted && !app::is_loopback(endpoint)) {
    rater.complain(
        key, "`" + endpoint + "` is not on this machine: a link over a network needs CURVE keys",
        "`rater_key` beside it (what `tallyman-rater key show` says), and a key of this "
        "host (`tallyman key new`)");
  }
}

void read_rater(ConfigTable rater, AgentConfig& config) {
  const char* key = rater.has("endpoints") ? "endpoints" : "endpoint";
  if (rater.has("endpoints")) {
    config.endpoints = rater.texts("endpoints");
    if (config.endpoints.empty()) {
      rater.complain("endpoints", "no endpoint named", "at least one");
    }
    if (rater.has("endpoint")) {
      rater.complain("endpoint", "both `endpoint` and `endpoints` are given", "one of them");
    }
  } else if (rater.has("endpoint")) {
    config.endpoints.push_back(rater.text("endpoint", ""));
  }
  const bool encrypted = rater.has("rater_key");
  if (rater.has("key") && !encrypted) {
    rater.complain("key", "a key without the rater's",
                   "`rater_key` beside it: what `tallyman-rater key show` says");
  }
  config.key_file = beside(config.file, rater.text("key", "agent.key"));
  config.rater_key = rater.text("rater_key", "");
  if (encrypted && !app::is_key(config.rater_key)) {
    rater.complain("rater_key", "this is no key",
                   "40 characters, as `tallyman-rater key show` writes them");
  }
  static constexpr std::array<std::string_view, 2> compressions{"none", "zstd"};
  config.compress = rater.choice("compression", compressions, "none") == "zstd";
  for (const std::string& endpoint : config.endpoints) {
    check_endpoint(rater, key, endpoint, encrypted);
  }
  rater.finish();
}

void read_spool(ConfigTable table, AgentConfig& config) {
  SpoolOptions& spool = config.spool;
  spool.directory = config.state_directory + "/spool";
  spool.limit_bytes = table.size("limit", spool.limit_bytes, 16U << 20U, 1ULL << 50U);
  spool.keep_acknowledged = table.duration("keep_acknowledged", 48 * kHour, 0, 365 * kDay);
  spool.seal_after = table.duration("seal_after", spool.seal_after, 100 * kMillisecond, kHour);
  spool.seal_bytes = table.size("seal_size", spool.seal_bytes, 1U << 10U, 1U << 20U);
  spool.segment_bytes = table.size("segment_size", spool.segment_bytes, 16U << 10U, 64U << 20U);
  config.group_commit =
      table.duration("group_commit", config.group_commit, 10 * kMillisecond, kSecond);
  table.finish();
}

/// Options that the plugin's process would be refused for, told where they stand.
void check_option(const fs::path& path, const app::FlatOption& option, std::size_t& bytes,
                  ConfigErrors& errors) {
  auto complain = [&](const std::string& what, const std::string& expected) {
    errors.add({path, option.line, option.column, what, expected});
  };
  const std::size_t before = bytes;
  bytes += option.key.size();
  if (option.key.size() > wire::kMaxNameBytes || !is_plain_text(option.key)) {
    complain(
        "an option's key is too long or no plain text",
        "at most " + std::to_string(wire::kMaxNameBytes) + " bytes without control characters");
  }
  for (const std::string& value : option.values) {
    bytes += value.size() + sizeof(std::uint32_t);
    if (value.size() > kMaxOptionBytes) {
      complain("`" + option.key + "` has a value of " + std::to_string(value.size()) + " bytes",
               "at most " + std::to_string(kMaxOptionBytes));
    } else if (!is_plain_text(value)) {
      complain("`" + option.key + "` has a value with control characters", "plain text");
    }
  }
  if (before <= kMaxOptionsBytes && bytes > kMaxOptionsBytes) {
    complain("the options up to `" + option.key + "` have " + std::to_string(bytes) + " bytes",
             "at most " + std::to_string(kMaxOptionsBytes) + " in all");
  }
}

Limits read_limits(ConfigTable table) {
  Limits limits;
  auto count = [&](const char* key, unsigned fallback, unsigned min, unsigned max) {
    return static_cast<unsigned>(table.integer(key, fallback, min, max));
  };
  limits.memory = table.size("memory", limits.memory, 16U << 20U, 1ULL << 40U);
  limits.descriptors = count("descriptors", limits.descriptors, 16, 65536);
  limits.processes = count("processes", limits.processes, 1, kMostProcesses);
  limits.cpu = table.duration("cpu", limits.cpu, 100 * kMillisecond, kHour);
  limits.readings = count("readings", kMaxPollReadings, 1, kMaxPollReadings);
  limits.bytes = table.size("bytes", limits.bytes, 64U << 10U, 1U << 30U);
  limits.log_lines = count("log_lines", limits.log_lines, 0, 10000);
  table.finish();
  return limits;
}

InstanceConfig read_instance(const fs::path& path, ConfigErrors& errors) {
  app::ConfigFile file = app::ConfigFile::load(path, errors);
  ConfigTable root = file.root();
  InstanceConfig instance;
  instance.file = path;
  instance.name = path.stem();
  if (!is_name(instance.name)) {
    errors.add({path, 0, 0, "`" + instance.name + "` is no instance name", kNameShape});
  }
  instance.plugin = root.required_text("plugin");
  bool is_path = instance.plugin.find('/') != std::string::npos;
  if (!instance.plugin.empty() &&
      (is_path ? !fs::path(instance.plugin).is_absolute() : !is_name(instance.plugin))) {
    root.complain("plugin", "`" + instance.plugin + "` names no plugin",
                  "a name such as netif, or an absolute path");
  }
  instance.enabled = root.boolean("enabled", true);
  instance.interval = root.duration("interval", kDefaultInterval, kMinInterval, kDay);
  instance.deadline = std::min(instance.interval, kDefaultDeadline);
  instance.deadline = root.duration("deadline", instance.deadline, kMillisecond, kDay);
  if (instance.deadline > instance.interval) {
    root.complain(
        "deadline",
        "a deadline of " + to_duration_text(instance.deadline) + " is longer than the interval",
        "at most " + to_duration_text(instance.interval));
  }
  instance.limits = read_limits(root.table("limits"));
  GrantsConfig granted = read_grants(root.table("grants"));
  instance.grants = std::move(granted.grants);
  instance.user = granted.user.value_or(User{});
  instance.restart = restart_strategy(root);
  std::size_t bytes = 0;
  for (app::FlatOption& option : root.table("options").flatten()) {
    check_option(path, option, bytes, errors);
    instance.options.push_back({std::move(option.key), std::move(option.values)});
  }
  root.finish();
  return instance;
}

void read_instances(AgentConfig& config, bool must_exist, ConfigTable& root, ConfigErrors& errors) {
  std::error_code problem;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(config.plugin_configuration, problem), end; !problem && at != end;
       at.increment(problem)) {
    const fs::path& path = at->path();
    if (path.extension() == ".toml" && !path.filename().string().starts_with('.')) {
      files.push_back(path);
    }
  }
  if (problem && (must_exist || problem != std::errc::no_such_file_or_directory)) {
    root.complain(
        "plugin_configuration",
        "cannot read the folder `" + config.plugin_configuration + "`: " + problem.message(),
        "a folder of NAME.toml files");
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files) config.instances.push_back(read_instance(path, errors));
}

/// A uid of its own for each instance that is granted no user. Instances ascend by name.
void give_uids(AgentConfig& config, ConfigTable& root) {
  std::set<uid_t> taken;
  for (const InstanceConfig& instance : config.instances) {
    if (!instance.grants.user.empty()) taken.insert(instance.user.uid);
  }
  for (InstanceConfig& instance : config.instances) {
    if (!instance.grants.user.empty()) continue;
    const std::optional<uid_t> uid = draw_uid(instance.name, taken, config.plugin_uids);
    if (!uid) {
      root.complain("plugin_uids", "fewer uids than plugin instances",
                    "a range of at least " + std::to_string(config.instances.size()));
      return;
    }
    taken.insert(*uid);
    instance.user = {*uid, *uid, {}};
  }
}

}  // namespace

ConfigDefaults ConfigDefaults::of_this_process() {
  ConfigDefaults defaults;
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) == 0) defaults.host_name = name.data();
  std::error_code problem;
  defaults.program = fs::read_symlink("/proc/self/exe", problem);
  return defaults;
}

bool is_name(std::string_view text) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), fits);
}

AgentConfig load_config(const std::string& file, const ConfigDefaults& defaults,
                        ConfigErrors& errors) {
  AgentConfig config;
  app::ConfigFile parsed = app::ConfigFile::load(file, errors);
  ConfigTable root = parsed.root();
  config.file = file;
  config.agent = root.text("agent", defaults.host_name);
  if (!wire::is_agent_id(config.agent)) {
    root.complain("agent", "`" + config.agent + "` is no agent id", kAgentShape);
  }
  auto path = [&](const char* key, const std::string& fallback) {
    return beside(file, root.text(key, fallback));
  };
  config.state_directory = path("state_directory", "/var/lib/tallyman");
  config.socket = path("socket", "/run/tallyman/agent.sock");
  if (!defaults.socket.empty()) config.socket = defaults.socket;
  config.plugin_directories = root.texts(
      "plugin_directories", {"/usr/lib/tallyman/plugins", "/usr/local/lib/tallyman/plugins"});
  config.drop_in_directories =
      root.texts("drop_in_directories", {"/usr/local/lib/tallyman/plugins"});
  for (auto* directories : {&config.plugin_directories, &config.drop_in_directories}) {
    for (std::string& directory : *directories) directory = folder(file, directory);
  }
  config.plugin_host = path("plugin_host", default_plugin_host(defaults.program));
  bool named = root.has("plugin_configuration");
  config.plugin_configuration = path("plugin_configuration", "plugins.d");
  config.plugin_uids = read_uid_range(root);
  config.log_level = log_level(root);
  read_rater(root.table("rater"), config);
  read_spool(root.table("spool"), config);
  root.finish();
  read_instances(config, named, root, errors);
  give_uids(config, root);
  return config;
}

InstanceConfig load_instance(const std::string& file, ConfigErrors& errors) {
  return read_instance(file, errors);
}

void load_key(AgentConfig& config, ConfigErrors& errors) {
  config.key = {};
  if (!config.rater_key.empty()) config.key = app::load_key_pair(config.key_file, errors);
}

void check_files(const AgentConfig& config, ConfigErrors& errors) {
  if (access(config.plugin_host.c_str(), X_OK) != 0) {
    errors.add({config.file, 0, 0, "no plugin host at `" + config.plugin_host + "`",
                "an executable: set plugin_host"});
  }
  for (const InstanceConfig& instance : config.instances) {
    if (!instance.enabled || !find_plugin(config, instance.plugin).empty()) continue;
    std::string folders;
    for (const std::string& directory : plugin_folders(config)) {
      folders += (folders.empty() ? "" : ", ") + directory;
    }
    bool is_path = fs::path(instance.plugin).is_absolute();
    errors.add({instance.file, 0, 0, "no plugin `" + instance.plugin + "`",
                is_path ? "a file" : instance.plugin + ".so in one of " + folders});
  }
}

std::string plugin_of(std::string_view file_name) {
  constexpr std::string_view kEnding = ".so";
  if (!file_name.ends_with(kEnding)) return {};
  file_name.remove_suffix(kEnding.size());
  static constexpr std::array<std::string_view, 6> kLeftBehind{".dpkg-", ".rpm",  ".tmp",
                                                               ".swp",   ".part", ".new"};
  for (std::string_view mark : kLeftBehind) {
    if (file_name.find(mark) != std::string_view::npos) return {};
  }
  return is_name(file_name) ? std::string(file_name) : "";
}

bool is_drop_in(const AgentConfig& config, const std::string& path) {
  const std::string folder = fs::path(path).parent_path();
  const auto& folders = config.drop_in_directories;
  return std::find(folders.begin(), folders.end(), folder) != folders.end();
}

std::string find_plugin(const AgentConfig& config, const std::string& plugin) {
  if (fs::path(plugin).is_absolute()) return exists(plugin) ? plugin : "";
  for (const std::string& directory : plugin_folders(config)) {
    std::string path = fs::path(directory) / (plugin + ".so");
    if (exists(path)) return path;
  }
  return {};
}

std::vector<PluginFile> available_plugins(const AgentConfig& config) {
  std::vector<PluginFile> found;
  for (const std::string& directory : plugin_folders(config)) {
    std::size_t first = found.size();
    std::error_code problem;
    for (fs::directory_iterator at(directory, problem), end; !problem && at != end;
         at.increment(problem)) {
      const fs::path& path = at->path();
      const std::string name = plugin_of(path.filename().string());
      if (!name.empty() && exists(path)) found.push_back({name, path});
    }
    std::sort(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(),
              [](const PluginFile& a, const PluginFile& b) { return a.name < b.name; });
  }
  return found;
}

}  // namespace tallyman::agent
