#include "rater/decisions/adjustment.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "rater/bus/record_routing.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/rating/price.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "urn:tallyman:schema:usage-record:1";
constexpr unsigned kDecimals = 40;
/// What a record tells beside its figures.
constexpr std::array kBeside{"coverage", "estimated",         "series",
                             "slots",    "catalogue_version", "meter_version",
                             "evidence", "closed_without",    "problems"};

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json parsed(const std::string& text) {
  if (text.empty()) return nullptr;
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(nullptr) : json;
}

std::string figures_of(const std::string& data) {
  Json json = parsed(data);
  if (!json.is_object()) return {};
  for (const char* key : kBeside) json.erase(key);
  // Keys in one order, whoever wrote them.
  return nlohmann::json(json).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A decimal text of a record; none is nought.
Rational decimal(const Json& record, const char* key, const char* inner = nullptr) {
  if (!record.is_object() || !record.contains(key)) return {};
  const Json& outer = record[key];
  const Json& value =
      inner != nullptr && outer.is_object() && outer.contains(inner) ? outer[inner] : outer;
  if (!value.is_string()) return {};
  return Rational::from_text(value.get<std::string>()).value_or(Rational());
}

Json text_at(const Json& record, const char* key) {
  return record.is_object() && record.contains(key) ? record[key] : Json(nullptr);
}

Json difference_of(const Json& before, const Json& after) {
  const auto less = [&](const char* key, const char* inner) {
    return (decimal(after, key, inner) - decimal(before, key, inner)).text(kDecimals);
  };
  Json out{{"quantity", less("quantity", "billed")},
           {"exact", less("exact", "billed")},
           {"overuse", less("overuse", nullptr)}};
  const Json old = text_at(before, "currency"), now = text_at(after, "currency");
  const bool priced = !old.is_null() || !now.is_null();
  // Of two currencies there is no difference: each side stands on its own.
  if (priced && (old.is_null() || now.is_null() || old == now)) {
    out["amount"] = less("amount", nullptr);
    out["currency"] = now.is_null() ? old : now;
  }
  return out;
}

/// As a key says it; `fallback` where it does not.
Period period_of(const Json& json, const Period& fallback) {
  const auto instant = [&](const char* key) -> std::optional<Ns> {
    const Json text = text_at(json, key);
    return text.is_string() ? from_rfc3339(text.get<std::string>()) : std::nullopt;
  };
  const auto start = instant("start"), end = instant("end");
  return start && end ? Period{fallback.id, *start, *end} : fallback;
}

using Key = std::pair<std::string, std::string>;
template <typename T>
Key key_of(const T& record) {
  return {record.customer, record.meter};
}

}  // namespace

std::optional<RecordVersion> version_of(const Message& message) {
  if (message.meter.empty()) return std::nullopt;
  const Json event = parsed(message.body);
  if (!event.is_object() || !event.contains("data") || !event["data"].is_object()) {
    return std::nullopt;
  }
  Json data = event["data"];
  RecordVersion out{message.customer, message.meter, message.id, message.id, {}, {}};
  if (data.contains("key") && data["key"].contains("period")) {
    out.period = text_of(data["key"]["period"]);
  }
  if (data.contains("new") && data.contains("original")) {
    out.original = data["original"].is_string() ? data["original"].get<std::string>() : "";
    data = Json(data["new"]);
    if (data.is_null()) return out;  // there is none any more
  }
  data.erase("key");
  data.erase("revision");
  out.data = text_of(data);
  return out;
}

std::vector<RecordVersion> newest(std::vector<RecordVersion> then,
                                  std::vector<RecordVersion> later) {
  std::map<Key, RecordVersion> all;
  for (RecordVersion& each : then) all[key_of(each)] = std::move(each);
  for (RecordVersion& each : later) all[key_of(each)] = std::move(each);
  std::vector<RecordVersion> out;
  for (auto& [key, each] : all) out.push_back(std::move(each));
  return out;
}

std::vector<Change> changes_between(const std::vector<RecordVersion>& before,
                                    const std::vector<Message>& after) {
  std::map<Key, Change> all;
  for (const RecordVersion& old : before) {
    all[key_of(old)] = {old.customer, old.meter, old.original, old.id, old.period, old.data, {}};
  }
  for (const Message& message : after) {
    const auto now = version_of(message);
    if (!now) continue;
    Change& change = all[key_of(*now)];
    change.customer = now->customer;
    change.meter = now->meter;
    change.after = now->data;
    change.period = now->period;
  }
  std::vector<Change> out;
  for (auto& [key, change] : all) {
    if (figures_of(change.before) != figures_of(change.after)) out.push_back(std::move(change));
  }
  return out;
}

