// Catalogues as JSON. Reading: the library holds the text against JSON's grammar; what passes is
// written as TOML's inline form and read like any other catalogue, with the origin of every byte
// kept, so that mistakes are told with the place in the JSON file. Rejected: a second reader over
// JSON's document (its values have no places, and two readers of one format drift apart).

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "rater/rating/catalogue_draft.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

struct Place {
  unsigned line = 1, column = 1;
};

Place place_at(std::string_view text, std::size_t offset) {
  Place place;
  for (std::size_t i = 0; i < std::min(offset, text.size()); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((c & 0xC0U) != 0x80U) {
      ++place.column;
    }
  }
  return place;
}

/// Keeps nothing: only whether the text is JSON, and where it is not.
struct Grammar : nlohmann::json_sax<Json> {
  std::size_t wrong_at = 0;  ///< bytes read when it stopped
  std::string why;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception&) override {
    wrong_at = position > 0 ? position - 1 : 0;
    why = token.empty() ? "the text ends" : "unexpected `" + token + "`";
    return false;
  }
};

/// Writes the TOML byte by byte. The text is known to be a JSON object.
class Writer {
 public:
  explicit Writer(std::string_view json) : json_(json) {}
  std::vector<std::size_t> nulls;  ///< where they stand: TOML has none

  TomlOfJson write() {
    while (at_ < json_.size()) {
      if (json_[at_] == '"') {
        text();
      } else {
        structure();
      }
    }
    return std::move(out_);
  }

 private:
  void put(std::string_view bytes, std::size_t origin) {
    out_.toml += bytes;
    out_.origin.insert(out_.origin.end(), bytes.size(), origin);
  }
  void copy(std::size_t count) {
    for (; count > 0; --count, ++at_) put(json_.substr(at_, 1), at_);
  }
  void replace(std::size_t count, std::string_view by) {
    put(by, at_);
    at_ += count;
  }
  [[nodiscard]] bool in_list() const { return !open_.empty() && open_.back() == '['; }

  /// Keys of the outermost object stand a line each, as do values of a list.
  void structure() {
    const char c = json_[at_];
    if (c == '{' || c == '[') {
      open_.push_back(c);
      return open_.size() == 1 ? replace(1, " ") : copy(1);
    }
    if (c == '}' || c == ']') {
      open_.pop_back();
      return open_.empty() ? replace(1, " ") : copy(1);
    }
    if (c == ':') return replace(1, "=");
    if (c == ',') {
      if (open_.size() == 1) return replace(1, "\n");
      return in_list() ? replace(1, ",\n") : copy(1);
    }
    if (c == 'n') {
      nulls.push_back(at_);
      return copy(std::string_view("null").size());
    }
    const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    return space ? replace(1, " ") : copy(1);
  }

  [[nodiscard]] unsigned hex(std::size_t at) const {
    return static_cast<unsigned>(std::stoul(std::string(json_.substr(at, 4)), nullptr, 16));
  }

  void text() {
    copy(1);
    while (json_[at_] != '"') {
      if (json_[at_] == '\x7F') {
        replace(1, "\\u007F");
      } else if (json_[at_] != '\\') {
        copy(1);
      } else if (json_[at_ + 1] == '/') {
        replace(2, "/");
      } else if (json_[at_ + 1] == 'u' && hex(at_ + 2) >= 0xD800 && hex(at_ + 2) < 0xE000) {
        const unsigned rune = 0x10000 + ((hex(at_ + 2) - 0xD800) << 10U) + (hex(at_ + 8) - 0xDC00);
        char escape[16];
        std::snprintf(escape, sizeof escape, "\\U%08X", rune);
        replace(12, escape);
      } else {
        copy(2);
      }
    }
    copy(1);
  }

  std::string_view json_;
  std::size_t at_ = 0;
  std::string open_;
  TomlOfJson out_;
};

std::string decimal_of(const Rational& value) { return value.exact_decimal(); }

void put(Json& json, const char* key, const std::optional<Rational>& value) {
  if (value) json[key] = decimal_of(*value);
}

void put_span(Json& json, Ns from, Ns to) {
  if (from != kAlways) json["from"] = to_rfc3339(from);
  if (to != kForever) json["to"] = to_rfc3339(to);
}

