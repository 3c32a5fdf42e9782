// Reads the catalogue's TOML. Each table is read on its own first, then what refers to what is
// checked; a mistake is told at the key it is in.

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/time_text.hpp"
#include "rater/bus/record_routing.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

namespace {

using app::ConfigTable;
using std::string_view;

// Ids stand in routing keys of at most 255 bytes, percent-encoded: model.md, "The message".
constexpr std::size_t kMaxEncodedId = 100;

template <typename T>
struct Placed {
  T value;
  ConfigTable table;
};

class Reader {
 public:
  Reader(ConfigTable root, Ns slot) : root_(std::move(root)), slot_(slot) {}
  Catalogue read();

 private:
  void read_period();
  void read_meter(ConfigTable table);
  void read_plan(ConfigTable table);
  void read_item(ConfigTable table, Plan& plan, std::set<std::string>& seen);
  void read_customer(ConfigTable table);
  void read_resource(ConfigTable table);
  void check_references();
  void check_identical_claims();

  std::string id(ConfigTable& table, std::set<std::string>& taken, const char* what);
  static std::string zone(ConfigTable& table, string_view key, const std::string& fallback);
  std::string currency(ConfigTable& table, const std::string& fallback);
  static std::pair<Ns, Ns> span(ConfigTable& table);
  static std::optional<Rational> amount(ConfigTable& table, string_view key);
  template <typename T>
  std::vector<T> values(const std::vector<Placed<T>>& placed) {
    std::vector<T> out;
    for (const auto& item : placed) out.push_back(item.value);
    return out;
  }

