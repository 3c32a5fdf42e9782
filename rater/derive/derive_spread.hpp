#pragma once
// How a count, a held value and a covered span fall into slots. Private to derive*.cpp.

#include <cstdint>
#include <vector>

#include "rater/derive/derive_state.hpp"

namespace tallyman::rater::fold {

/// Adds to the views' slots and collects what becomes of them. Owned by the Deriver.
class Spreader {
 public:
  /// An interval longer than this many slots counts in its last ones only: a start or a clock far
  /// off must not cost unbounded work.
  static constexpr Ns kMaxSlots = 20'000;

  explicit Spreader(Ns slot) : slot_(slot) {}
  [[nodiscard]] Ns slot() const { return slot_; }
  [[nodiscard]] bool one_slot(Ns from, Ns to) const { return from / slot_ == (to - 1) / slot_; }
  /// `from`, or as near to it as kMaxSlots allow.
  [[nodiscard]] Ns bounded(Ns from, Ns to) const;

  /// [from, to) counted `delta`: in proportion, by cumulative floors, so that the sum is exact and
  /// the remainder goes to the later part; what crosses a slot's start is told.
  void count(View& view, Ns from, Ns to, u128 delta);
  /// A gauge's value held over [from, to).
  void hold(View& view, Ns from, Ns to, std::uint64_t value);
  /// [from, to) is accounted for; what was covered before is not covered twice.
  void cover(View& view, Ns from, Ns to, bool estimated);

  /// Lets go of all views: what is open is done.
  void settle();
  /// What was added since the last call.
  void take(std::vector<Derived::Contribution>& usage);

 private:
  SlotUsage& at(View& view, Ns instant);
  void flush(View& view);

  Ns slot_;
  std::vector<View*> dirty_;  ///< each once
  std::vector<Derived::Contribution> done_;
};

}  // namespace tallyman::rater::fold
