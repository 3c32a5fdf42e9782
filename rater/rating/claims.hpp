#pragma once
// Who holds a view when, pure: a catalogue's resources and customers against the labels of a view.
// Part of measure_claims.cpp, on its own for its length.

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"

namespace tallyman::rater {

constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
constexpr std::size_t kElsewhere = static_cast<std::size_t>(-2);  ///< another period's matter

/// From an instant to the next claim's.
struct Claim {
  Ns from = 0, to = 0;
  std::size_t owner = kNobody;  ///< as in Catalogue::customers
  bool waived = false;
};

/// A series that several customers hold at once: billed to none of them.
struct Conflict {
  std::string text;  ///< in words
  std::string metric;
  std::vector<std::size_t> customers;  ///< as in Catalogue::customers, ascending
  friend auto operator<=>(const Conflict&, const Conflict&) = default;
};

/// Bounds of everybody's period, and the instants that it all happens between.
struct Bounds {
  Span all, own;  ///< all: of all zones together; own: of the catalogue's zone
  std::vector<Span> customers;
};
[[nodiscard]] Bounds bounds_of(const Catalogue& catalogue, const Period& period, Ns until);

/// What both spans share; from ≥ to when nothing.
[[nodiscard]] Span cut(Span span, Ns from, Ns to);

/// Finds the resources that may match a series without trying all of them: by a label that their
/// selector asks for literally, where it does. A port each of ten thousand customers would else be
/// a hundred million globs. The catalogue outlives it; plain value.
class ResourceIndex {
 public:
  explicit ResourceIndex(const Catalogue& catalogue);
  /// All that match, ascending: as in Catalogue::resources.
  [[nodiscard]] std::vector<std::size_t> matching(
      const SeriesKey& series, const std::map<std::string, std::string>& info) const;

 private:
  const Catalogue* catalogue_;
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> literal_;
  std::vector<std::size_t> others_;
};

/// Whose one view is, over the whole of bounds.all: one claim after the other.
[[nodiscard]] std::vector<Claim> claims_of(const Catalogue& catalogue, const ResourceIndex& index,
                                           const Bounds& bounds, const ViewFacts& view,
                                           std::span<const Waiver> waivers,
                                           std::set<Conflict>& conflicts);

/// "netif_receive_bytes_total{ifindex="3"} of host:stor-01".
[[nodiscard]] std::string series_text(const SeriesKey& key);

}  // namespace tallyman::rater
