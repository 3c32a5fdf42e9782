#include "rater/rating/measure_claims.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace tallyman::rater {

namespace {

constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
constexpr std::size_t kElsewhere = static_cast<std::size_t>(-2);  ///< another period's matter

/// From an instant to the next claim's.
struct Claim {
  Ns from = 0, to = 0;
  std::size_t owner = kNobody;
  bool waived = false;
};

Span cut(Span span, Ns from, Ns to) { return {std::max(span.from, from), std::min(span.to, to)}; }

/// Bounds of everybody's period, and the instants that it all happens between.
struct Bounds {
  Span all, own;  ///< all: of all zones together; own: of the catalogue's zone
  std::vector<Span> customers;
};

Bounds bounds_of(const Catalogue& catalogue, const Period& period, Ns until) {
  Bounds bounds{{period.start, period.end}, {period.start, period.end}, {}};
  for (const Customer& customer : catalogue.customers) {
    const Period theirs = catalogue.period_of(customer, period);
    bounds.all.from = std::min(bounds.all.from, theirs.start);
    bounds.all.to = std::max(bounds.all.to, theirs.end);
    bounds.customers.push_back(
        cut({theirs.start, theirs.end}, customer.from, std::min(customer.to, until)));
  }
  bounds.all.to = std::min(bounds.all.to, until);
  bounds.own.to = std::min(bounds.own.to, until);
  return bounds;
}

/// Whose one view is, over the whole of bounds.all.
class Timeline {
 public:
  Timeline(const Catalogue& catalogue, const Bounds& bounds, const ViewUsage& view,
           std::span<const Waiver> waivers, std::set<Conflict>& conflicts)
      : catalogue_(catalogue), bounds_(bounds), view_(view), waivers_(waivers) {
    std::set<Ns> edges{bounds.all.from, bounds.all.to, bounds.own.from, bounds.own.to};
    for (const InfoSpan& info : view.info) edges.insert(info.from);
    for (std::size_t i = 0; i < view.info.size(); ++i) match(view.info[i].labels, i, edges);
    if (view.info.empty()) match({}, 0, edges);
    for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
      const Span part = cut({*edge, *std::next(edge)}, bounds.all.from, bounds.all.to);
      if (part.from < part.to) add(part, conflicts);
    }
  }
  [[nodiscard]] const std::vector<Claim>& claims() const { return claims_; }

 private:
  struct Match {
    std::size_t customer;
    Span held;
  };
  struct Left {
    const Waiver* waiver;
    Span time;
  };

  /// What waivers leave out while the labels are in force.
  void leave_out(const std::map<std::string, std::string>& labels, const Span& in_force,
                 std::set<Ns>& edges) {
    for (const Waiver& waiver : waivers_) {
      if (!waiver.match.matches(view_.view.series, labels)) continue;
      const Span time = cut({waiver.from, waiver.to}, in_force.from, in_force.to);
      if (time.from >= time.to) continue;
      left_.push_back({&waiver, time});
      edges.insert({time.from, time.to});
    }
  }

  [[nodiscard]] bool waived(const Span& part, std::size_t owner) const {
    if (owner >= kElsewhere) return false;
    return std::any_of(left_.begin(), left_.end(), [&](const Left& left) {
      const std::string& whose = left.waiver->customer;
      return left.time.from <= part.from && part.to <= left.time.to &&
             (whose.empty() || whose == catalogue_.customers[owner].id);
    });
  }

  /// A resource's hold while the labels of info span `i` are in force. The first ones count for the
  /// time before them too: what is read at a poll began before it.
  void match(const std::map<std::string, std::string>& labels, std::size_t i, std::set<Ns>& edges) {
    const Ns from = i == 0 ? kAlways : view_.info[i].from;
    const Ns to = i + 1 < view_.info.size() ? view_.info[i + 1].from : kForever;
    leave_out(labels, {from, to}, edges);
    for (const Resource& resource : catalogue_.resources) {
      if (!resource.match.matches(view_.view.series, labels)) continue;
      const auto& customers = catalogue_.customers;
      const auto customer =
          std::lower_bound(customers.begin(), customers.end(), resource.customer,
                           [](const Customer& c, const std::string& id) { return c.id < id; });
      if (customer == customers.end() || customer->id != resource.customer) continue;
      const auto index = static_cast<std::size_t>(customer - customers.begin());
      Span held = cut({resource.from, resource.to}, from, to);
      held = cut(held, customer->from, customer->to);
      if (held.from >= held.to) continue;
      matches_.push_back({index, held});
      edges.insert({held.from, held.to});
      edges.insert({bounds_.customers[index].from, bounds_.customers[index].to});
    }
  }

