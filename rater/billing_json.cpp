#include "rater/billing_json.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "rater/bus/record_routing.hpp"
#include "rater/decisions/decisions_json.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "urn:tallyman:schema:usage-record:1";

/// One line; bytes that are no UTF-8 come out as U+FFFD.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const Period& period) {
  return {{"id", period.id},
          {"start", to_rfc3339_short(period.start)},
          {"end", to_rfc3339_short(period.end)}};
}

Json json_of(const Quantity& quantity) {
  return {{"billed", quantity.billed},
          {"low", quantity.low},
          {"high", quantity.high ? Json(*quantity.high) : Json(nullptr)}};
}

Json json_of(const Segment& segment, bool levels) {
  Json json{{"plan", segment.plan},
            {"active",
             {{"start", to_rfc3339_short(segment.active.from)},
              {"end", to_rfc3339_short(segment.active.to)}}},
            {"share", segment.share}};
  json["measured"] = json_of(segment.measured);
  json["exact"] = json_of(segment.base);
  if (levels) json["slots"] = {{"held", segment.slots}, {"missing", segment.slots_missing}};
  json["rules"] = Json::array();
  for (const RuleStep& step : segment.rules) {
    json["rules"].push_back({{"rule", step.rule},
                             {"value", step.value},
                             {"before", step.before},
                             {"after", step.after}});
  }
  json["quantity"] = json_of(segment.quantity);
  json["allowance"] = segment.allowance;
  json["overuse"] = segment.overuse;
  if (segment.pricing.empty()) return json;
  json["pricing"] = segment.pricing;
  json["tiers"] = Json::array();
  for (const TierLine& line : segment.tiers) {
    json["tiers"].push_back(
        {{"quantity", line.quantity}, {"price", line.price}, {"amount", line.amount}});
  }
  json["amount"] = segment.amount;
  return json;
}

void put_measure(const UsageRecord& r, Json& data) {
  data["measure"] = r.measure;
  if (!r.direction.empty()) data["direction"] = r.direction;
  if (!r.missing.empty()) data["missing"] = r.missing;
  if (!r.hours.empty()) data["hours"] = r.hours;
  if (!r.aggregate.empty()) data["aggregate"] = r.aggregate;
  if (!r.snapshot.empty()) data["snapshot"] = r.snapshot;
  if (!r.plan_change.empty()) data["plan_change"] = r.plan_change;
  if (!r.stored.empty()) data["bytes"] = r.stored;
  if (!r.copies.empty()) data["copies"] = r.copies;
}

/// What was measured, how well, and what people decided of it.
void put_figures(const UsageRecord& r, Json& data) {
  data["quantity"] = json_of(r.quantity);
  data["measured"] = json_of(r.measured);
  data["exact"] = {{"unit", r.base_unit}};
  data["exact"].update(json_of(r.base));
  data["coverage"] = r.coverage;
  data["estimated"] = r.estimated;
  data["series"] = r.series;
  if (r.slot > 0) {
    data["slots"] = {
        {"length", to_duration_text(r.slot)}, {"held", r.slots}, {"missing", r.slots_missing}};
  }
  if (!r.waived.empty()) {
    const bool held = !r.stored.empty();
    data["waived"] = {
        {"amount", r.waived}, {"unit", held ? "byte-seconds" : "bytes"}, {"share", r.waived_share}};
  }
  if (r.computed) {
    data["correction"] = {{"computed", *r.computed}, {"decision", to_hex(r.corrected_by)}};
  }
}

void put_money(const Money& money, Json& data) {
  if (!money.price.empty()) data["price"] = money.price;
  data["currency"] = money.currency;
  data["amount"] = money.amount;
  data["remainder"] = money.remainder;
  data["rounding"] = money.rounding;
  data["amount_low"] = money.low;
  data["amount_high"] = money.high ? Json(*money.high) : Json(nullptr);
}

Json json_of(const UsageRecord& r) {
  Json data;
  data["key"] = {{"customer", r.customer}, {"meter", r.meter}, {"period", json_of(r.period)}};
  data["revision"] = r.revision;
  data["plan"] = r.plan;
  data["active"] = {{"start", to_rfc3339_short(r.active.from)},
                    {"end", to_rfc3339_short(r.active.to)}};
  put_measure(r, data);
  data["unit"] = r.unit;
  put_figures(r, data);
  data["allowance"] = r.allowance;
  data["overuse"] = r.overuse;
  if (r.money) put_money(*r.money, data);
  data["segments"] = Json::array();
  for (const Segment& segment : r.segments) {
    data["segments"].push_back(json_of(segment, r.slot > 0));
  }
  data["catalogue_version"] = to_hex(r.catalogue_version);
  data["meter_version"] = to_hex(r.meter_version);
  data["evidence"] = to_hex(r.evidence);
  data["closed_without"] = r.closed_without;
  data["problems"] = r.problems;
  return data;
}

