#pragma once
// Attribution as plainly as can be: all in memory, slot by slot, a piece each. What the streamed
// one is held against.

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "rater/rating/claims.hpp"
#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater::testing {

struct PlainSeries {
  SeriesKey key;
  std::vector<std::string> views;
  std::vector<Span> held;
  std::vector<Piece> pieces;
  u128 waived = 0;
  Ns waived_ns = 0;
};

struct PlainAttribution {
  std::vector<std::vector<PlainSeries>> customers;
  std::map<std::string, u128> nobody;
  std::map<std::string, std::uint64_t> series;
};

class PlainWalk {
 public:
  PlainWalk(const Catalogue& catalogue, const Bounds& bounds, Ns slot,
            std::vector<const ViewUsage*> views, std::span<const Waiver> waivers,
            PlainAttribution& out)
      : bounds_(bounds), slot_(slot), views_(std::move(views)), out_(out) {
    std::set<Conflict> conflicts;
    const ResourceIndex index(catalogue);
    for (const ViewUsage* view : views_) {
      claims_.push_back(claims_of(catalogue, index, bounds, *view, waivers, conflicts));
    }
  }
  void walk() {
    Ns start = bounds_.all.from - bounds_.all.from % slot_;
    for (; start < bounds_.all.to; start += slot_) take(start);
    const std::string& metric = views_.front()->view.series.metric;
    out_.nobody[metric] += nobody_;
    out_.series[metric] += nobody_ > 0 ? 1 : 0;
  }

 private:
  struct Known {
    SlotUsage usage;
    Ns absent = 0;
  };
  static Ns overlap(const std::vector<Span>& spans, Ns from, Ns to) {
    Ns sum = 0;
    for (const Span& span : spans) {
      sum += std::max<Ns>(0, std::min(span.to, to) - std::max(span.from, from));
    }
    return sum;
  }
  Known known(const ViewUsage& view, Ns start) const {
    Known k;
    for (const SlotUsage& usage : view.slots) {
      if (usage.slot * slot_ == start) k.usage = usage;
    }
    k.absent = std::min(overlap(view.absent, start, start + slot_), slot_ - k.usage.covered);
    return k;
  }
  void take(Ns start) {
    std::size_t best = 0;
    for (std::size_t v = 1; v < views_.size(); ++v) {
      const Known a = known(*views_[v], start), b = known(*views_[best], start);
      if (std::pair(a.usage.covered, a.absent) > std::pair(b.usage.covered, b.absent)) best = v;
    }
    const Known chosen = known(*views_[best], start);
    for (const Claim& claim : claims_[best]) {
      const Span part = cut({claim.from, claim.to}, start, start + slot_);
      if (part.from < part.to) give(claim, start, part, chosen, best);
    }
  }
  void give(const Claim& claim, Ns start, const Span& part, const Known& k, std::size_t view) {
    const std::size_t owner = claim.owner;
    const Ns a = part.from - start, b = part.to - start;
    const u128 amount = share_of(k.usage.amount, a, b, slot_);
    if (owner == kNobody) nobody_ += amount;
    if (owner == kNobody || owner == kElsewhere) return;
    PlainSeries& mine = owned(owner);
    if (claim.waived) {
      mine.waived += amount;
      mine.waived_ns += b - a;
      return;
    }
    if (!mine.held.empty() && mine.held.back().to == part.from) {
      mine.held.back().to = part.to;
    } else {
      mine.held.push_back(part);
    }
    const bool whole = b - a == slot_;
    const Ns covered = static_cast<Ns>(share_of(static_cast<u128>(k.usage.covered), a, b, slot_));
    const Ns absent =
        whole ? k.absent
              : std::min(overlap(views_[view]->absent, part.from, part.to), b - a - covered);
    if (covered + absent == 0 && amount == 0) return;
    mine.pieces.push_back({start / slot_, part.from, part.to, amount, covered + absent,
                           whole ? k.usage.estimated : covered, k.usage.peak,
                           static_cast<std::uint32_t>(view), absent});
  }
  PlainSeries& owned(std::size_t owner) {
    const SeriesKey& key = views_.front()->view.series;
    auto& theirs = out_.customers[owner];
    if (theirs.empty() || theirs.back().key != key) {
      theirs.push_back({key, {}, {}, {}, 0, 0});
      for (const ViewUsage* view : views_) {
        theirs.back().views.push_back(view->view.agent + "/" + view->view.instance);
      }
    }
    return theirs.back();
  }

  const Bounds& bounds_;
  Ns slot_;
  std::vector<const ViewUsage*> views_;
  std::vector<std::vector<Claim>> claims_;
  PlainAttribution& out_;
  u128 nobody_ = 0;
};

inline PlainAttribution attribute_plainly(const Catalogue& catalogue, const Period& period, Ns slot,
                                          const std::vector<ViewUsage>& usage, Ns until,
                                          std::span<const Waiver> waivers) {
  PlainAttribution out;
  out.customers.resize(catalogue.customers.size());
  std::map<SeriesKey, std::map<ViewKey, const ViewUsage*>> series;
  for (const ViewUsage& view : usage) series[view.view.series][view.view] = &view;
  const Bounds bounds = bounds_of(catalogue, period, until);
  for (const auto& [key, views] : series) {
    std::vector<const ViewUsage*> ascending;
    for (const auto& [name, view] : views) ascending.push_back(view);
    PlainWalk(catalogue, bounds, slot, std::move(ascending), waivers, out).walk();
  }
  return out;
}

}  // namespace tallyman::rater::testing
