#pragma once
// The catalogue: meters, plans, customers, and which resources are whose from when to when. Read
// from TOML or JSON with every error at once; conf/catalogue.toml explains the keys.

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
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

/// What overuse costs. flat: `price` a unit. graduated: each unit by the tier that it lies in.
/// volume: all units by the tier that the last one lies in. package: `price` for every package of
/// `package` units that is begun.
enum class Pricing : std::uint8_t { flat, graduated, volume, package };
[[nodiscard]] const char* pricing_name(Pricing pricing);

struct Tier {
  std::optional<Rational> up_to;  ///< units of overuse, this one included; nothing = all others
  Rational price;                 ///< of one unit
};

/// A meter as a plan includes it. Without prices its records carry no amount.
struct PlanItem {
  std::string meter;
  Rational allowance;  ///< in the meter's unit; for rates: the commit
  Pricing pricing = Pricing::flat;
  std::optional<Rational> price;  ///< flat and package; in the plan's currency
  Rational package;               ///< package: units in one, above 0
  std::vector<Tier> tiers;        ///< graduated and volume; bounds ascend, the last has none

  [[nodiscard]] bool priced() const { return price.has_value() || !tiers.empty(); }
};

struct Plan {
  std::string id;
  std::string currency;  ///< ISO 4217
  Rounding rounding = Rounding::half_up;
  std::vector<PlanItem> items;

  [[nodiscard]] const PlanItem* item(std::string_view meter) const;
};

/// A plan in force over [from, to).
struct PlanSpan {
  std::string plan;
  Ns from = kAlways, to = kForever;
};

struct Customer {
  std::string id;
  std::string name;
  std::vector<PlanSpan> plans;  ///< ascending, end to end over [from, to); at least one
  std::string zone;
  Anchor anchor;
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
  /// What is legal and yet looks like a mistake, with its place; no part of the content.
  std::vector<std::string> warnings;

  [[nodiscard]] const Meter* meter(std::string_view id) const;
  [[nodiscard]] const Plan* plan(std::string_view id) const;
  [[nodiscard]] const Customer* customer(std::string_view id) const;
  /// Every metric that a meter reads, ascending.
  [[nodiscard]] std::vector<std::string> metrics() const;
  /// Hash of the content: comments, order and layout of the file do not matter.
  [[nodiscard]] Hash version() const;
  /// What a period is for one customer: the same name, in the customer's own zone
  /// and from the customer's own anchor.
  [[nodiscard]] Period period_of(const Customer& customer, const Period& period) const;
  /// The period that runs for a customer at an instant, with the catalogue's own bounds: with an
  /// anchor it may be the one of that name that ended already, or has not begun.
  [[nodiscard]] Period running_period(const Customer& customer, Ns instant) const;
};

/// Reads a catalogue: a file, or all *.toml and *.json of a folder (by name; not of its folders).
/// `slot` is the rater's slot length, which periods must be a multiple of. What comes back is of
/// use only when `errors` stays empty.
[[nodiscard]] Catalogue load_catalogue(const std::string& path, Ns slot, app::ConfigErrors& errors);
/// One that begins with `{` is JSON, with the same keys; else it is TOML.
[[nodiscard]] Catalogue parse_catalogue(std::string_view text, const std::string& name, Ns slot,
                                        app::ConfigErrors& errors);
/// One file of a catalogue as its writer has it: the name is for messages.
struct CatalogueFile {
  std::string name, text;
};
/// Of several files, as of a folder's.
[[nodiscard]] Catalogue parse_catalogue(std::span<const CatalogueFile> files, Ns slot,
                                        app::ConfigErrors& errors);
/// The whole content as one JSON document, a line for each meter, plan, customer and resource:
/// parse_catalogue() reads it back to the same version. The same content gives the same text.
[[nodiscard]] std::string canonical_text(const Catalogue& catalogue);

}  // namespace tallyman::rater
