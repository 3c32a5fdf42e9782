#include "wire/reading_json.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/time_text.hpp"
#include "wire/definition.hpp"

namespace tallyman::wire {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLine = 256U << 10U;
constexpr int kMaxDepth = 3;

enum class Need : std::uint8_t { optional, present, filled };

/// The line's object, taken member by member. The first thing that is wrong stays in `error`.
class Members {
 public:
  Members(std::string_view line, const Json& object) : line_(line), object_(object) {}
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  std::string text(const char* key, std::size_t max, Need need = Need::filled);
  Labels labels(const char* key);
  std::uint64_t number(const char* key, bool required);
  Ns instant(const char* key, bool required);
  /// Refuses what no other call asked for.
  void no_others();
  void fail(const char* key, const std::string& what);

 private:
  const Json* find(const char* key, bool required);

  std::string_view line_;
  const Json& object_;
  std::vector<std::string> asked_;
  std::optional<Error> error_;
};

/// Columns count from 1, in bytes.
std::string column_text(std::size_t offset) { return "column " + std::to_string(offset + 1); }

/// Behind the string that begins at `at`.
std::size_t skip_string(std::string_view line, std::size_t at) {
  for (++at; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] == '\\') ++at;
  }
  return at + 1;
}

/// Where the member `key` of the outermost object begins in a valid line; 0 if it is not there.
std::size_t offset_of(std::string_view line, const std::string& key) {
  int depth = 0;
  bool name_next = false;
  for (std::size_t at = 0; at < line.size();) {
    const char c = line[at];
    if (c == '"') {
      const std::size_t end = skip_string(line, at);
      if (depth == 1 && name_next && line.substr(at + 1, end - at - 2) == key) return at;
      name_next = false;
      at = end;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth == 1 && (c == '{' || c == ',')) name_next = true;
    ++at;
  }
  return 0;
}

void Members::fail(const char* key, const std::string& what) {
  if (error_) return;
  error_ = Error{what, column_text(offset_of(line_, key)), ""};
}

const Json* Members::find(const char* key, bool required) {
  asked_.emplace_back(key);
  const auto found = object_.find(key);
  if (found != object_.end()) return &*found;
  if (required) fail(key, std::string("\"") + key + "\" is missing");
  return nullptr;
}

std::string Members::text(const char* key, std::size_t max, Need need) {
  const Json* value = find(key, need != Need::optional);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    fail(key, std::string("\"") + key + "\" is not a string");
    return {};
  }
  const auto& out = value->get_ref<const std::string&>();
  if (out.size() > max) {
    fail(key, std::string("\"") + key + "\" is longer than " + std::to_string(max) + " bytes");
  }
  if (need == Need::filled && out.empty()) fail(key, std::string("\"") + key + "\" is empty");
  return out;
}

Labels Members::labels(const char* key) {
  Labels out;
  const Json* value = find(key, false);
  if (value == nullptr) return out;
  if (!value->is_object()) {
    fail(key, std::string("\"") + key + "\" is not an object of strings");
    return out;
  }
  if (value->size() > kMaxLabels) fail(key, std::string("\"") + key + "\" has too many labels");
  for (const auto& [name, label] : value->items()) {
    if (!label.is_string()) {
      fail(key, "the label \"" + name + "\" is not a string");
      return out;
    }
    const auto& text = label.get_ref<const std::string&>();
    if (name.size() > kMaxNameBytes || text.size() > kMaxValueBytes) {
      fail(key, "a label's name or value is too long");
    }
    out.emplace(name, text);
  }
  return out;
}

std::uint64_t Members::number(const char* key, bool required) {
  const Json* value = find(key, required);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  const std::string expected = std::string("\"") + key + "\" is not a whole number from 0 to " +
                               "18446744073709551615, as a string of decimal digits or a number";
  if (!value->is_string()) {
    if (value->is_number_float()) {
      const double number = value->get<double>();
      constexpr double kExact = 9007199254740992.0;  // 2^53
      if (number >= 0 && number < kExact &&
          number == static_cast<double>(static_cast<std::uint64_t>(number))) {
        return static_cast<std::uint64_t>(number);
      }
      if (number >= kExact) {
        fail(key, std::string("\"") + key + "\" is not exact as a number; write it as a string");
      }
    }
    fail(key, expected);
    return 0;
  }
  const auto& digits = value->get_ref<const std::string&>();
  std::uint64_t out = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, out);
  if (digits.empty() || failure != std::errc() || stop != end) fail(key, expected);
  return out;
}

Ns Members::instant(const char* key, bool required) {
  const Json* value = find(key, required);
  if (value == nullptr) return 0;
  std::optional<Ns> out;
  if (value->is_string()) out = from_rfc3339(value->get_ref<const std::string&>());
  if (!out || !valid_time(*out)) {
    fail(key, std::string("\"") + key +
                  "\" is not an instant like \"2026-11-22T15:05:00Z\", from 1970 to 2115");
    return 0;
  }
  return *out;
}

