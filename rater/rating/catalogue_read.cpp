// What each table of a catalogue says, on its own.

#include <algorithm>
#include <array>

#include "rater/rating/catalogue_draft.hpp"

namespace tallyman::rater {

namespace {

using app::ConfigTable;
using std::string_view;
template <std::size_t N>
using Names = std::array<string_view, N>;

/// The one of `all` that the key names; `name_of` gives each its name, the first is the default.
template <typename T, std::size_t N>
T read_choice(ConfigTable& table, string_view key, const std::array<T, N>& all,
              const char* (*name_of)(T)) {
  Names<N> names;
  std::transform(all.begin(), all.end(), names.begin(), name_of);
  const std::string name = table.choice(key, names, names[0]);
  return all[static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin())];
}

void read_directions(ConfigTable& table, Meter& meter) {
  meter.in = table.text("in", "");
  meter.out = table.text("out", "");
  meter.direction =
      meter.measure == Measure::p95
          ? read_choice(table, "direction",
                        std::array{Direction::max_of_p95, Direction::p95_of_sum,
                                   Direction::p95_of_max, Direction::out, Direction::in},
                        direction_name)
          : read_choice(table, "direction",
                        std::array{Direction::sum, Direction::out, Direction::in}, direction_name);
  const std::string direction = direction_name(meter.direction);
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

void read_gauge(ConfigTable& table, Meter& meter) {
  meter.metric = table.required_text("metric");
  meter.stored =
      read_choice(table, "bytes", std::array{Stored::logical, Stored::replicated}, stored_name);
  if (meter.stored == Stored::replicated) {
    meter.copies = read_amount(table, "copies", Least::above_zero);
  } else if (table.has("copies")) {
    table.complain("copies", "`copies` are of replicated bytes", "`bytes` = \"replicated\"");
  }
  if (meter.measure == Measure::time_weighted) {
    meter.hours =
        read_choice(table, "hours", std::array{Hours::actual, Hours::fixed_730}, hours_name);
  }
  if (meter.measure == Measure::daily_snapshot) {
    meter.snapshot_hour = static_cast<unsigned>(table.integer("snapshot_hour", 0, 0, 23));
  }
}

void read_unit(ConfigTable& table, Meter& meter) {
  const std::string name = table.required_text("unit");
  const auto unit = unit_named(name);
  if (unit && unit->of == meter.unit_kind()) {
    meter.unit = *unit;
  } else if (!name.empty()) {
    table.complain("unit",
                   "unit `" + name + "` is not one of measure " + measure_name(meter.measure) +
                       (meter.of_gauges() ? " of a gauge" : ""),
                   "one of " + unit_names(meter.unit_kind()));
  }
}

void read_rules(ConfigTable& table, QuantityRules& rules) {
  rules.increment = read_amount(table, "increment", Least::above_zero);
  rules.minimum = read_amount(table, "minimum", Least::above_zero);
  rules.cap = read_amount(table, "cap", Least::above_zero);
  if (rules.minimum && rules.cap && *rules.cap < *rules.minimum) {
    table.complain("cap", "`cap` is below `minimum`", "a cap of at least the minimum");
  }
}

void read_tiers(ConfigTable& table, PlanItem& item) {
  std::vector<ConfigTable> tiers = table.tables("tier");
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    const bool last = i + 1 == tiers.size();
    ConfigTable& at = tiers[i];
    Tier tier{read_amount(at, "up_to", Least::above_zero), {}};
    if (!at.has("price")) at.complain("", "the tier has no `price`", "`price` = \"0.02\"");
    tier.price = read_amount(at, "price").value_or(Rational());
    if (last && tier.up_to) {
      at.complain("up_to", "the last tier ends: what lies above it has no price",
                  "a last tier without `up_to`");
    } else if (!last && !at.has("up_to")) {
      at.complain("", "only the last tier goes on for ever", "`up_to` = \"1000\"");
    }
    if (tier.up_to && !item.tiers.empty() && item.tiers.back().up_to >= tier.up_to) {
      at.complain("up_to", "`up_to` is not above the tier before", "bounds that ascend");
    }
    item.tiers.push_back(std::move(tier));
  }
  if (tiers.empty()) {
    table.complain("pricing", std::string("pricing `") + pricing_name(item.pricing) + "` has tiers",
                   "[[plan.item.tier]] with `up_to` and `price`");
  }
}

/// Only a plan of its own: from and to of the customer bound it.
struct Entry {
  PlanSpan span;
  bool has_to = false;
};

std::vector<Entry> read_entries(ConfigTable& table, Ns from) {
  std::vector<Entry> entries;
  for (ConfigTable& at : table.tables("plans")) {
    Entry entry;
    entry.span.plan = at.required_text("plan");
    entry.span.from = at.instant("from").value_or(from);
    entry.span.to = at.instant("to").value_or(kForever);
    entry.has_to = at.has("to");
    if (entry.span.from >= entry.span.to) {
      at.complain("to", "`to` is not after `from`", "a later instant");
    }
    if (!entries.empty()) {
      Entry& before = entries.back();
      if (!at.has("from")) {
        at.complain("", "a plan that follows another needs `from`", "the instant of the change");
      } else if (entry.span.from <= before.span.from) {
        at.complain("from", "`from` is not after that of the plan before", "plans in order");
      } else if (before.has_to && before.span.to > entry.span.from) {
        at.complain("from", "the plan before is still in force", "plans that do not overlap");
      } else if (before.has_to && before.span.to < entry.span.from) {
        at.complain("from", "between this plan and the one before there is none",
                    "plans that follow each other at once");
      }
      before.span.to = entry.span.from;
    }
    entries.push_back(entry);
  }
  return entries;
}

void read_plans(ConfigTable& table, Customer& customer) {
  if (!table.has("plans")) {
    customer.plans.push_back({table.required_text("plan"), customer.from, customer.to});
    return;
  }
  if (table.has("plan")) {
    table.complain("plan", "a customer has either `plan` or `plans`", "one of the two");
  }
  std::vector<Entry> entries = read_entries(table, customer.from);
  if (entries.empty()) {
    table.complain("plans", "`plans` is empty", "[[customer.plans]] with `plan` and `from`");
    return;
  }
  const Ns first = entries.front().span.from, last = entries.back().span.to;
  if (first > customer.from && customer.from != kAlways) {
    table.complain("from", "no plan is in force when the customer begins",
                   "a first plan from then");
  }
  if (last < customer.to && customer.to != kForever) {
    table.complain("to", "no plan is in force when the customer ends", "a last plan until then");
  }
  customer.from = std::max(customer.from, first);
  customer.to = std::min(customer.to, last);
  for (const Entry& entry : entries) {
    PlanSpan span = entry.span;
    span.from = std::max(span.from, customer.from);
    span.to = std::min(span.to, customer.to);
    if (span.from >= span.to) continue;
    if (!customer.plans.empty() && customer.plans.back().plan == span.plan) {
      customer.plans.back().to = span.to;
    } else {
      customer.plans.push_back(span);
    }
  }
}

}  // namespace

