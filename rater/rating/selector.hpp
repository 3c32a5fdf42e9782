#pragma once
// Which series a resource claims: globs over what names a series. Pure.

#include <map>
#include <string>
#include <string_view>

#include "rater/derive/derive.hpp"

namespace tallyman::rater {

/// `*` stands for any run of characters, `?` for any one byte; all else for itself.
[[nodiscard]] bool glob_match(std::string_view glob, std::string_view text);

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