void Members::no_others() {
  for (const auto& [key, value] : object_.items()) {
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) {
      fail(key.c_str(), "\"" + key + "\" is not known here");
    }
  }
}

ReadingLine take_reading(Members& members) {
  ReadingLine out;
  out.agent = members.text("agent", kMaxNameBytes);
  out.plugin = members.text("plugin", kMaxNameBytes);
  out.instance = members.text("instance", kMaxNameBytes, Need::optional);
  out.source = members.text("source", kMaxValueBytes);
  out.scope = scope_of(out.source);
  out.metric = members.text("metric", kMaxNameBytes);
  const std::string kind = members.text("kind", kMaxNameBytes);
  if (kind == "gauge") {
    out.kind = Kind::gauge;
  } else if (kind != "counter") {
    members.fail("kind", "\"kind\" is neither \"counter\" nor \"gauge\"");
  }
  out.unit = members.text("unit", kMaxNameBytes, Need::present);
  out.labels = members.labels("labels");
  out.info = members.labels("info");
  out.epoch = members.number("epoch", false);
  out.start = members.instant("start", false);
  out.value = members.number("value", true);
  out.time = members.instant("time", true);
  if (out.instance.empty()) out.instance = out.plugin;
  return out;
}

GapLine take_gap(Members& members) {
  GapLine out;
  out.agent = members.text("agent", kMaxNameBytes);
  out.plugin = members.text("plugin", kMaxNameBytes);
  out.instance = members.text("instance", kMaxNameBytes, Need::optional);
  out.source = members.text("source", kMaxValueBytes, Need::optional);
  out.gap = members.text("gap", kMaxTextBytes + kMaxNameBytes);
  out.from = members.instant("from", true);
  out.to = members.instant("to", true);
  if (out.to < out.from) members.fail("to", "\"to\" is before \"from\"");
  if (out.instance.empty()) out.instance = out.plugin;
  return out;
}

/// One object without repeated members, or what is wrong with the text.
Result<Json> parse_object(std::string_view line) {
  if (line.size() > kMaxLine)
    return Error{"a line of more than 256 KiB", column_text(kMaxLine), ""};
  std::vector<std::vector<std::string>> keys;
  std::string twice;
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth >= kMaxDepth) deep = true;
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.empty()) {
      const std::string key = parsed.get<std::string>();
      auto& level = keys.back();
      if (std::find(level.begin(), level.end(), key) != level.end() && twice.empty()) twice = key;
      level.push_back(key);
    }
    return !deep;
  };
  try {
    Json out = Json::parse(line, watch);
    if (!twice.empty()) return Error{"\"" + twice + "\" stands in it twice", column_text(0), ""};
    if (deep) return Error{"nested too deeply", column_text(0), ""};
    if (!out.is_object()) return Error{"not a JSON object", column_text(0), ""};
    return out;
  } catch (const Json::parse_error& failure) {
    return Error{"not JSON", column_text(failure.byte > 0 ? failure.byte - 1 : 0),
                 "expected one JSON object a line"};
  } catch (const Json::exception&) {
    return Error{"a number that no 64 bits hold", column_text(0), "write it as a string"};
  }
}

Json labels_json(const Labels& labels) {
  Json out = Json::object();
  for (const auto& [name, value] : labels) out[name] = value;
  return out;
}

/// One line; bytes that are no UTF-8 become the replacement character.
std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Scope scope_of(std::string_view source) {
  return source.starts_with("host:") ? Scope::host : Scope::shared;
}

std::string to_json_line(const ReadingLine& reading) {
  Json out;
  out["agent"] = reading.agent;
  out["plugin"] = reading.plugin;
  out["instance"] = reading.instance;
  out["source"] = reading.source;
  out["metric"] = reading.metric;
  out["kind"] = kind_name(reading.kind);
  out["unit"] = reading.unit;
  out["labels"] = labels_json(reading.labels);
  out["info"] = labels_json(reading.info);
  out["epoch"] = std::to_string(reading.epoch);
  if (reading.start != 0) out["start"] = to_rfc3339_short(reading.start);
  out["value"] = std::to_string(reading.value);
  out["time"] = to_rfc3339(reading.time);
  return one_line(out);
}

std::string to_json_line(const GapLine& gap) {
  Json out;
  out["agent"] = gap.agent;
  out["plugin"] = gap.plugin;
  out["instance"] = gap.instance;
  if (!gap.source.empty()) out["source"] = gap.source;
  out["gap"] = gap.gap;
  out["from"] = to_rfc3339(gap.from);
  out["to"] = to_rfc3339(gap.to);
  return one_line(out);
}

Result<std::variant<ReadingLine, GapLine>> parse_reading_line(std::string_view line) {
  using Line = std::variant<ReadingLine, GapLine>;
  const Result<Json> object = parse_object(line);
  if (!object.ok()) return object.error();
  Members members(line, *object);
  Result<Line> out =
      object->contains("gap") ? Line(take_gap(members)) : Line(take_reading(members));
  members.no_others();
  if (members.error()) return *members.error();
  return out;
}

}  // namespace tallyman::wire