  ConfigTable root_;
  Ns slot_;
  Catalogue catalogue_;
  std::vector<Placed<Meter>> meters_;
  std::vector<Placed<Plan>> plans_;
  std::vector<Placed<PlanItem>> items_;
  std::vector<Placed<Customer>> customers_;
  std::vector<Placed<Resource>> resources_;
  std::set<std::string> meter_ids_, plan_ids_, customer_ids_;
};

Catalogue Reader::read() {
  catalogue_.currency = currency(root_, "EUR");
  read_period();
  for (ConfigTable& table : root_.tables("meter")) read_meter(table);
  for (ConfigTable& table : root_.tables("plan")) read_plan(table);
  for (ConfigTable& table : root_.tables("customer")) read_customer(table);
  for (ConfigTable& table : root_.tables("resource")) read_resource(table);
  root_.finish();
  check_references();
  check_identical_claims();

  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  catalogue_.meters = values(meters_);
  catalogue_.plans = values(plans_);
  catalogue_.customers = values(customers_);
  catalogue_.resources = values(resources_);
  std::sort(catalogue_.meters.begin(), catalogue_.meters.end(), by_id);
  std::sort(catalogue_.plans.begin(), catalogue_.plans.end(), by_id);
  std::sort(catalogue_.customers.begin(), catalogue_.customers.end(), by_id);
  std::sort(catalogue_.resources.begin(), catalogue_.resources.end(),
            [](const Resource& a, const Resource& b) {
              return std::tie(a.customer, a.match, a.from, a.to) <
                     std::tie(b.customer, b.match, b.from, b.to);
            });
  return std::move(catalogue_);
}

void Reader::read_period() {
  ConfigTable billing = root_.table("billing");
  const std::string period = billing.text("period", "month");
  if (period != "month") {
    const auto length = duration_from_text(period);
    if (!length || *length < kSecond || *length > 366 * kDay) {
      billing.complain("period", "period `" + period + "` is not a billing period",
                       "\"month\", or a length of 1s to 366d");
    } else if (*length % slot_ != 0) {
      billing.complain("period", "period " + period + " is not a multiple of the slot",
                       "a multiple of " + to_duration_text(slot_));
    } else {
      catalogue_.period.length = *length;
    }
  }
  catalogue_.zone = zone(billing, "time_zone", "UTC");
}

std::string Reader::id(ConfigTable& table, std::set<std::string>& taken, const char* what) {
  std::string id = table.required_text("id");
  if (id.empty()) {
    if (table.has("id")) table.complain("id", std::string(what) + " id is empty", "a name");
    return id;
  }
  if (percent_encoded_size(id) > kMaxEncodedId || id == "-") {
    table.complain("id", std::string(what) + " id `" + id + "` cannot be used",
                   "a name of at most 100 bytes, percent-encoded, other than `-`");
  }
  if (!taken.insert(id).second) {
    table.complain("id", "there are two of " + std::string(what) + " `" + id + "`", "unique ids");
  }
  return id;
}

std::string Reader::zone(ConfigTable& table, string_view key, const std::string& fallback) {
  std::string zone = table.text(key, fallback);
  if (zone_known(zone)) return zone;
  table.complain(key, "unknown time zone `" + zone + "`", "a name like Europe/Berlin");
  return "UTC";
}

std::string Reader::currency(ConfigTable& table, const std::string& fallback) {
  std::string currency = table.text("currency", fallback);
  const bool letters =
      std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (currency.size() != 3 || !letters) {
    table.complain("currency", "currency `" + currency + "` is not one",
                   "three capital letters of ISO 4217, like EUR");
  }
  return currency;
}

std::pair<Ns, Ns> Reader::span(ConfigTable& table) {
  const Ns from = table.instant("from").value_or(kAlways);
  const Ns to = table.instant("to").value_or(kForever);
  if (from >= to) table.complain("to", "`to` is not after `from`", "a later instant");
  return {from, to};
}

std::optional<Rational> Reader::amount(ConfigTable& table, string_view key) {
  const auto text = table.decimal(key);
  if (!text) return std::nullopt;
  const auto value = Rational::from_text(*text);
  if (!value || value->negative()) {
    table.complain(key, "`" + *text + "` cannot be used", "a decimal of 0 or more, like \"0.02\"");
    return std::nullopt;
  }
  return value;
}

void Reader::read_meter(ConfigTable table) {
  static constexpr std::array<string_view, 3> kMeasures{"volume", "p95", "time_weighted"};
  static constexpr std::array<string_view, 3> kVolume{"out", "in", "sum"};
  static constexpr std::array<string_view, 5> kP95{"max_of_p95", "p95_of_sum", "p95_of_max", "out",
                                                   "in"};
  static constexpr std::array<string_view, 3> kMissing{"exclude", "zero", "spread"};
  static constexpr std::array<string_view, 2> kHours{"actual", "730"};
  Meter meter;
  meter.id = id(table, meter_ids_, "meter");
  if (!table.has("measure")) {
    table.complain("measure", "a meter needs `measure`", "volume, p95 or time_weighted");
  }
  const std::string measure = table.choice("measure", kMeasures, "volume");
  meter.measure = measure == "p95"             ? Measure::p95
                  : measure == "time_weighted" ? Measure::time_weighted
                                               : Measure::volume;
  if (meter.measure == Measure::time_weighted) {
    meter.metric = table.required_text("metric");
    meter.hours =
        table.choice("hours", kHours, "actual") == "730" ? Hours::fixed_730 : Hours::actual;
  } else {
    meter.in = table.text("in", "");
    meter.out = table.text("out", "");
    const bool p95 = meter.measure == Measure::p95;
    const std::string direction = p95 ? table.choice("direction", kP95, "max_of_p95")
                                      : table.choice("direction", kVolume, "sum");
    for (const Direction d : {Direction::out, Direction::in, Direction::sum, Direction::max_of_p95,
                              Direction::p95_of_sum, Direction::p95_of_max}) {
      if (direction == direction_name(d)) meter.direction = d;
    }
    if (meter.in.empty() && meter.direction != Direction::out) {
      table.complain("in", "direction `" + direction + "` needs a metric `in`", "its name");
    }
    if (meter.out.empty() && meter.direction != Direction::in) {
      table.complain("out", "direction `" + direction + "` needs a metric `out`", "its name");
    }
    if (!meter.in.empty() && meter.in == meter.out) {
      table.complain("out", "`in` and `out` are the same metric", "two metrics");
    }
  }
  if (meter.measure == Measure::p95) {
    const std::string missing = table.choice("missing", kMissing, "exclude");
    meter.missing = missing == "zero"     ? Missing::zero
                    : missing == "spread" ? Missing::spread
                                          : Missing::exclude;
  }
  const std::string name = table.required_text("unit");
  const auto unit = unit_named(name);
  if (unit && unit_fits(*unit, meter.measure)) {
    meter.unit = *unit;
  } else if (!name.empty()) {
    table.complain("unit", "unit `" + name + "` is not one of measure " + measure,
                   "one of " + unit_names(meter.measure));
  }
  meters_.push_back({std::move(meter), table});
}

void Reader::read_plan(ConfigTable table) {
  Plan plan;
  plan.id = id(table, plan_ids_, "plan");
  plan.currency = table.has("currency") ? currency(table, "EUR") : catalogue_.currency;
  std::set<std::string> seen;
  for (ConfigTable& item : table.tables("item")) read_item(item, plan, seen);
  std::sort(plan.items.begin(), plan.items.end(),
            [](const PlanItem& a, const PlanItem& b) { return a.meter < b.meter; });
  plans_.push_back({std::move(plan), table});
}

void Reader::read_item(ConfigTable table, Plan& plan, std::set<std::string>& seen) {
  PlanItem item;
  item.meter = table.required_text("meter");
  item.allowance = amount(table, "allowance").value_or(Rational());
  item.price = amount(table, "price");
  if (!item.meter.empty() && !seen.insert(item.meter).second) {
    table.complain("meter", "plan `" + plan.id + "` has meter `" + item.meter + "` twice",
                   "one item a meter");
  }
  items_.push_back({item, table});
  plan.items.push_back(std::move(item));
}

void Reader::read_customer(ConfigTable table) {
  Customer customer;
  customer.id = id(table, customer_ids_, "customer");
  customer.name = table.text("name", customer.id);
  customer.plan = table.required_text("plan");
  customer.zone = zone(table, "time_zone", catalogue_.zone);
  std::tie(customer.from, customer.to) = span(table);
  customers_.push_back({std::move(customer), table});
}

void Reader::read_resource(ConfigTable table) {
  Resource resource;
  resource.customer = table.required_text("customer");
  ConfigTable match = table.table("match");
  for (const std::string& label : match.keys()) {
    resource.match.globs.emplace(label, match.text(label, ""));
  }
  if (resource.match.globs.empty()) {
    table.complain("match", "a resource without `match` would claim everything",
                   "[resource.match] with source or labels, e.g. source = \"host:stor-01\"");
  }
  std::tie(resource.from, resource.to) = span(table);
  resources_.push_back({std::move(resource), table});
}

void Reader::check_references() {
  const auto check = [](ConfigTable& table, string_view key, const std::string& id,
                        const std::set<std::string>& known, const char* what) {
    if (id.empty() || known.contains(id)) return;
    std::string names;
    for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
    table.complain(
        key, std::string("unknown ") + what + " `" + id + "`",
        known.empty() ? std::string("a [[") + what + "]] of that id" : "one of " + names);
  };
  for (auto& item : items_) check(item.table, "meter", item.value.meter, meter_ids_, "meter");
  for (auto& c : customers_) check(c.table, "plan", c.value.plan, plan_ids_, "plan");
  for (auto& r : resources_) {
    check(r.table, "customer", r.value.customer, customer_ids_, "customer");
  }
}

void Reader::check_identical_claims() {
  std::map<Selector, std::vector<std::size_t>> by_match;
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    const Resource& resource = resources_[i].value;
    for (const std::size_t other : by_match[resource.match]) {
      const Resource& earlier = resources_[other].value;
      const bool overlap = earlier.from < resource.to && resource.from < earlier.to;
      if (!overlap || earlier.customer == resource.customer) continue;
      resources_[i].table.complain("match",
                                   "customers `" + earlier.customer + "` and `" +
                                       resource.customer +
                                       "` claim the same at the same time (line " +
                                       std::to_string(resources_[other].table.line()) + ")",
                                   "different matches, or `from` and `to` that do not overlap");
      break;
    }
    by_match[resource.match].push_back(i);
  }
}

}  // namespace

Catalogue load_catalogue(const std::string& path, Ns slot, app::ConfigErrors& errors) {
  app::ConfigFile file = app::ConfigFile::load(path, errors);
  return Reader(file.root(), slot).read();
}

Catalogue parse_catalogue(string_view toml, const std::string& name, Ns slot,
                          app::ConfigErrors& errors) {
  app::ConfigFile file = app::ConfigFile::parse(toml, name, errors);
  return Reader(file.root(), slot).read();
}

}  // namespace tallyman::rater
