#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/rating/price.hpp"
#include "rater/views/statement.hpp"

namespace tallyman::rater {

namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::uint64_t number(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}

Ns instant(const Json& object, const char* key) {
  return from_rfc3339(text(object, key)).value_or(0);
}

const Json& part(const Json& object, const char* key) {
  static const Json kNone = Json::object();
  const auto it = object.find(key);
  return it != object.end() && it->is_structured() ? *it : kNone;
}

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> out;
  for (const Json& each : part(object, key)) {
    if (each.is_string()) out.push_back(each.get<std::string>());
  }
  return out;
}

Json json_of(const Plot& plot) {
  Json out{{"unit", plot.unit}, {"from", to_rfc3339_short(plot.from)}, {"step_ns", plot.step}};
  out["lines"] = Json::array();
  for (const PlotLine& line : plot.lines) {
    Json peaks = Json::array(), means = Json::array();
    for (const PlotPoint& point : line.points) {
      peaks.push_back(point.peak.empty() ? Json() : Json(point.peak));
      means.push_back(point.mean.empty() ? Json() : Json(point.mean));
    }
    out["lines"].push_back(
        {{"name", line.name}, {"peak", std::move(peaks)}, {"mean", std::move(means)}});
  }
  return out;
}

Plot plot_from(const Json& json) {
  Plot plot{text(json, "unit"), instant(json, "from"), 0, {}};
  if (json.contains("step_ns") && json["step_ns"].is_number_integer()) {
    plot.step = json["step_ns"].get<Ns>();
  }
  for (const Json& given : part(json, "lines")) {
    PlotLine line{text(given, "name"), {}};
    const Json &peaks = part(given, "peak"), &means = part(given, "mean");
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      PlotPoint point;
      if (peaks[i].is_string()) point.peak = peaks[i].get<std::string>();
      if (i < means.size() && means[i].is_string()) point.mean = means[i].get<std::string>();
      line.points.push_back(std::move(point));
    }
    plot.lines.push_back(std::move(line));
  }
  return plot;
}

Json json_of(const StatementMeter& m) {
  Json out{{"record", m.id.empty() ? Json() : Json(m.id)},
           {"meter", m.meter},
           {"plan", m.plan},
           {"measure", m.measure}};
  if (!m.direction.empty()) out["direction"] = m.direction;
  if (!m.missing.empty()) out["missing"] = m.missing;
  if (!m.hours.empty()) out["hours"] = m.hours;
  out["unit"] = m.unit;
  out["quantity"] = {
      {"billed", m.quantity}, {"low", m.low}, {"high", m.high.empty() ? Json() : Json(m.high)}};
  out["coverage"] = m.coverage;
  out["estimated"] = m.estimated;
  if (!m.slot_length.empty()) {
    out["slots"] = {{"length", m.slot_length}, {"held", m.slots}, {"missing", m.slots_missing}};
  }
  out["allowance"] = m.allowance;
  out["overuse"] = m.overuse;
  if (!m.amount.empty()) {
    if (!m.price.empty()) out["price"] = m.price;
    out["currency"] = m.currency;
    out["amount"] = m.amount;
  }
  if (!m.charges.empty()) {
    out["charges"] = Json::array();
    for (const StatementCharge& c : m.charges) {
      out["charges"].push_back(
          {{"quantity", c.quantity}, {"price", c.price}, {"amount", c.amount}});
    }
  }
  out["closed_without"] = m.closed_without;
  out["problems"] = m.problems;
  if (m.forecast) {
    out["forecast"] = {{"quantity", m.forecast->quantity}, {"overuse", m.forecast->overuse}};
  }
  out["plot"] = json_of(m.plot);
  return out;
}

std::vector<StatementCharge> charges_from(const Json& lines) {
  std::vector<StatementCharge> out;
  for (const Json& line : lines) {
    if (!line.is_object()) continue;
    out.push_back({text(line, "quantity"), text(line, "price"), text(line, "amount")});
  }
  return out;
}

