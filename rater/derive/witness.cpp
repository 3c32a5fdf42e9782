#include "rater/derive/witness.hpp"

#include <algorithm>
#include <bit>
#include <optional>

namespace tallyman::rater {
namespace {

__extension__ using Signed = __int128;

/// Two blocks and more of such amounts add up without overflow. A gauge of 2⁶⁴ over a day is 2¹¹¹.
constexpr u128 kMostAmount = u128{1} << 117U;

using Mask = std::uint32_t;
static_assert(kMostWitnesses <= 32);

bool whole(const Witness& witness, std::int64_t slot) {
  if (slot >= witness.seen_to) return false;
  const SlotUsage usage = witness.slots.at(slot);
  return usage.covered >= witness.slots.length() && usage.estimated == 0;
}

/// Slots without a break that the same witnesses have seen whole.
class Stretch {
 public:
  Stretch(std::span<const Witness> witnesses, Mask mask, std::int64_t from, std::int64_t to)
      : from_(from), length_(static_cast<std::size_t>(to - from)) {
    for (std::size_t w = 0; w < witnesses.size(); ++w) {
      if ((mask >> w & 1U) == 0) continue;
      Sums sums{w, {0}};
      for (std::int64_t slot = from; slot < to; ++slot) {
        const u128 amount = std::min(witnesses[w].slots.at(slot).amount, kMostAmount);
        sums.upto.push_back(sums.upto.back() + static_cast<Signed>(amount));
      }
      sums_.push_back(std::move(sums));
    }
  }

  /// Those of slots [first, end), ascending.
  void find(std::int64_t first, std::int64_t end, std::size_t lag, std::vector<Disagreement>& out) {
    if (end <= from_) return;
    auto begin = std::max(lag, static_cast<std::size_t>(std::max(first, from_) - from_));
    const std::size_t last = std::min(length_, static_cast<std::size_t>(end - from_));
    least_.assign(sums_.size() * sums_.size(), std::nullopt);
    for (std::size_t to = begin + 1; to <= last && to + lag <= length_; ++to) {
      if (!proven(to, lag)) continue;
      std::size_t from = to - 1;
      while (!differ(from, to, lag)) --from;
      out.push_back(told(from, to));
      begin = to;
      least_.assign(least_.size(), std::nullopt);
    }
  }

 private:
  struct Sums {
    std::size_t witness = 0;
    std::vector<Signed> upto;  ///< of the first so many slots
  };

  /// Whether, from some earlier slot's end that was asked for since the last finding, somebody has
  /// more up to `to` than somebody else with the lag at both ends.
  bool proven(std::size_t to, std::size_t lag) {
    bool found = false;
    for (std::size_t v = 0; v < sums_.size(); ++v) {
      for (std::size_t w = 0; w < sums_.size(); ++w) {
        std::optional<Signed>& least = least_[v * sums_.size() + w];
        const Signed since = sums_[v].upto[to - 1] - sums_[w].upto[to - 1 - lag];
        least = least ? std::min(*least, since) : since;
        found |= sums_[v].upto[to] - sums_[w].upto[to + lag] > *least;
      }
    }
    return found;
  }

  [[nodiscard]] bool differ(std::size_t from, std::size_t to, std::size_t lag) const {
    Signed most = 0, bound = INT64_MAX;
    for (std::size_t w = 0; w < sums_.size(); ++w) {
      const std::vector<Signed>& upto = sums_[w].upto;
      const Signed held = upto[to] - upto[from], widened = upto[to + lag] - upto[from - lag];
      most = std::max(most, held);
      bound = w == 0 ? widened : std::min(bound, widened);
    }
    return most > bound;
  }

  [[nodiscard]] Disagreement told(std::size_t from, std::size_t to) const {
    Disagreement out{from_ + static_cast<std::int64_t>(from), from_ + static_cast<std::int64_t>(to),
                     0, 0, 0};
    Signed low = 0, high = 0;
    for (std::size_t w = 0; w < sums_.size(); ++w) {
      const Signed held = sums_[w].upto[to] - sums_[w].upto[from];
      if (w == 0 || held < low) out.lowest = sums_[w].witness, low = held;
      if (w == 0 || held > high) out.highest = sums_[w].witness, high = held;
    }
    out.excess = static_cast<u128>(high - low);
    return out;
  }

  std::int64_t from_;
  std::size_t length_;
  std::vector<Sums> sums_;
  std::vector<std::optional<Signed>> least_;  ///< by pair, see proven()
};

}  // namespace

std::int64_t witness_lag(Ns beat, Ns slot) {
  if (beat <= 0) beat = slot;
  return std::max<std::int64_t>(1, (3 * beat + slot - 1) / slot);
}

std::vector<Disagreement> disagreements(std::span<const Witness> witnesses, std::int64_t first,
                                        std::int64_t end, std::int64_t lag) {
  std::vector<Disagreement> out;
  witnesses = witnesses.first(std::min(witnesses.size(), kMostWitnesses));
  if (witnesses.size() < 2 || lag > kWitnessBlock / 2) return out;
  const auto seen = [&](std::int64_t slot) {
    Mask mask = 0;
    for (std::size_t w = 0; w < witnesses.size(); ++w) {
      if (whole(witnesses[w], slot)) mask |= Mask{1} << w;
    }
    return mask;
  };
  for (std::int64_t slot = first - lag; slot < end + lag;) {
    const Mask mask = seen(slot);
    std::int64_t to = slot + 1;
    while (to < end + lag && seen(to) == mask) ++to;
    if (std::popcount(mask) >= 2) {
      Stretch(witnesses, mask, slot, to).find(first, end, static_cast<std::size_t>(lag), out);
    }
    slot = to;
  }
  return out;
}

}  // namespace tallyman::rater
