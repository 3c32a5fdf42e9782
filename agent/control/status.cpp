#include "agent/control/status.hpp"

#include <nlohmann/json.hpp>

#include "base/time_text.hpp"

namespace tallyman::agent {
namespace {

using nlohmann::ordered_json;

ordered_json instant(Ns wall) {
  return wall == 0 ? ordered_json() : ordered_json(to_rfc3339(wall));
}

// Whole numbers stay whole; this is for people and their charts, not for billing.
double seconds(Ns length) { return static_cast<double>(length) / 1e9; }
double milliseconds(Ns length) {
  const Ns microseconds = length / kMicrosecond;
  return static_cast<double>(microseconds) / 1e3;
}

// Names and reasons come from plugins and files: whatever their bytes are, the answer is JSON.
std::string line(const ordered_json& document) {
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json disabled_json(const std::optional<Disabled>& disabled) {
  if (!disabled) return {};
  return {{"who", disabled->who}, {"when", instant(disabled->when)}, {"why", disabled->why}};
}

ordered_json needs_json(const std::optional<Needs>& needs) {
  if (!needs) return {};
  return {{"user", needs->user.empty() ? ordered_json() : ordered_json(needs->user)},
          {"capabilities", needs->capabilities},
          {"paths", needs->paths},
          {"network", needs->network}};
}

ordered_json plugin_json(const PluginStatus& plugin) {
  return {
      {"instance", plugin.instance},
      {"plugin", plugin.plugin},
      {"version", plugin.version},
      {"file", plugin.file},
      {"digest", plugin.digest},
      {"before", plugin.before},
      {"state", plugin.state},
      {"why", plugin.why},
      {"disabled", disabled_json(plugin.disabled)},
      {"restart", plugin.restart},
      {"pid", plugin.pid},
      {"uptime_seconds", plugin.uptime / kSecond},
      {"restarts", plugin.restarts},
      {"last_cause", plugin.last_cause},
      {"last_poll", instant(plugin.last_poll)},
      {"last_poll_ms", milliseconds(plugin.last_poll_took)},
      {"interval_seconds", seconds(plugin.interval)},
      {"deadline_seconds", seconds(plugin.deadline)},
      {"readings", plugin.readings},
      {"series", plugin.series},
      {"gaps", plugin.gaps},
      {"notes", plugin.notes},
      {"isolation", plugin.isolation},
      {"needs", needs_json(plugin.needs)},
      {"grants", needs_json(plugin.grants)},
  };
}

ordered_json spool_json(const AgentStatus& status) {
  const SpoolStats& spool = status.spool;
  return {
      {"directory", status.spool_directory},
      {"bytes", spool.bytes},
      {"limit_bytes", spool.limit_bytes},
      {"batches", spool.batches},
      {"unacknowledged_bytes", spool.unacknowledged_bytes},
      {"oldest", instant(spool.oldest)},
      {"last_durable", instant(spool.last_durable)},
      {"sealed", spool.sealed},
      {"acknowledged", spool.acknowledged},
      {"kept_bytes", spool.kept_bytes},
      {"thinned_bytes", spool.thinned_bytes},
      {"gauges_thinned", spool.gauges_thinned},
      {"lost_batches", spool.lost_batches},
      {"trouble", spool.trouble},
  };
}

ordered_json link_json(const AgentStatus& status) {
  const LinkStatus& link = status.link;
  return {
      {"rater", link.rater.empty() ? ordered_json() : ordered_json(link.rater)},
      {"state", link.state},
      {"why", link.why},
      {"note", link.note},
      {"noted", instant(link.noted)},
      {"last_ack", instant(link.last_ack)},
      {"acknowledged", link.acknowledged},
      {"unacknowledged_batches", status.spool.batches},
      {"unacknowledged_bytes", status.spool.unacknowledged_bytes},
      {"ledger", link.ledger},
      {"clock_offset_ms", link.clock_offset / kMillisecond},
      {"compression", link.compression},
  };
}

}  // namespace

std::string to_json(const AgentStatus& status) {
  ordered_json plugins = ordered_json::array();
  for (const PluginStatus& plugin : status.plugins) plugins.push_back(plugin_json(plugin));
  ordered_json configuration{
      {"file", status.configuration_file},
      {"error", status.configuration_error},
  };
  return line({
      {"agent", status.agent},
      {"incarnation", to_hex(status.incarnation)},
      {"version", TALLYMAN_VERSION},
      {"pid", status.pid},
      {"time", to_rfc3339(status.time)},
      {"uptime_seconds", status.uptime / kSecond},
      {"reexecs", status.reexecs},
      {"configuration", std::move(configuration)},
      {"plugins", std::move(plugins)},
      {"spool", spool_json(status)},
      {"link", link_json(status)},
  });
}

std::string to_json(const ReexecOutcome& outcome) {
  ordered_json reexec{
      {"version", outcome.version},
      {"before", outcome.before},
      {"plugins", outcome.plugins},
      {"took_ms", milliseconds(outcome.took)},
  };
  return line({{"reexec", std::move(reexec)}});
}

std::string words_of(const ReexecOutcome& outcome) {
  return "re-executed: version " + outcome.version + " (before: " + outcome.before + "), " +
         std::to_string(outcome.plugins) + " plugin processes kept, took " +
         to_duration_text(outcome.took / kMillisecond * kMillisecond);
}

std::string event_json(Ns time, const std::string& plugin, const std::string& what) {
  ordered_json event{
      {"time", to_rfc3339(time)},
      {"plugin", plugin.empty() ? ordered_json() : ordered_json(plugin)},
      {"what", what},
  };
  ordered_json document;
  document["event"] = std::move(event);
  return line(document);
}

std::string to_json(const std::vector<PluginRow>& rows) {
  ordered_json plugins = ordered_json::array();
  for (const PluginRow& row : rows) {
    plugins.push_back({
        {"plugin", row.plugin},
        {"instance", row.instance.empty() ? ordered_json() : ordered_json(row.instance)},
        {"version", row.version},
        {"state", row.state},
        {"file", row.file},
        {"why", row.why},
        {"needs", needs_json(row.needs)},
        {"grants", needs_json(row.grants)},
    });
  }
  ordered_json document;
  document["plugins"] = std::move(plugins);
  return line(document);
}

}  // namespace tallyman::agent
