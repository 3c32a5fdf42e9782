#include "rater/derive/usage.hpp"

namespace tallyman::rater {

KeptUsage::KeptUsage(std::span<const ViewUsage> usage, Ns slot)
    : usage_(usage), views_(usage.begin(), usage.end()), slot_(slot) {}

Result<SlotArray> KeptUsage::slots(std::size_t view) {
  SlotArray out(slot_);
  for (const SlotUsage& each : usage_[view].slots) out.add(each);
  return out;
}

}  // namespace tallyman::rater
