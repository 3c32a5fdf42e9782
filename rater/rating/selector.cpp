#include "rater/rating/selector.hpp"

namespace tallyman::rater {

bool glob_match(std::string_view glob, std::string_view text) {
  std::size_t g = 0, t = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g, ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
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