Message adjustment_of(const Change& change, std::uint64_t revision, Ns end,
                      const std::string& source) {
  const Json before = parsed(change.before), after = parsed(change.after);
  Json key{{"customer", change.customer}, {"meter", change.meter}};
  key["period"] = parsed(change.period);
  Json data{{"key", std::move(key)}, {"revision", revision}};
  data["original"] = change.original.empty() ? Json(nullptr) : Json(change.original);
  data["previous"] = change.previous.empty() ? Json(nullptr) : Json(change.previous);
  data["old"] = before;
  data["new"] = after;
  data["difference"] = difference_of(before, after);
  FieldHasher hasher;
  hasher.field("tallyman.usage.adjustment.v1").field(change.customer).field(change.meter);
  hasher.field(change.period).number(revision).field(change.original).field(change.previous);
  hasher.field(text_of(before)).field(text_of(after));
  Message message;
  message.id = to_hex(hasher.finish());
  message.type = "tallyman.usage.adjustment.v1";
  message.customer = change.customer;
  message.meter = change.meter;
  message.routing_key = routing_key("adjustment", change.meter, change.customer);
  message.body = text_of(Json{{"specversion", "1.0"},
                              {"id", message.id},
                              {"source", source},
                              {"type", message.type},
                              {"subject", change.customer},
                              {"time", to_rfc3339_short(end)},
                              {"dataschema", kSchema},
                              {"datacontenttype", "application/json"},
                              {"data", std::move(data)}});
  return message;
}

std::vector<PeriodRecord> round_records(const std::vector<Message>& adjustments,
                                        const Period& period, std::uint64_t revision,
                                        const Hash& catalogue, const Hash& cut) {
  struct Sum {
    std::uint64_t records = 0;
    std::map<std::string, Rational> sums;
    FieldHasher ids;
    Period period;  ///< a customer's, with the customer's bounds
  };
  std::map<std::string, Sum> all;
  const auto add = [](Sum& sum, const Message& message, const Json& difference) {
    ++sum.records;
    sum.ids.field(message.id);
    const Json currency = text_at(difference, "currency");
    if (!currency.is_string()) return;
    Rational& total = sum.sums[currency.get<std::string>()];
    total = total + decimal(difference, "amount");
  };
  for (const Message& message : adjustments) {
    const Json difference = parsed(message.body)["data"]["difference"];
    Sum& theirs = all[message.customer];
    add(theirs, message, difference);
    theirs.period = period_of(parsed(message.body)["data"]["key"]["period"], period);
    add(all[""], message, difference);
    all[""].period = period;
  }
  std::vector<PeriodRecord> out;
  for (auto& [customer, sum] : all) {
    PeriodRecord record;
    record.customer = customer;
    record.period = sum.period;
    record.revision = revision;
    record.records = sum.records;
    for (const auto& [currency, total] : sum.sums) {
      record.sums[currency] = total.fixed(minor_unit_decimals(currency));
    }
    record.ids = sum.ids.finish();
    record.catalogue_version = catalogue;
    record.cut = cut;
    out.push_back(std::move(record));
  }
  // The one of all comes last.
  std::rotate(out.begin(), out.begin() + (out.empty() ? 0 : 1), out.end());
  return out;
}

std::string change_line(const Change& change) {
  const Json before = parsed(change.before), after = parsed(change.after);
  const auto billed = [](const Json& record) {
    return record.is_object() ? Json(decimal(record, "quantity", "billed").text(kDecimals))
                              : Json(nullptr);
  };
  const Json difference = difference_of(before, after);
  const Json unit = text_at(after.is_null() ? before : after, "unit");
  Json line{{"customer", change.customer},
            {"meter", change.meter},
            {"before", billed(before)},
            {"after", billed(after)},
            {"difference", difference["quantity"]},
            {"unit", unit},
            {"amount_before", text_at(before, "amount")},
            {"amount_after", text_at(after, "amount")},
            {"amount_difference", text_at(difference, "amount")},
            {"currency", text_at(difference, "currency")}};
  return text_of(line);
}

std::string previous_line(const Message& now, const std::vector<RecordVersion>& before) {
  const auto version = version_of(now);
  if (!version) return {};
  const auto same = [&](const RecordVersion& each) { return key_of(each) == key_of(*version); };
  const auto found = std::find_if(before.begin(), before.end(), same);
  if (found == before.end() || found->data.empty()) return {};
  const Json old = parsed(found->data);
  const Json difference = difference_of(old, parsed(version->data));
  return text_of(Json{{"quantity", decimal(old, "quantity", "billed").text(kDecimals)},
                      {"change", difference["quantity"]},
                      {"amount", text_at(old, "amount")},
                      {"amount_change", text_at(difference, "amount")}});
}

std::string adjustment_line(const Message& message) {
  const Json event = parsed(message.body);
  const Json data = event.is_object() && event.contains("data") ? event["data"] : Json(nullptr);
  const auto side = [&](const char* key) {
    const Json record = text_at(data, key);
    return record.is_null() ? std::string() : text_of(record);
  };
  return change_line({message.customer, message.meter, {}, {}, {}, side("old"), side("new")});
}

}  // namespace tallyman::rater