  void add(const Span& part, std::set<Conflict>& conflicts) {
    std::set<std::size_t> owners;
    for (const Match& m : matches_) {
      if (m.held.from <= part.from && part.to <= m.held.to) owners.insert(m.customer);
    }
    std::size_t owner = kNobody;
    if (owners.size() == 1) {
      owner = *owners.begin();
    } else if (owners.size() > 1) {
      std::string text = series_text(view_.view.series) + " is claimed by";
      for (const std::size_t o : owners) text += " `" + catalogue_.customers[o].id + "`";
      conflicts.insert({text + " at the same time: billed to none of them",
                        view_.view.series.metric,
                        {owners.begin(), owners.end()}});
    }
    const Span& theirs = owner == kNobody ? bounds_.own : bounds_.customers[owner];
    if (part.from < theirs.from || part.to > theirs.to) owner = kElsewhere;
    const bool out = waived(part, owner);
    const bool same = !claims_.empty() && claims_.back().owner == owner &&
                      claims_.back().waived == out && claims_.back().to == part.from;
    if (same) {
      claims_.back().to = part.to;
    } else {
      claims_.push_back({part.from, part.to, owner, out});
    }
  }

  const Catalogue& catalogue_;
  const Bounds& bounds_;
  const ViewUsage& view_;
  std::span<const Waiver> waivers_;
  std::vector<Left> left_;
  std::vector<Match> matches_;
  std::vector<Claim> claims_;
};

Ns overlap(const std::vector<Span>& spans, Ns from, Ns to) {
  Ns sum = 0;
  for (const Span& span : spans) {
    const Span part = cut(span, from, to);
    if (part.from < part.to) sum += part.to - part.from;
  }
  return sum;
}

/// All views of one series, walked slot by slot.
class Series {
 public:
  Series(const Catalogue& catalogue, const Bounds& bounds, Ns slot,
         std::vector<const ViewUsage*> views, std::span<const Waiver> waivers, Attribution& out,
         std::set<Conflict>& conflicts)
      : bounds_(bounds), slot_(slot), views_(std::move(views)), out_(out) {
    const SeriesKey& key = views_.front()->view.series;
    for (const ViewUsage* view : views_) {
      timelines_.emplace_back(catalogue, bounds, *view, waivers, conflicts);
      names_.push_back(view->view.agent + "/" + view->view.instance);
      resolution_ = std::max(resolution_, view->resolution);
    }
    unattributed_ = {key.metric, key.unit, 0, 1};
    next_.assign(views_.size(), 0);
    claim_.assign(views_.size(), 0);
  }

  Unattributed walk() {
    const std::int64_t first = bounds_.all.from / slot_ - (bounds_.all.from % slot_ < 0 ? 1 : 0);
    for (std::int64_t slot = first; slot * slot_ < bounds_.all.to; ++slot) take(slot);
    return unattributed_;
  }

 private:
  struct Known {
    SlotUsage usage;
    Ns absent = 0;
    /// What was read outweighs what is said not to exist: one view's mistake about an end must not
    /// take away what another one measured.
    [[nodiscard]] bool better_than(const Known& other) const {
      return std::pair(usage.covered, absent) > std::pair(other.usage.covered, other.absent);
    }
  };

  Known known(std::size_t v, std::int64_t slot) {
    const auto& slots = views_[v]->slots;
    std::size_t& next = next_[v];
    while (next < slots.size() && slots[next].slot < slot) ++next;
    Known k;
    if (next < slots.size() && slots[next].slot == slot) k.usage = slots[next];
    k.usage.covered = std::clamp<Ns>(k.usage.covered, 0, slot_);
    k.usage.estimated = std::clamp<Ns>(k.usage.estimated, 0, k.usage.covered);
    k.absent = std::min(overlap(views_[v]->absent, slot * slot_, (slot + 1) * slot_),
                        slot_ - k.usage.covered);
    return k;
  }

