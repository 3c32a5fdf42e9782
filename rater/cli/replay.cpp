#include "rater/cli/replay.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/cli/progress.hpp"
#include "rater/views/replay.hpp"

namespace tallyman::rater::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kWorthProgress = 2000;  ///< batches

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string name_of(const MessageDifference& difference) {
  if (difference.customer.empty()) return "the sum of all";
  if (difference.meter.empty()) return "the sum of " + difference.customer;
  return difference.customer + " " + difference.meter;
}

/// Every value that differs: its path, as stored, as it comes out again; null = not there.
Json fields_of(const MessageDifference& difference) {
  Json fields = Json::array();
  const Json stored = Json::parse(difference.stored, nullptr, false);
  const Json again = Json::parse(difference.again, nullptr, false);
  if (!stored.is_object() || !again.is_object()) return fields;
  const Json then = stored.flatten(), now = again.flatten();
  for (const auto& [path, value] : then.items()) {
    const Json other = now.contains(path) ? now[path] : Json();
    if (other != value) fields.push_back({{"path", path}, {"stored", value}, {"again", other}});
  }
  for (const auto& [path, value] : now.items()) {
    if (!then.contains(path))
      fields.push_back({{"path", path}, {"stored", nullptr}, {"again", value}});
  }
  return fields;
}

std::string text_of(const MessageDifference& difference, bool colour) {
  std::string out = name_of(difference) + ": ";
  if (difference.again.empty()) return out + "stored, and does not come out again\n";
  if (difference.stored.empty()) return out + "comes out, and is not stored\n";
  const Json fields = fields_of(difference);
  if (fields.empty()) {
    return out + "differs in " + (difference.what.empty() ? "its bytes" : difference.what) + "\n";
  }
  out += "\n";
  for (const Json& field : fields) {
    out += "  " + field["path"].get<std::string>() + "\n";
    out += app::paint("  - " + dump(field["stored"]), app::Colour::bad, colour) + "\n";
    out += app::paint("  + " + dump(field["again"]), app::Colour::good, colour) + "\n";
  }
  return out;
}

Json json_of(const std::vector<MessageDifference>& differences) {
  Json out = Json::array();
  for (const MessageDifference& difference : differences) {
    Json one{{"type", difference.type},
             {"customer", difference.customer},
             {"meter", difference.meter},
             {"stored", !difference.stored.empty()},
             {"again", !difference.again.empty()},
             {"fields", fields_of(difference)},
             {"beside", difference.what}};
    out.push_back(std::move(one));
  }
  return out;
}

/// What a close and a round have to tell alike, after what names it; `count` is called `counted`.
template <typename Replayed>
void add_outcome(Json& out, const Replayed& of, const char* counted, std::uint64_t count) {
  out["state"] = of.state;
  out["identical"] = of.identical();
  out[counted] = count;
  out["sums"] = of.sums;
  out["streams"] = of.streams;
  out["batches"] = of.batches;
  out["stored"] = to_hex(of.stored);
  out["again"] = to_hex(of.again);
}

Json json_of(const RoundReplay& round) {
  Json out{{"revision", round.revision}};
  add_outcome(out, round, "adjustments", round.adjustments);
  out["tz"] = round.tz_then;
  out["differences"] = json_of(round.differences);
  return out;
}

Json json_of(const Replay& replay) {
  Json out{{"period", replay.period.id}};
  add_outcome(out, replay, "records", replay.records);
  out["tz"] = {{"then", replay.tz_then}, {"now", replay.tz_now}};
  out["differences"] = json_of(replay.differences);
  out["rounds"] = Json::array();
  for (const RoundReplay& round : replay.rounds) out["rounds"].push_back(json_of(round));
  return out;
}

/// What a close and a round have to say alike: `counts`, and how they came out.
template <typename Replayed>
std::string verdict(const std::string& counts, const Replayed& of, bool identical,
                    const std::string& tz_now) {
  std::string out = counts + " out of " + std::to_string(of.batches) + " batches of " +
                    std::to_string(of.streams) + " streams: ";
  if (identical) return out + "byte-identical, hash " + to_hex(of.stored) + "\n";
  out += std::to_string(of.differences.size()) + " differ; stored hash " + to_hex(of.stored) +
         ", now " + to_hex(of.again) + "\n";
  if (of.tz_then != tz_now) {
    out += "closed with the tz database " + of.tz_then + ", replayed with " + tz_now +
           ": months may have other bounds\n";
  }
  return out;
}

std::string text_of(const Replay& replay, bool colour) {
  std::string out;
  for (const auto& difference : replay.differences) out += text_of(difference, colour);
  out += verdict(replay.period.id + " (" + replay.state + "): " + std::to_string(replay.records) +
                     " records and " + std::to_string(replay.sums) + " sums",
                 replay, replay.closed_identical(), replay.tz_now);
  for (const RoundReplay& round : replay.rounds) {
    for (const auto& difference : round.differences) out += text_of(difference, colour);
    out += verdict("  revision " + std::to_string(round.revision) + " (" + round.state +
                       "): " + std::to_string(round.adjustments) + " adjustments and " +
                       std::to_string(round.sums) + " sums",
                   round, round.identical(), replay.tz_now);
  }
  return out;
}

}  // namespace

int replay(const std::string& ledger, const std::string& period, bool json) {
  const RealClock clock{};
  const auto snapshot = Snapshot::open(ledger, clock);
  if (!snapshot.ok()) {
    app::complain("tallyman-rater", snapshot.error());
    return app::kUsage;
  }
  const auto done = rater::replay(**snapshot, period, progress_line("batches", kWorthProgress));
  if (!done.ok()) {
    app::complain("tallyman-rater", done.error());
    return app::kFound;
  }
  print(json ? dump(json_of(*done)) + "\n" : text_of(*done, app::stdout_has_colour()));
  return done->identical() ? app::kDone : app::kFound;
}

}  // namespace tallyman::rater::cli
