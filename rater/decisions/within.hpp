#pragma once
// What of a catalogue has a say in one period. Pure.

#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

/// Whether two catalogues rate a period alike whatever the usage: the same once customers and
/// resources are cut to the period and plans that nobody has in it are left out. False may still
/// come to the same records.
[[nodiscard]] bool same_within(const Catalogue& a, const Catalogue& b, const Period& period);

}  // namespace tallyman::rater
