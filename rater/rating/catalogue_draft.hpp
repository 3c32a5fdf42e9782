#pragma once
// A catalogue while it is read: values with the table each was read from, so that a mistake is told
// at its place. Used by the files catalogue_*.cpp only.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

/// One file of a catalogue. A JSON document is read as the TOML that says the same; where its parts
/// stand is told by the file itself all the same.
class CatalogueDocument {
 public:
  CatalogueDocument(std::string_view text, const std::string& name);
  CatalogueDocument(const CatalogueDocument&) = delete;
  CatalogueDocument& operator=(const CatalogueDocument&) = delete;

  [[nodiscard]] app::ConfigTable root() const { return file_.root(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "file:line:column" of a table of this document.
  [[nodiscard]] std::string place(const app::ConfigTable& table) const;
  /// Everything complained of so far.
  void hand_over(app::ConfigErrors& errors) const;

 private:
  [[nodiscard]] app::ConfigError placed(app::ConfigError error) const;

  std::string name_;
  std::vector<std::size_t> origin_;  ///< JSON: of each byte read, its offset in the file
  std::vector<std::size_t> read_lines_, file_lines_;  ///< JSON: where lines begin
  std::string read_, text_;                           ///< JSON: as read, as in the file
  app::ConfigErrors errors_;
  app::ConfigFile file_;
};

/// JSON as TOML's inline form: the same keys and values in the same order.
struct TomlOfJson {
  std::string toml;
  std::vector<std::size_t> origin;  ///< of each byte of `toml`, its offset in the JSON
};
/// What is no JSON object adds an error and gives nothing.
[[nodiscard]] TomlOfJson toml_of_json(std::string_view json, const std::string& name,
                                      app::ConfigErrors& errors);

template <typename T>
struct Placed {
  T value;
  app::ConfigTable table;
  const CatalogueDocument* document;
  [[nodiscard]] std::string place() const { return document->place(table); }
};

/// What has been read of all files. Ids may still be twice, and nothing refers safely to anything.
struct CatalogueDraft {
  Catalogue catalogue;  ///< currency, period, zone and warnings
  std::vector<Placed<Meter>> meters;
  std::vector<Placed<Plan>> plans;
  std::vector<Placed<PlanItem>> items;  ///< of all plans
  std::vector<Placed<Customer>> customers;
  std::vector<Placed<Resource>> resources;
};

/// Each complains at the table of what it cannot use, and gives something of the kind all the same.
[[nodiscard]] Meter read_meter(app::ConfigTable& table);
[[nodiscard]] PlanItem read_plan_item(app::ConfigTable& table);
[[nodiscard]] Customer read_customer(app::ConfigTable& table, const CatalogueDraft& draft);
[[nodiscard]] Resource read_resource(app::ConfigTable& table);

/// `from` and `to`, by default always and forever.
[[nodiscard]] Span read_span(app::ConfigTable& table);
/// A decimal of 0 or more, or above 0; nothing when absent or not one.
enum class Least : std::uint8_t { zero, above_zero };
[[nodiscard]] std::optional<Rational> read_amount(app::ConfigTable& table, std::string_view key,
                                                  Least least = Least::zero);
[[nodiscard]] std::string read_zone(app::ConfigTable& table, const std::string& fallback);

/// What refers to what: unknown and repeated ids, orphans, claims of two at one time. Warnings go
/// into the draft's catalogue.
void check_catalogue(CatalogueDraft& draft);
/// Only the claims.
void check_claims(CatalogueDraft& draft);

}  // namespace tallyman::rater
