#include "agent/cli/status_view.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/table.hpp"
#include "base/time_text.hpp"

namespace tallyman::cli {
namespace {

using app::Cell;
using app::Colour;
using app::human_bytes;
using app::human_seconds;
using app::paint;
using nlohmann::json;

json parse(std::string_view text) {
  json out = json::parse(text, nullptr, false);
  return out.is_object() ? out : json::object();
}

/// Members may be absent or null, from an older or newer agent: neither is an error here.
std::string text_of(const json& object, const char* key, const char* absent = "–") {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return absent;
  if (!it->is_string()) return it->dump();
  return it->get_ref<const std::string&>().empty() ? absent : it->get<std::string>();
}

std::int64_t number_of(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<std::int64_t>() : 0;
}

const json& part(const json& object, const char* key) {
  static const json kEmpty = json::object();
  const auto it = object.find(key);
  return it != object.end() ? *it : kEmpty;
}

Colour colour_of_state(const std::string& state) {
  if (state == "running" || state == "connected") return Colour::good;
  if (state == "failed" || state == "quarantined" || state == "ended" || state == "refused" ||
      state == "unkillable") {
    return Colour::bad;
  }
  return Colour::warn;
}

/// "3s ago" of an RFC 3339 member, by the agent's own clock.
std::string ago(const json& object, const char* key, const json& status) {
  const auto then = from_rfc3339(text_of(object, key, ""));
  const auto now = from_rfc3339(text_of(status, "time", ""));
  if (!then || !now) return "never";
  return human_seconds((*now - *then) / kSecond) + " ago";
}

/// Why it does not run, or else what last happened to it.
std::string why_text(const json& plugin) {
  const std::string why = text_of(plugin, "why", "");
  if (!why.empty()) return why;
  const std::string cause = text_of(plugin, "last_cause", "");
  const std::string notes = text_of(plugin, "notes", "");
  std::string out = cause.empty() ? "" : "last: " + cause;
  if (!notes.empty()) out += (out.empty() ? "" : "; ") + notes;
  return out;
}

std::string plugins_text(const json& status, bool colour) {
  app::Table table({"PLUGIN", "STATE", ">PID", ">UP", ">RESTARTS", ">LAST POLL", ">TOOK",
                    ">READINGS", ">SERIES", ">GAPS", "WHY"});
  for (const json& plugin : part(status, "plugins")) {
    const std::string state = text_of(plugin, "state");
    table.row(
        {{text_of(plugin, "instance")},
         {state, colour_of_state(state)},
         {number_of(plugin, "pid") > 0 ? text_of(plugin, "pid") : "–"},
         {human_seconds(number_of(plugin, "uptime_seconds"))},
         {text_of(plugin, "restarts"),
          number_of(plugin, "restarts") > 0 ? Colour::warn : Colour::none},
         {ago(plugin, "last_poll", status)},
         {text_of(plugin, "last_poll_ms") + " ms"},
         {text_of(plugin, "readings")},
         {text_of(plugin, "series")},
         {text_of(plugin, "gaps"), number_of(plugin, "gaps") > 0 ? Colour::warn : Colour::none},
         {why_text(plugin)}});
  }
  if (table.empty()) return "no plugins are configured: put one into plugins.d\n";
  return table.text(colour);
}

std::string spool_text(const json& status, bool colour) {
  const json& spool = part(status, "spool");
  const std::string trouble = text_of(spool, "trouble", "");
  std::string out = "spool  " + paint(trouble.empty() ? "well" : trouble,
                                      trouble.empty() ? Colour::good : Colour::bad, colour);
  out += ", " + human_bytes(static_cast<std::uint64_t>(number_of(spool, "bytes"))) + " of " +
         human_bytes(static_cast<std::uint64_t>(number_of(spool, "limit_bytes")));
  out += ", " + text_of(spool, "batches") + " batches waiting";
  if (number_of(spool, "batches") > 0) out += " (oldest " + ago(spool, "oldest", status) + ")";
  out += ", last durable " + ago(spool, "last_durable", status) + "\n";
  const auto bytes_in = [&](const char* key) {
    return human_bytes(static_cast<std::uint64_t>(number_of(spool, key)));
  };
  std::string shed;
  if (number_of(spool, "thinned_bytes") > 0)
    shed += "full: readings of counters that billing can do without" +
            std::string(spool.value("gauges_thinned", false) ? ", and of gauges," : "") +
            " were given up, " + bytes_in("thinned_bytes") + " hold the rest";
  if (number_of(spool, "lost_batches") > 0)
    shed +=
        (shed.empty() ? "full: " : "; ") + text_of(spool, "lost_batches") + " batches were lost";
  if (!shed.empty()) out += "       " + paint(shed, Colour::bad, colour) + "\n";
  if (number_of(spool, "kept_bytes") > 0)
    out += "       " + bytes_in("kept_bytes") + " acknowledged and kept for now\n";
  return out + "       " + text_of(spool, "directory") + "\n";
}

std::string link_text(const json& status, bool colour) {
  const json& link = part(status, "link");
  const std::string state = text_of(link, "state");
  const std::string why = text_of(link, "why", "");
  std::string out = "link   " + paint(state, colour_of_state(state), colour);
  if (!why.empty()) out += ": " + why;
  out += ", rater " + text_of(link, "rater", "none configured");
  out += ", last acknowledgement " + ago(link, "last_ack", status);
  out += ", " + text_of(link, "unacknowledged_batches") + " batches (" +
         human_bytes(static_cast<std::uint64_t>(number_of(link, "unacknowledged_bytes"))) +
         ") unacknowledged";
  if (std::abs(number_of(link, "clock_offset_ms")) > 1000) {
    out += ", " + paint("clocks differ by " + text_of(link, "clock_offset_ms") + " ms", Colour::bad,
                        colour);
  }
  const std::string note = text_of(link, "note", "");
  if (!note.empty()) out += "\n       " + ago(link, "noted", status) + ": " + note;
  return out + "\n";
}

}  // namespace

std::string status_text(std::string_view line, bool colour) {
  const json status = parse(line);
  std::string out =
      "agent " + text_of(status, "agent") + ", version " + text_of(status, "version") + ", up " +
      human_seconds(number_of(status, "uptime_seconds")) + ", pid " + text_of(status, "pid") +
      ", incarnation " + text_of(status, "incarnation") + "\n";
  const json& configuration = part(status, "configuration");
  const std::string error = text_of(configuration, "error", "");
  if (!error.empty()) {
    out += paint("the configuration on disk is not in force: " + error, Colour::bad, colour) + "\n";
  }
  return out + "\n" + plugins_text(status, colour) + "\n" + spool_text(status, colour) +
         link_text(status, colour);
}

std::string status_lines(std::string_view line) {
  const json status = parse(line);
  const std::string time = text_of(status, "time");
  std::string out;
  for (const json& plugin : part(status, "plugins")) {
    out += time + " " + text_of(plugin, "instance") + " " + text_of(plugin, "state");
    const std::string why = text_of(plugin, "why", "");
    out += (why.empty() ? "" : ": " + why) + "\n";
  }
  const json& link = part(status, "link");
  const std::string why = text_of(link, "why", "");
  return out + time + " link " + text_of(link, "state") + (why.empty() ? "" : ": " + why) + "\n";
}

std::string event_line(std::string_view line, bool colour) {
  const json event = part(parse(line), "event");
  return paint(text_of(event, "time"), Colour::faint, colour) + " " +
         text_of(event, "plugin", "agent") + " " + text_of(event, "what", "");
}

std::string reexec_text(std::string_view line) {
  const json reexec = part(parse(line), "reexec");
  return "re-executed: version " + text_of(reexec, "version") +
         " (before: " + text_of(reexec, "before") + "), " +
         std::to_string(number_of(reexec, "plugins")) + " plugin processes kept, took " +
         std::to_string(number_of(reexec, "took_ms")) + " ms\n";
}

Health health_of(std::string_view line) {
  const json status = parse(line);
  std::vector<std::string> wrong;
  std::size_t running = 0;
  for (const json& plugin : part(status, "plugins")) {
    const std::string state = text_of(plugin, "state");
    if (state == "running" || state == "overdue") {
      ++running;
    } else if (state != "disabled") {
      wrong.push_back("plugin " + text_of(plugin, "instance") + " is " + state + " (" +
                      text_of(plugin, "why", text_of(plugin, "last_cause").c_str()) + ")");
    }
  }
  const std::string trouble = text_of(part(status, "spool"), "trouble", "");
  if (!trouble.empty()) wrong.push_back("spool: " + trouble);
  const json& link = part(status, "link");
  if (text_of(link, "state") != "connected") {
    wrong.push_back("link is " + text_of(link, "state") + " (" + text_of(link, "why") + ")");
  }
  const std::string error = text_of(part(status, "configuration"), "error", "");
  if (!error.empty()) wrong.push_back("configuration: " + error);
  Health out{wrong.empty(), wrong.empty() ? "OK: " : "CRITICAL: "};
  for (std::size_t i = 0; i < wrong.size(); ++i) out.line += (i > 0 ? "; " : "") + wrong[i];
  if (wrong.empty()) {
    out.line += std::to_string(running) + " plugins running, " +
                text_of(part(status, "spool"), "batches") + " batches waiting";
  }
  return out;
}

namespace {

/// Needs or grants: "CAP_NET_ADMIN, /proc/x, network".
std::string needs_text(const json& plugin, const char* key) {
  const json& needs = part(plugin, key);
  if (!needs.is_object()) return "–";
  std::string out;
  auto add = [&](const std::string& item) { out += (out.empty() ? "" : ", ") + item; };
  if (const std::string user = text_of(needs, "user", ""); !user.empty()) add("user " + user);
  for (const char* list : {"capabilities", "paths"}) {
    for (const json& item : part(needs, list)) add(item.is_string() ? item.get<std::string>() : "");
  }
  const auto network = needs.find("network");
  if (network != needs.end() && network->is_boolean() && network->get<bool>()) add("network");
  return out.empty() ? "nothing" : out;
}

}  // namespace

std::string plugin_table(std::string_view line, bool colour) {
  const json answer = parse(line);
  app::Table table({"PLUGIN", "INSTANCE", "VERSION", "STATE", "FILE", "NEEDS", "GRANTS", "WHY"});
  for (const json& plugin : part(answer, "plugins")) {
    const std::string state = text_of(plugin, "state", "available");
    table.row({{text_of(plugin, "plugin")},
               {text_of(plugin, "instance")},
               {text_of(plugin, "version")},
               {state, state == "available" ? Colour::faint : colour_of_state(state)},
               {text_of(plugin, "file")},
               {needs_text(plugin, "needs")},
               {needs_text(plugin, "grants")},
               {text_of(plugin, "why", "")}});
  }
  return table.empty() ? "no plugins are installed\n" : table.text(colour);
}

}  // namespace tallyman::cli
