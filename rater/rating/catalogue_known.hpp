#pragma once
// A catalogue read beside what the ledger knows of series.

#include <span>
#include <string>

#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

struct CatalogueDraft;

/// As those of catalogue.hpp; `coarse` are series that are known to be read less often than once a
/// slot: a p95 that would bill one of them is a mistake, told where the meter names the metric.
[[nodiscard]] Catalogue load_catalogue(const std::string& path, Ns slot,
                                       std::span<const ViewFacts> coarse,
                                       app::ConfigErrors& errors);
[[nodiscard]] Catalogue parse_catalogue(std::span<const CatalogueFile> files, Ns slot,
                                        std::span<const ViewFacts> coarse,
                                        app::ConfigErrors& errors);

/// Part of reading: complains at the meters' tables.
void check_resolution(CatalogueDraft& draft, std::span<const ViewFacts> coarse, Ns slot);

}  // namespace tallyman::rater
