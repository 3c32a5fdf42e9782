#include "rater/rating/claims.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace tallyman::rater {

namespace {

/// Whose one view is, over the whole of bounds.all.
class Timeline {
 public:
  Timeline(const Catalogue& catalogue, const ResourceIndex& index, const Bounds& bounds,
           const ViewFacts& view, std::span<const Waiver> waivers, std::set<Conflict>& conflicts)
      : catalogue_(catalogue), index_(index), bounds_(bounds), view_(view), waivers_(waivers) {
    std::set<Ns> edges{bounds.all.from, bounds.all.to, bounds.own.from, bounds.own.to};
    for (const InfoSpan& info : view.info) edges.insert(info.from);
    for (std::size_t i = 0; i < view.info.size(); ++i) match(view.info[i].labels, i, edges);
    if (view.info.empty()) match({}, 0, edges);
    for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
      const Span part = cut({*edge, *std::next(edge)}, bounds.all.from, bounds.all.to);
      if (part.from < part.to) add(part, conflicts);
    }
  }
  [[nodiscard]] std::vector<Claim> take() { return std::move(claims_); }

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
    for (const std::size_t r : index_.matching(view_.view.series, labels)) {
      const Resource& resource = catalogue_.resources[r];
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
  const ResourceIndex& index_;
  const Bounds& bounds_;
  const ViewFacts& view_;
  std::span<const Waiver> waivers_;
  std::vector<Left> left_;
  std::vector<Match> matches_;
  std::vector<Claim> claims_;
};

}  // namespace

Span cut(Span span, Ns from, Ns to) { return {std::max(span.from, from), std::min(span.to, to)}; }

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

ResourceIndex::ResourceIndex(const Catalogue& catalogue) : catalogue_(&catalogue) {
  for (std::size_t r = 0; r < catalogue.resources.size(); ++r) {
    // A label tells series apart better than what most of them share.
    const std::pair<const std::string, std::string>* key = nullptr;
    for (const auto& glob : catalogue.resources[r].match.globs) {
      if (glob.second.find_first_of("*?[\\") != std::string::npos) continue;
      const bool common = glob.first == "source" || glob.first == "metric";
      if (key == nullptr || !common) key = &glob;
    }
    (key == nullptr ? others_ : literal_[{key->first, key->second}]).push_back(r);
  }
}

std::vector<std::size_t> ResourceIndex::matching(
    const SeriesKey& series, const std::map<std::string, std::string>& info) const {
  std::set<std::size_t> found;
  const auto try_all = [&](const std::vector<std::size_t>& candidates) {
    for (const std::size_t r : candidates) {
      if (catalogue_->resources[r].match.matches(series, info)) found.insert(r);
    }
  };
  const auto look_up = [&](const std::string& name, const std::string& value) {
    if (const auto it = literal_.find({name, value}); it != literal_.end()) try_all(it->second);
  };
  try_all(others_);
  look_up("source", series.source);
  look_up("metric", series.metric);
  for (const auto& [name, value] : series.labels) look_up(name, value);
  for (const auto& [name, value] : info) look_up(name, value);
  return {found.begin(), found.end()};
}

std::vector<Claim> claims_of(const Catalogue& catalogue, const ResourceIndex& index,
                             const Bounds& bounds, const ViewFacts& view,
                             std::span<const Waiver> waivers, std::set<Conflict>& conflicts) {
  return Timeline(catalogue, index, bounds, view, waivers, conflicts).take();
}

std::string series_text(const SeriesKey& key) {
  std::string text = key.metric + "{";
  for (const auto& [name, value] : key.labels) {
    if (!text.ends_with('{')) text += ",";
    text += name + "=\"" + value + "\"";
  }
  return text + "} of " + key.source;
}

}  // namespace tallyman::rater
