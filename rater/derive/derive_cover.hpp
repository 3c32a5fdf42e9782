#pragma once
// Which instants of a view are covered already, so that two epochs or two incarnations that tell of
// the same time cover it once.

#include <cstddef>
#include <vector>

#include "rater/derive/derive.hpp"

namespace tallyman::rater::fold {

/// A set of instants: disjoint spans, ascending, not touching. In order of time, the usual case, it
/// is one span that grows. Beyond kMaxSpans the earliest is given up: from then on everything up to
/// its end counts as covered. Plain value.
class CoverSet {
 public:
  static constexpr std::size_t kMaxSpans = 256;

  /// Adds [from, to) and calls fresh(from, to) for every part that was not in the set.
  template <typename Fresh>
  void add(Ns from, Ns to, Fresh&& fresh) {
    if (!spans_.empty() && from == spans_.back().to && from < to) {
      spans_.back().to = to;
      fresh(from, to);
      return;
    }
    for (const Span& part : insert(from, to)) fresh(part.from, part.to);
  }

  [[nodiscard]] Ns floor() const { return floor_; }
  [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
  /// From what floor() and spans() gave; false when they could not have.
  [[nodiscard]] bool assign(Ns floor, std::vector<Span> spans);

 private:
  std::vector<Span> insert(Ns from, Ns to);
  Ns floor_ = 0;
  std::vector<Span> spans_;
};

}  // namespace tallyman::rater::fold
