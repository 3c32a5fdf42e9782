#pragma once
// The catalogue: meters, plans, customers, and which resources are whose from when to when. Read
// from TOML with every error at once; conf/catalogue.toml explains the keys.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "rater/rating/calendar.hpp"
#include "rater/rating/decimal.hpp"
#include "rater/rating/meter.hpp"
#include "rater/rating/selector.hpp"

namespace tallyman::rater {

constexpr Ns kAlways = std::numeric_limits<Ns>::min();   ///< as a `from`: since ever
constexpr Ns kForever = std::numeric_limits<Ns>::max();  ///< as a `to`: until further notice

/// A meter as a plan includes it. Without a price its records carry no amount.
struct PlanItem {
  std::string meter;
  Rational allowance;             ///< in the meter's unit; for rates: the commit
  std::optional<Rational> price;  ///< of one unit of overuse, in the plan's currency
};

struct Plan {
  std::string id;
  std::string currency;  ///< ISO 4217
  std::vector<PlanItem> items;
};

struct Customer {
  std::string id;
  std::string name;
  std::string plan;
  std::string zone;
  Ns from = kAlways, to = kForever;  ///< active in [from, to)
};

struct Resource {
  std::string customer;
  Selector match;
  Ns from = kAlways, to = kForever;
};

/// Plain value; complete and consistent once read without errors. Everything ascends by id;
/// resources by customer, selector and time.
struct Catalogue {
  std::string currency;
  PeriodRule period;
  std::string zone;
  std::vector<Meter> meters;
  std::vector<Plan> plans;
  std::vector<Customer> customers;
  std::vector<Resource> resources;

  [[nodiscard]] const Meter* meter(std::string_view id) const;
  [[nodiscard]] const Plan* plan(std::string_view id) const;
  [[nodiscard]] const Customer* customer(std::string_view id) const;
  /// Every metric that a meter reads, ascending.
  [[nodiscard]] std::vector<std::string> metrics() const;
  /// Hash of the content: comments, order and layout of the file do not matter.
  [[nodiscard]] Hash version() const;
  /// What a period is for one customer: the same name, in the customer's own zone.
  [[nodiscard]] Period period_of(const Customer& customer, const Period& period) const;
};

/// Reads a catalogue. `slot` is the rater's slot length, which periods must be a multiple of. What
/// comes back is of use only when `errors` stays empty.
[[nodiscard]] Catalogue load_catalogue(const std::string& path, Ns slot, app::ConfigErrors& errors);
[[nodiscard]] Catalogue parse_catalogue(std::string_view toml, const std::string& name, Ns slot,
                                        app::ConfigErrors& errors);

}  // namespace tallyman::rater