Json json_of(const PeriodRecord& r) {
  Json data;
  Json key;
  if (!r.customer.empty()) key["customer"] = r.customer;
  key["period"] = json_of(r.period);
  data["key"] = std::move(key);
  data["revision"] = r.revision;
  data["records"] = r.records;
  data["sums"] = Json::object();
  for (const auto& [currency, sum] : r.sums) data["sums"][currency] = sum;
  data["ids"] = to_hex(r.ids);
  data["catalogue_version"] = to_hex(r.catalogue_version);
  data["cut"] = to_hex(r.cut);
  data["closed_without"] = r.closed_without;
  return data;
}

/// The envelope: CloudEvents 1.0, structured mode.
Message envelope(const Hash& id, const std::string& kind, const std::string& source,
                 const std::string& customer, const std::string& meter, Ns end, Json data) {
  Message message;
  message.id = to_hex(id);
  message.type = "tallyman.usage." + kind + ".v1";
  message.customer = customer;
  message.meter = meter;
  message.routing_key = routing_key(kind, meter, customer);
  Json event{
      {"specversion", "1.0"}, {"id", message.id}, {"source", source}, {"type", message.type}};
  if (!customer.empty()) event["subject"] = customer;
  event["time"] = to_rfc3339_short(end);
  event["dataschema"] = kSchema;
  event["datacontenttype"] = "application/json";
  event["data"] = std::move(data);
  message.body = text_of(event);
  return message;
}

Json json_of(const PeriodLine& line) {
  Json json = json_of(line.period);
  json["state"] = line.state;
  json["records"] = line.messages;
  json["closed_without"] = line.without;
  json["awaited"] = line.awaited;
  if (!line.import.empty()) json["import"] = line.import;
  return json;
}

Json json_of(const std::vector<Unattributed>& sums) {
  Json json = Json::array();
  for (const Unattributed& sum : sums) {
    json.push_back({{"metric", sum.metric},
                    {"source", sum.source},
                    {"unit", sum.unit},
                    {"amount", to_decimal(sum.amount)},
                    {"series", sum.series}});
  }
  return json;
}

Json json_of(const std::vector<MetricTotal>& totals) {
  Json json = Json::array();
  for (const MetricTotal& sum : totals) {
    json.push_back({{"metric", sum.metric},
                    {"source", sum.source},
                    {"unit", sum.unit},
                    {"read", to_decimal(sum.read)},
                    {"customers", to_decimal(sum.customers)},
                    {"unattributed", to_decimal(sum.nobody)},
                    {"other_periods", to_decimal(sum.elsewhere)}});
  }
  return json;
}

Json json_of(const std::optional<PeriodLine>& line) {
  return line ? json_of(*line) : Json(nullptr);
}

}  // namespace

Message message_of(const UsageRecord& record, const std::string& source) {
  Message message = envelope(record.id(), "record", source, record.customer, record.meter,
                             record.period.end, json_of(record));
  message.evidence = record.evidence;
  return message;
}

Message message_of(const PeriodRecord& record, const std::string& source) {
  return envelope(record.id(), "period", source, record.customer, "", record.period.end,
                  json_of(record));
}

std::string usage_document(const Period& period, Ns until, const Rating& rating,
                           const std::string& customer) {
  Json usage = Json::array();
  for (const UsageRecord& record : rating.records) {
    if (customer.empty() || record.customer == customer) usage.push_back(json_of(record));
  }
  return text_of({{"period", json_of(period)},
                  {"until", to_rfc3339_short(until)},
                  {"usage", std::move(usage)},
                  {"unattributed", json_of(rating.unattributed)},
                  {"problems", rating.problems}});
}

std::string periods_document(const std::vector<PeriodLine>& periods) {
  Json lines = Json::array();
  for (const PeriodLine& line : periods) lines.push_back(json_of(line));
  return text_of({{"periods", std::move(lines)}});
}

std::string records_document(const std::string& period, const std::vector<Message>& messages) {
  std::string records;
  for (const Message& message : messages) {
    if (!records.empty()) records += ',';
    records += message.body;
  }
  return "{\"period\":" + text_of(period) + ",\"records\":[" + records + "]}";
}