Json json_of(const Meter& meter) {
  Json json{{"id", meter.id}, {"measure", measure_name(meter.measure)}};
  if (meter.of_gauges()) {
    json["metric"] = meter.metric;
    json["bytes"] = stored_name(meter.stored);
    put(json, "copies", meter.copies);
  } else {
    if (!meter.in.empty()) json["in"] = meter.in;
    if (!meter.out.empty()) json["out"] = meter.out;
    json["direction"] = direction_name(meter.direction);
  }
  const bool p95 = meter.measure == Measure::p95;
  if (meter.measure == Measure::time_weighted) json["hours"] = hours_name(meter.hours);
  if (meter.measure == Measure::daily_snapshot) json["snapshot_hour"] = meter.snapshot_hour;
  if (p95) json["missing"] = missing_name(meter.missing);
  if (p95 || meter.measure == Measure::peak) json["aggregate"] = aggregate_name(meter.aggregate);
  if (meter.level()) json["plan_change"] = plan_change_name(meter.plan_change);
  json["unit"] = meter.unit.name;
  put(json, "increment", meter.rules.increment);
  put(json, "minimum", meter.rules.minimum);
  put(json, "cap", meter.rules.cap);
  return json;
}

Json json_of(const PlanItem& item) {
  Json json{{"meter", item.meter}, {"allowance", decimal_of(item.allowance)}};
  json["pricing"] = pricing_name(item.pricing);
  put(json, "price", item.price);
  if (item.pricing == Pricing::package) json["package"] = decimal_of(item.package);
  for (const Tier& tier : item.tiers) {
    Json at = Json::object();
    put(at, "up_to", tier.up_to);
    at["price"] = decimal_of(tier.price);
    json["tier"].push_back(std::move(at));
  }
  return json;
}

Json json_of(const Plan& plan) {
  Json json{
      {"id", plan.id}, {"currency", plan.currency}, {"rounding", rounding_name(plan.rounding)}};
  for (const PlanItem& item : plan.items) json["item"].push_back(json_of(item));
  return json;
}

Json json_of(const Customer& customer) {
  Json json{{"id", customer.id}, {"name", customer.name}, {"time_zone", customer.zone}};
  if (customer.anchor != Anchor{}) {
    json["anchor_day"] = customer.anchor.day;
    json["anchor_hour"] = customer.anchor.hour;
  }
  put_span(json, customer.from, customer.to);
  if (customer.plans.size() == 1) {
    json["plan"] = customer.plans.front().plan;
    return json;
  }
  for (const PlanSpan& span : customer.plans) {
    Json at{{"plan", span.plan}};
    put_span(at, span.from, span.to);
    json["plans"].push_back(std::move(at));
  }
  return json;
}

Json json_of(const Resource& resource) {
  Json json{{"customer", resource.customer}};
  put_span(json, resource.from, resource.to);
  json["match"] = Json::object();
  for (const auto& [label, glob] : resource.match.globs) json["match"][label] = glob;
  return json;
}

template <typename T>
void add_list(std::string& out, const char* key, const std::vector<T>& all) {
  if (all.empty()) return;
  out += std::string(",\n\"") + key + "\": [";
  for (const T& item : all) out += (&item == all.data() ? "\n  " : ",\n  ") + json_of(item).dump();
  out += "\n]";
}

}  // namespace

std::string canonical_text(const Catalogue& catalogue) {
  const PeriodRule& rule = catalogue.period;
  const Json billing{{"period", rule.monthly() ? "month" : to_duration_text(rule.length)},
                     {"time_zone", catalogue.zone}};
  std::string out =
      "{\"currency\": " + Json(catalogue.currency).dump() + ",\n\"billing\": " + billing.dump();
  add_list(out, "meter", catalogue.meters);
  add_list(out, "plan", catalogue.plans);
  add_list(out, "customer", catalogue.customers);
  add_list(out, "resource", catalogue.resources);
  return out + "}\n";
}

TomlOfJson toml_of_json(std::string_view json, const std::string& name, app::ConfigErrors& errors) {
  // To the grammar the text ends at a zero byte.
  if (const std::size_t zero = json.find('\0'); zero != std::string_view::npos) {
    const Place place = place_at(json, zero);
    errors.add({name, place.line, place.column, "not JSON: a zero byte", "a JSON object"});
    return {};
  }
  Grammar grammar;
  if (!Json::sax_parse(json.begin(), json.end(), &grammar)) {
    const Place place = place_at(json, grammar.wrong_at);
    errors.add({name, place.line, place.column, "not JSON: " + grammar.why, "a JSON object"});
    return {};
  }
  Writer writer(json);
  TomlOfJson toml = writer.write();
  for (const std::size_t at : writer.nulls) {
    const Place place = place_at(json, at);
    errors.add({name, place.line, place.column, "null is no value", "the key left out"});
  }
  return writer.nulls.empty() ? toml : TomlOfJson{};
}

}  // namespace tallyman::rater
