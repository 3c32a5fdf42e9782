// Puts a catalogue together from its files: first what they are, then what each table of theirs
// says, then what refers to what.

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <tuple>

#include "base/time_text.hpp"
#include "rater/rating/catalogue_draft.hpp"
#include "rater/rating/catalogue_known.hpp"

namespace tallyman::rater {

namespace {

using app::ConfigTable;

/// Enough for a hundred thousand customers; what is larger is no catalogue.
constexpr std::uintmax_t kMaxBytes = 64U << 20U;

using Documents = std::vector<std::unique_ptr<CatalogueDocument>>;

std::string read_currency(ConfigTable& table, const std::string& fallback) {
  std::string currency = table.text("currency", fallback);
  const bool letters =
      std::all_of(currency.begin(), currency.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (currency.size() != 3 || !letters) {
    table.complain("currency", "currency `" + currency + "` is not one",
                   "three capital letters of ISO 4217, like EUR");
  }
  return currency;
}

Rounding read_rounding(ConfigTable& table) {
  static constexpr std::array<std::string_view, 4> kNames{"half_up", "half_even", "up", "down"};
  const std::string name = table.choice("rounding", kNames, "half_up");
  for (const Rounding rounding : {Rounding::half_even, Rounding::up, Rounding::down}) {
    if (name == rounding_name(rounding)) return rounding;
  }
  return Rounding::half_up;
}

class Reader {
 public:
  Reader(Documents documents, Ns slot, std::span<const ViewFacts> coarse)
      : documents_(std::move(documents)), slot_(slot), coarse_(coarse) {}

  Catalogue read(app::ConfigErrors& errors) {
    read_currencies();
    read_billing();
    each("meter", [this](ConfigTable& table, const CatalogueDocument& document) {
      draft_.meters.push_back({read_meter(table), table, &document});
    });
    each("plan", [this](ConfigTable& table, const CatalogueDocument& document) {
      read_plan(table, document);
    });
    each("customer", [this](ConfigTable& table, const CatalogueDocument& document) {
      draft_.customers.push_back({read_customer(table, draft_), table, &document});
    });
    each("resource", [this](ConfigTable& table, const CatalogueDocument& document) {
      draft_.resources.push_back({read_resource(table), table, &document});
    });
    for (const auto& document : documents_) document->root().finish();
    check_catalogue(draft_);
    check_resolution(draft_, coarse_, slot_);
    for (const auto& document : documents_) document->hand_over(errors);
    return finished();
  }

 private:
  template <typename Read>
  void each(std::string_view key, Read&& read) {
    for (const auto& document : documents_) {
      for (ConfigTable& table : document->root().tables(key)) read(table, *document);
    }
  }

  /// The one file that has a key of which there is one: another one's is a mistake.
  const CatalogueDocument* only_one_with(std::string_view key) {
    const CatalogueDocument* first = nullptr;
    for (const auto& document : documents_) {
      ConfigTable root = document->root();
      if (!root.has(key)) continue;
      if (first == nullptr) {
        first = document.get();
      } else {
        root.complain(key, "`" + std::string(key) + "` stands in " + first->name() + " too",
                      "it in one file");
      }
    }
    return first;
  }

  void read_currencies() {
    const CatalogueDocument* document = only_one_with("currency");
    draft_.catalogue.currency = "EUR";
    if (document == nullptr) return;
    ConfigTable root = document->root();
    draft_.catalogue.currency = read_currency(root, "EUR");
  }

  void read_billing() {
    const CatalogueDocument* document = only_one_with("billing");
    draft_.catalogue.zone = "UTC";
    if (document == nullptr) return;
    ConfigTable billing = document->root().table("billing");
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
        draft_.catalogue.period.length = *length;
      }
    }
    draft_.catalogue.zone = read_zone(billing, "UTC");
  }