namespace {

/// A line an adjustment: its figures, revision and state.
Json rounds_json(const std::vector<AdjustmentRound>& rounds) {
  Json lines = Json::array();
  for (const AdjustmentRound& round : rounds) {
    for (const Message& message : round.messages) {
      if (message.meter.empty()) continue;
      Json line = Json::parse(adjustment_line(message), nullptr, false);
      if (line.is_discarded()) continue;
      line["revision"] = round.revision;
      line["state"] = period_state_name(round.state);
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace

std::string review_document(const Review& review) {
  Json lines = Json::array();
  Json sums = Json::object();
  for (const Message& message : review.messages) {
    const Json event = Json::parse(message.body, nullptr, false);
    if (event.is_discarded()) continue;
    if (!message.meter.empty()) {
      lines.push_back(event.at("data"));
      const std::string before = previous_line(message, review.before);
      if (!before.empty()) lines.back()["previous"] = Json::parse(before);
    }
    if (message.meter.empty() && message.customer.empty()) sums = event.at("data").at("sums");
  }
  Json anomalies = Json::parse(anomalies_document(review.anomalies, review.decisions));
  Json json{{"period", json_of(review.line)}, {"lines", std::move(lines)},
            {"sums", std::move(sums)},        {"unattributed", json_of(review.unattributed)},
            {"problems", review.problems},    {"anomalies", std::move(anomalies.at("anomalies"))}};
  json["adjustments"] = rounds_json(review.rounds);
  json["totals"] = json_of(review.totals);
  if (!review.against.empty()) json["against"] = review.against;
  json["waivers"] = Json::array();
  for (const Waiver& waiver : review.decisions.waivers) {
    const Period& period = review.line.period;
    if (waiver.from >= period.end || waiver.to <= period.start) continue;
    json["waivers"].push_back({{"resource", resource_text(waiver)},
                               {"from", to_rfc3339_short(waiver.from)},
                               {"to", to_rfc3339_short(waiver.to)}});
  }
  for (const LooseSeries& series : review.loose) {
    json["unattributed_series"].push_back({{"series", series_text(series.key)},
                                           {"unit", series.key.unit},
                                           {"amount", to_decimal(series.amount)}});
  }
  return text_of(json);
}

namespace {

/// What a bus that answers in the call has nothing to say of is left out.
Json bus_json(const std::string& bus, const BusState& state) {
  Json json = {{"bus", bus}, {"state", state.name}};
  if (!state.node.empty()) {
    json["node"] = state.node;
    json["in_flight"] = state.in_flight;
    json["held"] = state.held;
    json["repeated"] = state.repeated;
  }
  if (!state.detail.empty()) json["detail"] = state.detail;
  return json;
}

}  // namespace

std::string outbox_document(const std::vector<OutboxRow>& rows, std::uint64_t waiting,
                            const std::string& bus, const BusState& state) {
  Json lines = Json::array();
  for (const OutboxRow& row : rows) {
    lines.push_back({{"n", row.n},
                     {"id", row.id},
                     {"routing_key", row.routing_key},
                     {"period", row.period},
                     {"state", row.state}});
  }
  Json json = bus_json(bus, state);
  json["waiting"] = waiting;
  json["outbox"] = std::move(lines);
  return text_of(json);
}

std::string bus_document(const std::string& bus, const BusState& state) {
  return text_of(bus_json(bus, state));
}

std::string skipped_document(const OutboxRow& row) {
  return text_of({{"skipped", row.id},
                  {"period", row.period},
                  {"routing_key", row.routing_key},
                  {"state", row.state},
                  {"note",
                   "look for its id at the invoice system: an earlier try may have arrived. Its "
                   "period record still counts it"}});
}

std::string skip_subject(const OutboxRow& row) {
  return text_of({{"id", row.id}, {"period", row.period}, {"routing_key", row.routing_key}});
}

std::string resend_subject(const std::string& what, std::uint64_t messages) {
  return text_of({{"resent", what}, {"messages", messages}});
}

std::string status_document(const BillingStatus& s) {
  Json json;
  json["catalogue"] = {{"path", s.catalogue_path},
                       {"version", s.catalogue ? Json(to_hex(*s.catalogue)) : Json(nullptr)},
                       {"customers", s.customers},
                       {"meters", s.meters},
                       {"plans", s.plans},
                       {"resources", s.resources}};
  if (!s.catalogue_read.empty()) json["catalogue"]["reading"] = s.catalogue_read;
  json["deriving"] = s.deriving;
  json["comparing"] = s.comparing > 0 ? Json(s.comparing) : Json(nullptr);
  json["running"] = json_of(s.running);
  json["next"] = json_of(s.next);
  json["draft"] = json_of(s.draft);
  json["latest"] = json_of(s.latest);
  json["adjustments"] = {{"due", s.adjustments_due}, {"drafts", s.adjustments}};
  json["outbox"] = bus_json(s.bus, s.bus_state);
  json["outbox"]["waiting"] = s.waiting;
  json["outbox"]["confirmed"] = s.confirmed;
  json["outbox"]["skipped"] = s.skipped;
  json["error"] = s.error.empty() ? Json(nullptr) : Json(s.error);
  return text_of(json);
}

}  // namespace tallyman::rater
