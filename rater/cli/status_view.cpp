#include "rater/cli/status_view.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>

#include "app/table.hpp"
#include "base/time_text.hpp"
#include "base/u128.hpp"
#include "rater/cli/answer_view.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return {};
  if (it->is_string()) return it->get<std::string>();
  return it->dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::int64_t integer(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

const Json& part(const Json& object, const char* key) {
  static const Json kNone = Json::object();
  const auto it = object.find(key);
  return it != object.end() && it->is_structured() ? *it : kNone;
}

std::string bytes(const Json& object, const char* key) {
  const auto count = u128_from_decimal(text(object, key));
  return count ? app::human_bytes(static_cast<std::uint64_t>(*count)) : "";
}

/// To the second: nobody reads further.
std::string instant(const Json& object, const char* key) {
  const auto at = from_rfc3339(text(object, key));
  return at ? to_rfc3339_short(*at - *at % kSecond) : "unknown";
}

/// "3s ago", told by the daemon's own clock.
std::string ago(const Json& document, const Json& object, const char* key) {
  const auto now = from_rfc3339(text(document, "time"));
  const auto then = from_rfc3339(text(object, key));
  if (!now || !then) return "-";
  const Ns past = *now - *then;
  return past < 0 ? "now" : app::human_seconds(past / kSecond) + " ago";
}

app::Colour colour_of(const std::string& state) {
  if (state == "connected") return app::Colour::good;
  if (state == "silent") return app::Colour::warn;
  return state == "refused" ? app::Colour::bad : app::Colour::faint;
}

std::string offset_text(const Json& agent) {
  if (!agent.contains("clock_offset_ms")) return "-";
  return text(agent, "clock_offset_ms") + " ms";
}

std::string agents_text(const Json& document, bool colour) {
  app::Table table(
      {"AGENT", "STATE", ">BATCH", "UP TO", "RECEIVED", ">CLOCK", ">BATCHES", ">BYTES"});
  std::string notes;
  for (const Json& agent : part(document, "agents")) {
    const std::string state = text(agent, "state");
    const std::string clock = text(agent, "clock");
    table.row({{text(agent, "agent")},
               {state, colour_of(state)},
               {text(agent, "mark")},
               {instant(agent, "watermark")},
               {ago(document, agent, "last_received")},
               {offset_text(agent), clock == "wrong" ? app::Colour::bad
                                    : clock == "off" ? app::Colour::warn
                                                     : app::Colour::none},
               {text(agent, "batches")},
               {bytes(agent, "bytes")}});
    if (agent.contains("refused")) {
      notes += "  " + text(agent, "agent") + ": " + text(agent, "refused") + "\n";
    }
    if (agent.contains("note")) {
      notes += "  " + text(agent, "agent") + ", " + ago(document, agent, "noted") + ": " +
               text(agent, "note") + "\n";
    }
  }
  if (table.empty()) return "no agent has been heard yet\n";
  return table.text(colour) + notes;
}

/// Keys that wait for somebody, and what that is to do.
std::string pending_text(const Json& document) {
  constexpr std::size_t kShown = 10;
  const Json& keys = part(document, "pending");
  std::string out;
  std::size_t shown = 0;
  for (const Json& key : keys) {
    if (++shown > kShown) break;
    out += "  " + text(key, "agent") + " waits: compare its key " + text(key, "key") +
           ", then `tallyman-rater agent approve " + text(key, "agent") + "`\n";
  }
  if (keys.size() > kShown) {
    out += "  and " + std::to_string(keys.size() - kShown) +
           " more: `tallyman-rater agent ls --pending`\n";
  }
  return out;
}

/// What an agent's line says when it is told as an event.
std::string agent_event(const Json& agent) {
  std::string out = text(agent, "agent") + ": " + text(agent, "state");
  if (agent.contains("mark")) out += ", batch " + text(agent, "mark");
  if (agent.contains("watermark")) out += ", up to " + instant(agent, "watermark");
  if (text(agent, "clock") == "wrong") out += ", clock wrong by " + offset_text(agent);
  if (agent.contains("refused")) out += ", " + text(agent, "refused");
  return out;
}

/// Everything a document tells, as one line for each subject.
std::map<std::string, std::string> lines_of(const Json& document) {
  std::map<std::string, std::string> out;
  for (const Json& agent : part(document, "agents")) {
    out["agent " + text(agent, "agent")] = agent_event(agent);
  }
  for (const Json& key : part(document, "pending")) {
    const std::string agent = text(key, "agent");
    out["pending " + text(key, "key")] =
        "agent " + agent + ": its key waits: `tallyman-rater agent approve " + agent + "`";
  }
  for (const auto& [key, value] : part(document, "billing").items()) {
    bool understood = true;
    std::string said = value.is_object() && !value.empty()
                           ? answer_text(value.dump(-1, ' ', false, Json::error_handler_t::replace),
                                         false, understood)
                           : text(part(document, "billing"), key.c_str());
    for (std::size_t at = said.find('\n'); at != std::string::npos; at = said.find('\n', at)) {
      said.replace(at, 1, at + 1 == said.size() ? "" : ", ");
    }
    if (!said.empty()) out["billing " + key] = key + ": " + said;
  }
  const std::string trouble = text(document, "trouble");
  if (!trouble.empty()) out["trouble"] = "trouble: " + trouble;
  return out;
}

}  // namespace

std::string status_screen(std::string_view document, bool colour) {
  const Json json = Json::parse(document, nullptr, false);
  if (!json.is_object()) return {};
  const Json& ledger = part(json, "ledger");
  std::string out = "tallyman-rater " + text(json, "version") + "  pid " + text(json, "pid") +
                    "  up " + app::human_seconds(integer(json, "uptime_seconds")) + "  agents at " +
                    text(json, "listen") + (text(json, "encrypted") == "true" ? " (CURVE)" : "") +
                    "  slot " + text(json, "slot") + "\n";
  out += "ledger " + text(ledger, "path") + "  id " + text(ledger, "id") + "  " +
         bytes(ledger, "bytes") + "\n";
  const std::string trouble = text(json, "trouble");
  if (!trouble.empty()) out += app::paint("trouble: " + trouble, app::Colour::bad, colour) + "\n";
  out += "\n" + agents_text(json, colour) + pending_text(json);
  bool understood = true;
  const Json& billing = part(json, "billing");
  if (!billing.empty()) {
    out += "\n" + answer_text(billing.dump(-1, ' ', false, Json::error_handler_t::replace), colour,
                              understood);
  }
  return out;
}

std::vector<std::string> status_events(std::string_view before, std::string_view after) {
  const Json now = Json::parse(after, nullptr, false);
  if (!now.is_object()) return {};
  const Json past = Json::parse(before, nullptr, false);
  const auto old = past.is_object() ? lines_of(past) : std::map<std::string, std::string>{};
  std::vector<std::string> out;
  const std::string time = instant(now, "time");
  for (const auto& [subject, line] : lines_of(now)) {
    const auto it = old.find(subject);
    if (it == old.end() || it->second != line) out.push_back(time + " " + line);
  }
  if (old.contains("trouble") && text(now, "trouble").empty()) {
    out.push_back(time + " trouble: over");
  }
  return out;
}

}  // namespace tallyman::rater::cli