Span read_span(ConfigTable& table) {
  const Ns from = table.instant("from").value_or(kAlways);
  const Ns to = table.instant("to").value_or(kForever);
  if (from >= to) table.complain("to", "`to` is not after `from`", "a later instant");
  return {from, to};
}

std::optional<Rational> read_amount(ConfigTable& table, string_view key, Least least) {
  const auto text = table.decimal(key);
  if (!text) return std::nullopt;
  const auto value = Rational::from_text(*text);
  const bool above = least == Least::above_zero;
  if (!value || value->negative() || (above && value->zero())) {
    table.complain(
        key, "`" + *text + "` cannot be used",
        std::string("a decimal ") + (above ? "above 0" : "of 0 or more") + ", like \"0.02\"");
    return std::nullopt;
  }
  return value;
}

std::string read_zone(ConfigTable& table, const std::string& fallback) {
  std::string zone = table.text("time_zone", fallback);
  if (zone_known(zone)) return zone;
  table.complain("time_zone", "unknown time zone `" + zone + "`", "a name like Europe/Berlin");
  return "UTC";
}

Meter read_meter(ConfigTable& table) {
  Meter meter;
  meter.id = table.required_text("id");
  if (!table.has("measure")) {
    table.complain("measure", "a meter needs `measure`",
                   "volume, p95, time_weighted, peak or daily_snapshot");
  }
  meter.measure = read_choice(table, "measure",
                              std::array{Measure::volume, Measure::p95, Measure::time_weighted,
                                         Measure::peak, Measure::daily_snapshot},
                              measure_name);
  const bool p95 = meter.measure == Measure::p95;
  if (meter.measure == Measure::volume || (p95 && !table.has("metric"))) {
    read_directions(table, meter);
  } else {
    read_gauge(table, meter);
  }
  if (p95) {
    meter.missing =
        read_choice(table, "missing", std::array{Missing::exclude, Missing::zero, Missing::spread},
                    missing_name);
  }
  if (p95 || meter.measure == Measure::peak) {
    meter.aggregate = read_choice(table, "aggregate", std::array{Aggregate::sum, Aggregate::each},
                                  aggregate_name);
  }
  if (meter.level()) {
    meter.plan_change =
        read_choice(table, "plan_change", std::array{PlanChange::segments, PlanChange::whole},
                    plan_change_name);
  }
  read_unit(table, meter);
  read_rules(table, meter.rules);
  return meter;
}