StatementMeter meter_from(const Json& data) {
  StatementMeter m;
  m.id = text(data, "record");
  m.meter = text(data, "meter");
  if (m.meter.empty()) m.meter = text(part(data, "key"), "meter");
  m.measure = text(data, "measure");
  m.direction = text(data, "direction");
  m.missing = text(data, "missing");
  m.hours = text(data, "hours");
  m.unit = text(data, "unit");
  m.plan = text(data, "plan");
  const Json& quantity = part(data, "quantity");
  m.quantity = text(quantity, "billed");
  m.low = text(quantity, "low");
  m.high = text(quantity, "high");
  m.coverage = text(data, "coverage");
  m.estimated = text(data, "estimated");
  m.allowance = text(data, "allowance");
  m.overuse = text(data, "overuse");
  m.price = text(data, "price");
  m.currency = text(data, "currency");
  m.amount = text(data, "amount");
  m.charges = charges_from(part(data, "charges"));
  for (const Json& segment : part(data, "segments")) {
    if (!segment.is_object() || data.contains("charges")) continue;
    for (StatementCharge& line : charges_from(part(segment, "tiers"))) {
      m.charges.push_back(std::move(line));
    }
  }
  const Json& slots = part(data, "slots");
  m.slot_length = text(slots, "length");
  m.slots = number(slots, "held");
  m.slots_missing = number(slots, "missing");
  m.closed_without = texts(data, "closed_without");
  m.problems = texts(data, "problems");
  return m;
}

}  // namespace

Result<StatementMeter> statement_meter(std::string_view record) {
  const Json json = Json::parse(record, nullptr, false);
  const bool event = json.is_object() && json.contains("data") && json["data"].is_object();
  const Json& data = event ? json["data"] : json;
  if (!data.is_object() || !data.contains("key")) {
    return Error{"not a usage record", std::string(record.substr(0, 64)), ""};
  }
  StatementMeter meter = meter_from(data);
  if (event) meter.id = text(json, "id");
  return meter;
}

std::string statement_json(const CustomerStatement& s) {
  Json out{{"ledger", s.ledger},
           {"customer", {{"id", s.customer}, {"name", s.name}, {"time_zone", s.zone}}},
           {"period",
            {{"id", s.period.id},
             {"start", to_rfc3339_short(s.period.start)},
             {"end", to_rfc3339_short(s.period.end)}}},
           {"state", s.state},
           {"until", to_rfc3339_short(s.until)},
           {"plot_as_billed", s.plot_as_billed}};
  out["meters"] = Json::array();
  for (const StatementMeter& meter : s.meters) out["meters"].push_back(json_of(meter));
  out["sums"] = Json::object();
  for (const auto& [currency, sum] : s.sums) out["sums"][currency] = sum;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<CustomerStatement> read_statement(std::string_view json) {
  const Json given = Json::parse(json, nullptr, false);
  if (!given.is_object() || !given.contains("customer") || !given.contains("meters")) {
    return Error{"the answer is not a statement", "", "use the tallyman-rater of this daemon"};
  }
  CustomerStatement s;
  s.ledger = text(given, "ledger");
  s.customer = text(part(given, "customer"), "id");
  s.name = text(part(given, "customer"), "name");
  s.zone = text(part(given, "customer"), "time_zone");
  const Json& period = part(given, "period");
  s.period = {text(period, "id"), instant(period, "start"), instant(period, "end")};
  s.state = text(given, "state");
  s.until = instant(given, "until");
  const auto as_billed = given.find("plot_as_billed");
  s.plot_as_billed = as_billed == given.end() || *as_billed != false;
  for (const Json& each : part(given, "meters")) {
    if (!each.is_object()) continue;
    StatementMeter meter = meter_from(each);
    const Json& forecast = part(each, "forecast");
    if (!forecast.empty()) {
      meter.forecast = Forecast{text(forecast, "quantity"), text(forecast, "overuse")};
    }
    meter.plot = plot_from(part(each, "plot"));
    s.meters.push_back(std::move(meter));
  }
  for (const auto& [currency, sum] : part(given, "sums").items()) {
    if (sum.is_string()) s.sums[currency] = sum.get<std::string>();
  }
  return s;
}

std::optional<Forecast> forecast_of(const StatementMeter& m, const Span& active, Ns until) {
  constexpr unsigned kPlaces = 9;
  const auto quantity = Rational::from_text(m.quantity);
  const auto allowance = Rational::from_text(m.allowance);
  const auto coverage = Rational::from_text(m.coverage);
  const Ns elapsed = std::min(until, active.to) - active.from;
  if (!quantity || !allowance || !coverage || coverage->zero() || elapsed <= 0) return {};
  Rational at_end = *quantity;
  if (m.measure == "volume" || m.measure == "time_weighted") {
    const Rational known = *coverage * Rational(static_cast<u128>(elapsed));
    at_end = *quantity * Rational(static_cast<u128>(active.to - active.from)) / known;
  }
  return Forecast{at_end.text(kPlaces), overuse_of(at_end, *allowance).text(kPlaces)};
}

}  // namespace tallyman::rater