  void read_plan(ConfigTable& table, const CatalogueDocument& document) {
    Plan plan;
    plan.id = table.required_text("id");
    plan.currency = table.has("currency") ? read_currency(table, "EUR") : draft_.catalogue.currency;
    plan.rounding = read_rounding(table);
    for (ConfigTable& at : table.tables("item")) {
      PlanItem item = read_plan_item(at);
      if (!item.meter.empty() && plan.item(item.meter) != nullptr) {
        at.complain("meter", "plan `" + plan.id + "` has meter `" + item.meter + "` twice",
                    "one item a meter");
      }
      draft_.items.push_back({item, at, &document});
      plan.items.push_back(std::move(item));
    }
    std::sort(plan.items.begin(), plan.items.end(),
              [](const PlanItem& a, const PlanItem& b) { return a.meter < b.meter; });
    draft_.plans.push_back({std::move(plan), table, &document});
  }

  Catalogue finished() {
    Catalogue& catalogue = draft_.catalogue;
    const auto take = [](auto& to, auto& from) {
      for (auto& placed : from) to.push_back(std::move(placed.value));
    };
    const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
    take(catalogue.meters, draft_.meters);
    take(catalogue.plans, draft_.plans);
    take(catalogue.customers, draft_.customers);
    take(catalogue.resources, draft_.resources);
    std::sort(catalogue.meters.begin(), catalogue.meters.end(), by_id);
    std::sort(catalogue.plans.begin(), catalogue.plans.end(), by_id);
    std::sort(catalogue.customers.begin(), catalogue.customers.end(), by_id);
    std::sort(catalogue.resources.begin(), catalogue.resources.end(),
              [](const Resource& a, const Resource& b) {
                return std::tie(a.customer, a.match, a.from, a.to) <
                       std::tie(b.customer, b.match, b.from, b.to);
              });
    return std::move(catalogue);
  }

  Documents documents_;
  Ns slot_;
  std::span<const ViewFacts> coarse_;
  CatalogueDraft draft_;
};

void load_document(const std::string& path, Documents& documents, app::ConfigErrors& errors) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (!error && size > kMaxBytes) {
    errors.add({path, 0, 0, "the file is too large", "a catalogue of at most 64 MiB"});
    return;
  }
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in || in.bad()) {
    errors.add({path, 0, 0, errno_error("cannot read", path, errno).what, "a readable file"});
    return;
  }
  documents.push_back(std::make_unique<CatalogueDocument>(text, path));
}

std::vector<std::string> files_of(const std::string& folder, app::ConfigErrors& errors) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::filesystem::path& path = at->path();
    if (path.extension() == ".toml" || path.extension() == ".json") {
      files.push_back(path.string());
    }
  }
  if (error) {
    errors.add({folder, 0, 0, "cannot read the folder: " + error.message(), "a readable folder"});
  } else if (files.empty()) {
    errors.add({folder, 0, 0, "there is no catalogue in this folder", "*.toml or *.json"});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Catalogue load_catalogue(const std::string& path, Ns slot, app::ConfigErrors& errors) {
  return load_catalogue(path, slot, {}, errors);
}

Catalogue load_catalogue(const std::string& path, Ns slot, std::span<const ViewFacts> coarse,
                         app::ConfigErrors& errors) {
  Documents documents;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    for (const std::string& file : files_of(path, errors)) load_document(file, documents, errors);
  } else {
    load_document(path, documents, errors);
  }
  return Reader(std::move(documents), slot, coarse).read(errors);
}

Catalogue parse_catalogue(std::string_view text, const std::string& name, Ns slot,
                          app::ConfigErrors& errors) {
  Documents documents;
  documents.push_back(std::make_unique<CatalogueDocument>(text, name));
  return Reader(std::move(documents), slot, {}).read(errors);
}

Catalogue parse_catalogue(std::span<const CatalogueFile> files, Ns slot,
                          app::ConfigErrors& errors) {
  return parse_catalogue(files, slot, {}, errors);
}

Catalogue parse_catalogue(std::span<const CatalogueFile> files, Ns slot,
                          std::span<const ViewFacts> coarse, app::ConfigErrors& errors) {
  Documents documents;
  for (const CatalogueFile& file : files) {
    documents.push_back(std::make_unique<CatalogueDocument>(file.text, file.name));
  }
  return Reader(std::move(documents), slot, coarse).read(errors);
}

}  // namespace tallyman::rater
