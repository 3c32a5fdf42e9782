// Claims of two customers on the same series, as far as the catalogue alone can tell: what one
// match takes, the other one takes too, whatever series come. Matches that may overlap, or not, are
// told when a series comes that both take.

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "rater/rating/catalogue_draft.hpp"

namespace tallyman::rater {

namespace {

constexpr std::string_view kSpecial = "*?[\\";

bool literal(const std::string& glob) { return glob.find_first_of(kSpecial) == std::string::npos; }

/// Whether all that `inner` matches is matched by `outer`; true only where it is certain.
bool within(const std::string& inner, const std::string& outer) {
  if (inner == outer || outer == "*") return true;
  if (literal(inner)) return glob_match(outer, inner);
  const bool plain = outer.find_first_of("?[\\") == std::string::npos &&
                     inner.find_first_of("[\\") == std::string::npos;
  if (!plain) return false;
  // A wildcard of the inner one can only stand where one of the outer one takes anything.
  std::string atoms = inner;
  std::replace(atoms.begin(), atoms.end(), '*', '\x01');
  std::replace(atoms.begin(), atoms.end(), '?', '\x02');
  return glob_match(outer, atoms);
}

bool within(const Selector& inner, const Selector& outer) {
  return std::all_of(outer.globs.begin(), outer.globs.end(), [&](const auto& glob) {
    const auto mine = inner.globs.find(glob.first);
    return mine != inner.globs.end() && within(mine->second, glob.second);
  });
}

std::string key_of(const std::string& label, const std::string& glob) {
  return std::to_string(label.size()) + ":" + label + glob;
}

/// Claims by a label that names one thing: a match that lies within such a claim has the same
/// label. Those without are few, and compared with every one.
class Claims {
 public:
  explicit Claims(std::vector<Placed<Resource>>& resources) : resources_(resources) {
    for (std::size_t i = 0; i < resources.size(); ++i) {
      const auto& globs = resources[i].value.match.globs;
      const auto named = std::find_if(globs.begin(), globs.end(),
                                      [](const auto& glob) { return literal(glob.second); });
      if (globs.empty()) continue;
      if (named == globs.end()) {
        unnamed_.push_back(i);
      } else {
        by_label_[key_of(named->first, named->second)].push_back(i);
      }
    }
  }

  /// The first claim of somebody else that takes all of `i` while `i` is held.
  [[nodiscard]] const Placed<Resource>* around(std::size_t i) const {
    for (const auto& [label, glob] : resources_[i].value.match.globs) {
      const auto found = by_label_.find(key_of(label, glob));
      if (found == by_label_.end()) continue;
      if (const auto* other = first_of(found->second, i)) return other;
    }
    return first_of(unnamed_, i);
  }

 private:
  [[nodiscard]] const Placed<Resource>* first_of(const std::vector<std::size_t>& claims,
                                                 std::size_t i) const {
    const Resource& mine = resources_[i].value;
    for (const std::size_t j : claims) {
      const Resource& other = resources_[j].value;
      const bool meets = other.from < mine.to && mine.from < other.to;
      if (!meets || other.customer == mine.customer) continue;
      // Of two that are the same one complaint is enough.
      if (j > i && other.match == mine.match) continue;
      if (within(mine.match, other.match)) return &resources_[j];
    }
    return nullptr;
  }

  std::vector<Placed<Resource>>& resources_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_label_;
  std::vector<std::size_t> unnamed_;
};

}  // namespace

void check_claims(CatalogueDraft& draft) {
  const Claims claims(draft.resources);
  for (std::size_t i = 0; i < draft.resources.size(); ++i) {
    const Placed<Resource>* other = claims.around(i);
    if (other == nullptr) continue;
    const bool same = other->value.match == draft.resources[i].value.match;
    draft.resources[i].table.complain(
        "match",
        "customers `" + other->value.customer + "` and `" + draft.resources[i].value.customer +
            "` claim the same at the same time",
        std::string(same ? "different matches" : "a match outside of the other one") +
            ", or `from` and `to` that do not overlap; the other claim is at " + other->place());
  }
}

}  // namespace tallyman::rater
