#include "rater/derive/derive_cover.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater::fold {

std::vector<Span> CoverSet::insert(Ns from, Ns to) {
  std::vector<Span> fresh;
  from = std::max(from, floor_);
  if (from >= to) return fresh;
  const auto first = std::lower_bound(spans_.begin(), spans_.end(), from,
                                      [](const Span& span, Ns at) { return span.to < at; });
  Span merged{from, to};
  Ns at = from;
  auto last = first;
  for (; last != spans_.end() && last->from <= to; ++last) {
    if (at < last->from) fresh.push_back({at, last->from});
    at = std::max(at, last->to);
    merged.from = std::min(merged.from, last->from);
    merged.to = std::max(merged.to, last->to);
  }
  if (at < to) fresh.push_back({at, to});
  spans_.insert(spans_.erase(first, last), merged);
  if (spans_.size() > kMaxSpans) {
    floor_ = spans_.front().to;
    spans_.erase(spans_.begin());
  }
  return fresh;
}

bool CoverSet::assign(Ns floor, std::vector<Span> spans) {
  if (floor < 0 || spans.size() > kMaxSpans) return false;
  Ns before = -1;
  for (const Span& span : spans) {
    if (span.from <= before || span.to <= span.from || span.from < floor) return false;
    before = span.to;
  }
  floor_ = floor;
  spans_ = std::move(spans);
  return true;
}

}  // namespace tallyman::rater::fold
