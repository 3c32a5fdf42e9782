#include "rater/rating/selector.hpp"

#include <fnmatch.h>

namespace tallyman::rater {

bool glob_match(const std::string& glob, const std::string& text) {
  // fnmatch would stop there.
  if (glob.find('\0') != std::string::npos || text.find('\0') != std::string::npos) return false;
  return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0;
}

bool Selector::matches(const SeriesKey& series,
                       const std::map<std::string, std::string>& info) const {
  const auto value = [&](const std::string& name) -> const std::string* {
    if (name == "source") return &series.source;
    if (name == "metric") return &series.metric;
    if (const auto at = series.labels.find(name); at != series.labels.end()) return &at->second;
    if (const auto at = info.find(name); at != info.end()) return &at->second;
    return nullptr;
  };
  for (const auto& [name, glob] : globs) {
    const std::string* text = value(name);
    if (text == nullptr || !glob_match(glob, *text)) return false;
  }
  return true;
}

}  // namespace tallyman::rater