  void take(std::int64_t slot) {
    std::size_t best = 0;
    Known chosen = known(0, slot);
    for (std::size_t v = 1; v < views_.size(); ++v) {
      const Known other = known(v, slot);
      if (other.better_than(chosen)) best = v, chosen = other;
    }
    const Ns start = slot * slot_, end = start + slot_;
    const std::vector<Claim>& claims = timelines_[best].claims();
    std::size_t& at = claim_[best];
    while (at < claims.size() && claims[at].to <= start) ++at;
    for (std::size_t c = at; c < claims.size() && claims[c].from < end; ++c) {
      const Span part = cut({claims[c].from, claims[c].to}, start, end);
      if (part.from < part.to) give(claims[c], slot, part, chosen, best);
    }
  }

  void give(const Claim& claim, std::int64_t slot, const Span& part, const Known& k,
            std::size_t view) {
    const std::size_t owner = claim.owner;
    if (owner == kElsewhere) return;
    const Ns start = slot * slot_, a = part.from - start, b = part.to - start;
    const u128 amount = share_of(k.usage.amount, a, b, slot_);
    if (owner == kNobody) {
      unattributed_.amount += amount;
      return;
    }
    OwnedSeries& mine = owned(owner);
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
    const auto ns = [&](Ns of) {
      return static_cast<Ns>(share_of(static_cast<u128>(of), a, b, slot_));
    };
    Ns covered = ns(k.usage.covered);
    const Ns estimated = whole ? k.usage.estimated : covered;
    const Ns absent =
        whole ? k.absent
              : std::min(overlap(views_[view]->absent, part.from, part.to), b - a - covered);
    covered += absent;
    if (covered == 0 && amount == 0) return;
    mine.pieces.push_back({slot, part.from, part.to, amount, covered, estimated, k.usage.peak,
                           static_cast<std::uint32_t>(view), absent});
  }

  OwnedSeries& owned(std::size_t owner) {
    const SeriesKey& key = views_.front()->view.series;
    auto& theirs = out_.customers[owner];
    if (theirs.empty() || theirs.back().key != key) {
      theirs.push_back({key, resolution_, names_, {}, {}, 0, 0});
    }
    return theirs.back();
  }

  const Bounds& bounds_;
  Ns slot_;
  std::vector<const ViewUsage*> views_;
  Attribution& out_;
  std::vector<Timeline> timelines_;
  std::vector<std::string> names_;
  Ns resolution_ = 0;
  Unattributed unattributed_;
  std::vector<std::size_t> next_, claim_;
};

}  // namespace

Ns OwnedSeries::held_ns() const {
  Ns sum = 0;
  for (const Span& span : held) sum += span.to - span.from;
  return sum;
}

Ns OwnedSeries::covered_ns() const {
  Ns sum = 0;
  for (const Piece& piece : pieces) sum += piece.covered;
  return sum;
}

u128 share_of(u128 amount, Ns from, Ns to, Ns length) {
  const auto up_to = [&](Ns at) {
    return mul_div(amount, static_cast<u128>(at), static_cast<u128>(length)).value_or(0);
  };
  return up_to(to) - up_to(from);
}

std::string series_text(const SeriesKey& key) {
  std::string text = key.metric + "{";
  for (const auto& [name, value] : key.labels) {
    if (!text.ends_with('{')) text += ",";
    text += name + "=\"" + value + "\"";
  }
  return text + "} of " + key.source;
}

Attribution attribute(const Catalogue& catalogue, const Period& period, Ns slot,
                      std::span<const ViewUsage> usage, Ns until, std::span<const Waiver> waivers) {
  Attribution out;
  out.customers.resize(catalogue.customers.size());
  std::map<SeriesKey, std::vector<const ViewUsage*>> series;
  for (const ViewUsage& view : usage) series[view.view.series].push_back(&view);

  const Bounds bounds = bounds_of(catalogue, period, until);
  std::set<Conflict> conflicts;
  std::map<std::string, Unattributed> unattributed;
  for (auto& [key, views] : series) {
    std::sort(views.begin(), views.end(),
              [](const ViewUsage* a, const ViewUsage* b) { return a->view < b->view; });
    const Unattributed rest =
        Series(catalogue, bounds, slot, std::move(views), waivers, out, conflicts).walk();
    Unattributed& sum = unattributed[rest.metric];
    sum.metric = rest.metric;
    sum.unit = rest.unit;
    sum.amount += rest.amount;
    sum.series += rest.amount > 0 ? 1 : 0;
  }
  for (auto& [metric, sum] : unattributed) out.unattributed.push_back(std::move(sum));
  out.conflicts.assign(conflicts.begin(), conflicts.end());
  return out;
}

}  // namespace tallyman::rater
