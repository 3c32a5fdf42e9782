#pragma once
// Parts of a customer's period: usage cut to a time. Pure.

#include <vector>

#include "rater/rating/measure.hpp"

namespace tallyman::rater {

/// A meter's input within some spans; owns what view() points to.
class CutInput {
 public:
  /// `spans` ascend and are disjoint. A piece that a span cuts is divided in proportion, as a
  /// resource that moves is: neighbouring parts add up to the whole, and what does not divide goes
  /// to the later one. Such a part is estimated. Errors stay.
  CutInput(const MeterInput& input, const std::vector<Span>& spans);
  [[nodiscard]] const MeterInput& view() const { return view_; }

 private:
  std::vector<OwnedSeries> in_, out_;
  MeterInput view_;
};

}  // namespace tallyman::rater
