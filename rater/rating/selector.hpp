#pragma once
// Which series a resource claims: globs over what names a series. Pure.

#include <map>
#include <string>

#include "rater/derive/derive.hpp"

namespace tallyman::rater {

/// A glob of fnmatch(3) without flags, as plugins have them: `*` stands for any run of characters,
/// `?` for any one, `[a-c]` for one of these and `[!a-c]` for one of all others, `\` takes the next
/// one for itself. A text with a zero byte matches nothing.
[[nodiscard]] bool glob_match(const std::string& glob, const std::string& text);

/// Every glob must match. The keys "source" and "metric" mean the series' own; all others an
/// identity label or, where there is none of that name, an info label. A label the series does not
/// have matches nothing.
struct Selector {
  std::map<std::string, std::string> globs;

  [[nodiscard]] bool matches(const SeriesKey& series,
                             const std::map<std::string, std::string>& info) const;
  friend auto operator<=>(const Selector&, const Selector&) = default;
};

}  // namespace tallyman::rater
