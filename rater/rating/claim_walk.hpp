#pragma once
// All views of one series, walked through a period: part of measure_claims.cpp, on its own for its
// length. Of several views one is taken per slot; every part of a slot goes to the owner that the
// view's claim names. Where the first view has read whole slots that one owner holds whole, which
// is nearly everywhere, they are taken as columns.

#include <vector>

#include "rater/rating/claims.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

/// One view of the series; what is pointed to outlives the walk.
struct ClaimedView {
  const ViewFacts* facts = nullptr;
  const std::vector<Claim>* claims = nullptr;
  SlotArray slots;
};

/// Plain value, used once: run(), then the rest.
class ClaimWalk {
 public:
  /// At least one view, ascending; what `owner` holds is kept, the rest is summed up. Runs end at
  /// `marks`, which ascend and outlive the walk.
  ClaimWalk(const Bounds& bounds, Ns slot, std::vector<ClaimedView> views, std::size_t owner,
            const std::vector<Ns>& marks);

  void run();
  [[nodiscard]] OwnedSeries take();
  [[nodiscard]] u128 read() const { return read_; }  ///< within bounds.all, from the slots alone
  [[nodiscard]] u128 nobody() const { return nobody_; }
  [[nodiscard]] u128 elsewhere() const { return elsewhere_; }

 private:
  struct Known;
  struct Stretch;
  [[nodiscard]] Known known(std::size_t view, std::int64_t slot) const;
  [[nodiscard]] Stretch whole_from(std::int64_t slot);
  [[nodiscard]] Stretch unknown_from(std::int64_t slot);
  [[nodiscard]] const Claim* claim_at(std::size_t view, Ns from);
  void take_whole(const Stretch& stretch);
  void take_slot(std::int64_t slot);
  void give(const Claim& claim, std::int64_t slot, const Span& part, const Known& known,
            std::size_t view);
  void hold(const Claim& claim, const Span& part, u128 amount);
  [[nodiscard]] Ns next_mark(Ns from) const;
  void tell(std::size_t view, const Span& part, u128 amount);
  void end_run();

  const Bounds& bounds_;
  Ns slot_;
  std::vector<ClaimedView> views_;
  std::vector<std::size_t> at_;  ///< of each view: the claim that the walk has come to
  std::size_t owner_;
  const std::vector<Ns>& marks_;
  bool counter_;
  OwnedSeries mine_;
  u128 read_ = 0, nobody_ = 0, elsewhere_ = 0;
};

}  // namespace tallyman::rater
