#include "rater/status.hpp"

#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"

namespace tallyman::rater {
namespace {

using Json = nlohmann::ordered_json;

constexpr Ns kSilentAfter = 30 * kSecond;
constexpr Ns kClockOff = kSecond;
constexpr Ns kClockWrong = 30 * kSecond;

/// One agent: its newest stream, or the one in session, and the sum over all its streams. An import
/// in its name is shown only where there is no stream of its own.
struct AgentRow {
  Stream stream;
  std::uint64_t incarnations = 0, batches = 0, bytes = 0;
  AgentLink link;
  bool heard = false;
};

void put_instant(Json& json, const char* key, Ns at) {
  if (at > 0) json[key] = to_rfc3339_short(at);
}

const char* state_of(const AgentRow& row) {
  if (!row.link.refused.empty() && !row.link.in_session) return "refused";
  if (!row.heard && row.stream.imported) return "imported";
  if (!row.heard || !row.link.in_session) return "absent";
  return row.link.silent_for > kSilentAfter ? "silent" : "connected";
}

const char* clock_of(Ns offset) {
  const Ns size = offset < 0 ? -offset : offset;
  if (size > kClockWrong) return "wrong";
  return size > kClockOff ? "off" : "good";
}

Json json_of(const AgentRow& row, const std::string& name) {
  Json out;
  out["agent"] = name;
  out["state"] = state_of(row);
  if (row.incarnations != 0) {
    out["incarnation"] = to_hex(row.stream.incarnation);
    out["incarnations"] = row.incarnations;
    out["mark"] = row.stream.mark;
    put_instant(out, "watermark", row.stream.watermark);
    put_instant(out, "last_received", row.stream.last_received);
    out["batches"] = row.batches;
    out["bytes"] = std::to_string(row.bytes);
  }
  if (row.heard && row.link.last_heard != 0) {
    out["software"] = row.link.software;
    put_instant(out, "last_heard", row.link.last_heard);
    out["clock_offset_ms"] = row.link.clock_offset / kMillisecond;
    out["clock"] = clock_of(row.link.clock_offset);
  }
  if (!row.link.refused.empty()) out["refused"] = row.link.refused;
  if (!row.link.note.empty()) out["note"] = row.link.note;
  put_instant(out, "noted", row.link.noted);
  return out;
}

std::map<std::string, AgentRow> rows_of(const std::vector<Stream>& streams,
                                        const std::vector<AgentLink>& links) {
  std::map<std::string, AgentRow> rows;
  for (const AgentLink& link : links) {
    rows[link.agent].link = link;
    rows[link.agent].heard = true;
  }
  for (const Stream& stream : streams) {
    AgentRow& row = rows[stream.agent];
    ++row.incarnations;
    row.batches += stream.batches;
    row.bytes += stream.bytes;
    const bool shown_is_live = row.link.in_session && row.incarnations > 1 &&
                               row.stream.incarnation == row.link.incarnation;
    const bool is_file = stream.imported && row.incarnations > 1 && !row.stream.imported;
    if (!shown_is_live && !is_file) row.stream = stream;
  }
  return rows;
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const AgentKey& key) {
  Json out;
  out["agent"] = key.agent;
  out["state"] = key_state_name(key.state);
  out["key"] = key.key;
  put_instant(out, "first_seen", key.first_seen);
  put_instant(out, "last_seen", key.last_seen);
  put_instant(out, "decided", key.decided);
  if (!key.who.empty()) out["by"] = key.who;
  if (!key.why.empty()) out["why"] = key.why;
  return out;
}

Json json_of(const std::vector<AgentKey>& keys) {
  Json out = Json::array();
  for (const AgentKey& key : keys) out.push_back(json_of(key));
  return out;
}

}  // namespace

std::string agent_json(const AgentKey& key) { return line_of(json_of(key)); }

Result<std::string> agents_json(KeyTable& keys, bool pending) {
  const auto moves = keys.moves();
  if (!moves.ok()) return moves.error();
  Json out;
  out["keys"] = json_of(pending ? keys.pending() : keys.list());
  if (pending) return line_of(out);
  Json rows = Json::array();
  for (const AgentMove& move : *moves) {
    rows.push_back({{"agent", move.agent},
                    {"decided", to_rfc3339_short(move.decided)},
                    {"by", move.who},
                    {"why", move.why}});
  }
  if (!rows.empty()) out["moves"] = std::move(rows);
  return line_of(out);
}

Result<std::string> status_json(const StatusParts& parts, const Clock& clock) {
  const auto streams = parts.intake.streams();
  if (!streams.ok()) return streams.error();
  const auto billing = parts.billing.status_json();
  if (!billing.ok()) return billing.error();
  Json out;
  out["program"] = "tallyman-rater";
  out["version"] = TALLYMAN_VERSION;
  out["pid"] = ::getpid();
  out["time"] = to_rfc3339(clock.wall());
  out["uptime_seconds"] = (clock.boot() - parts.started_boot) / kSecond;
  out["listen"] = parts.listen;
  out["encrypted"] = parts.encrypted;
  out["slot"] = to_duration_text(parts.slot);
  out["ledger"] = {{"path", parts.ledger.path()},
                   {"id", parts.ledger.id_text()},
                   {"bytes", std::to_string(parts.ledger.bytes())}};
  out["agents"] = Json::array();
  for (const auto& [name, row] : rows_of(*streams, parts.sessions.links())) {
    out["agents"].push_back(json_of(row, name));
  }
  out["pending"] = json_of(parts.keys.pending());
  out["billing"] = Json::parse(*billing, nullptr, false);
  out["trouble"] = parts.sessions.trouble();
  return line_of(out);
}

}  // namespace tallyman::rater