PlanItem read_plan_item(ConfigTable& table) {
  PlanItem item;
  item.meter = table.required_text("meter");
  item.allowance = read_amount(table, "allowance").value_or(Rational());
  item.pricing =
      read_choice(table, "pricing",
                  std::array{Pricing::flat, Pricing::graduated, Pricing::volume, Pricing::package},
                  pricing_name);
  const bool tiered = item.pricing == Pricing::graduated || item.pricing == Pricing::volume;
  if (tiered) {
    read_tiers(table, item);
    if (table.has("price")) {
      table.complain("price", "the prices are those of the tiers", "`price` in [[plan.item.tier]]");
    }
    return item;
  }
  item.price = read_amount(table, "price");
  if (table.has("tier")) {
    table.complain("tier", "there are tiers, and nothing says how they count",
                   "`pricing` = \"graduated\" or \"volume\"");
  }
  if (item.pricing == Pricing::package) {
    item.package = read_amount(table, "package", Least::above_zero).value_or(Rational(1));
    for (const char* key : {"package", "price"}) {
      if (!table.has(key)) {
        table.complain("pricing", "pricing `package` needs `" + std::string(key) + "`",
                       "`package` units in one, and its `price`");
      }
    }
  } else if (table.has("package")) {
    table.complain("package", "`package` is of pricing `package`", "`pricing` = \"package\"");
  }
  return item;
}

Customer read_customer(ConfigTable& table, const CatalogueDraft& draft) {
  Customer customer;
  customer.id = table.required_text("id");
  customer.name = table.text("name", customer.id);
  customer.zone = read_zone(table, draft.catalogue.zone);
  const Span active = read_span(table);
  customer.from = active.from;
  customer.to = active.to;
  read_plans(table, customer);
  customer.anchor.day = static_cast<unsigned>(table.integer("anchor_day", 1, 1, 31));
  customer.anchor.hour = static_cast<unsigned>(table.integer("anchor_hour", 0, 0, 23));
  if (!draft.catalogue.period.monthly() && customer.anchor != Anchor{}) {
    table.complain(table.has("anchor_day") ? "anchor_day" : "anchor_hour",
                   "an anchor is where months begin, and periods are none",
                   "`period` = \"month\" under [billing]");
  }
  return customer;
}

Resource read_resource(ConfigTable& table) {
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
  const Span held = read_span(table);
  resource.from = held.from;
  resource.to = held.to;
  return resource;
}

}  // namespace tallyman::rater
