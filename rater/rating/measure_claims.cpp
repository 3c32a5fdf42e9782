#include "rater/rating/measure_claims.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rater/rating/claim_walk.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kSeriesAtOnce = 16;  ///< walked in one step

/// When each customer's plans begin and end: a record's parts may be cut there.
std::vector<std::vector<Ns>> plan_changes(const Catalogue& catalogue) {
  std::vector<std::vector<Ns>> out;
  for (const Customer& customer : catalogue.customers) {
    std::set<Ns> instants;
    for (const PlanSpan& plan : customer.plans) instants.insert({plan.from, plan.to});
    out.emplace_back(instants.begin(), instants.end());
  }
  return out;
}

}  // namespace

Ns OwnedSeries::held_ns() const {
  Ns sum = 0;
  for (const Span& span : held) sum += span.to - span.from;
  return sum;
}

Ns OwnedSeries::covered_ns() const { return pieces.sums().covered; }

u128 share_of(u128 amount, Ns from, Ns to, Ns length) {
  const auto up_to = [&](Ns at) {
    return mul_div(amount, static_cast<u128>(at), static_cast<u128>(length)).value_or(0);
  };
  return up_to(to) - up_to(from);
}

struct Attributor::State {
  /// One series: its views ascend, with what each is claimed by.
  struct Series {
    std::vector<std::size_t> views;  ///< as in UsageSource::views()
    std::vector<std::vector<Claim>> claims;
    std::set<std::size_t> owners;
  };

  UsageSource& source;
  Ns slot;
  Bounds bounds;
  std::vector<std::vector<Ns>> marks;                      ///< of each customer, ascending
  std::vector<Series> series{};                            ///< ascending by key
  std::map<std::size_t, std::vector<std::size_t>> held{};  ///< customer → series, ascending
  std::vector<Conflict> conflicts{};
  std::map<std::pair<std::string, std::string>, MetricTotal> totals{};  ///< by metric and source
  /// What nobody holds, by metric and source.
  std::map<std::pair<std::string, std::string>, Unattributed> unattributed{};
  std::vector<LooseSeries> loose{};
  std::size_t next = 0;  ///< unclaimed ones are found up to here

  const SeriesKey& key(const Series& each) const {
    return source.views()[each.views.front()].view.series;
  }
  MetricTotal& total(const Series& each) {
    const SeriesKey& of = key(each);
    MetricTotal& sum = totals[{of.metric, of.source}];
    sum.metric = of.metric;
    sum.unit = of.unit;
    sum.source = of.source;
    return sum;
  }
  void claim(const Catalogue& catalogue, std::span<const Waiver> waivers) {
    const std::vector<ViewFacts>& views = source.views();
    std::map<SeriesKey, Series> by_key;
    for (std::size_t v = 0; v < views.size(); ++v) by_key[views[v].view.series].views.push_back(v);
    const ResourceIndex index(catalogue);
    std::set<Conflict> found;
    for (auto& [of, each] : by_key) {
      std::sort(each.views.begin(), each.views.end(),
                [&](std::size_t a, std::size_t b) { return views[a].view < views[b].view; });
      for (const std::size_t v : each.views) {
        each.claims.push_back(claims_of(catalogue, index, bounds, views[v], waivers, found));
        for (const Claim& part : each.claims.back()) {
          if (part.owner < catalogue.customers.size()) each.owners.insert(part.owner);
        }
      }
      for (const std::size_t owner : each.owners) held[owner].push_back(series.size());
      unattributed.try_emplace({of.metric, of.source},
                               Unattributed{of.metric, of.unit, 0, 0, of.source});
      total(each);
      series.push_back(std::move(each));
    }
    conflicts.assign(found.begin(), found.end());
  }

  /// Walks a series for one owner. What does not belong to any is counted with the first of them.
  Result<OwnedSeries> walk(const Series& each, std::size_t owner) {
    std::vector<ClaimedView> views;
    for (std::size_t i = 0; i < each.views.size(); ++i) {
      Result<SlotArray> slots = source.slots(each.views[i]);
      if (!slots) return slots.error();
      views.push_back({&source.views()[each.views[i]], &each.claims[i], std::move(*slots)});
    }
    static const std::vector<Ns> kNoMarks;
    const std::vector<Ns>& mine_change = owner < marks.size() ? marks[owner] : kNoMarks;
    ClaimWalk walked(bounds, slot, std::move(views), owner, mine_change);
    walked.run();
    MetricTotal& sum = total(each);
    if (each.owners.empty() || owner == *each.owners.begin()) {
      sum.read += walked.read();
      sum.nobody += walked.nobody();
      sum.elsewhere += walked.elsewhere();
      if (walked.nobody() > 0) {
        const SeriesKey& of = key(each);
        Unattributed& rest = unattributed.at({of.metric, of.source});
        rest.amount += walked.nobody();
        ++rest.series;
        loose.push_back({of, walked.nobody()});
      }
    }
    OwnedSeries mine = walked.take();
    sum.customers += mine.pieces.sums().amount + mine.waived;
    return mine;
  }
};

Attributor::Attributor(const Catalogue& catalogue, const Period& period, Ns slot,
                       UsageSource& source, Ns until, std::span<const Waiver> waivers)
    : state_(std::make_unique<State>(
          State{source, slot, bounds_of(catalogue, period, until), plan_changes(catalogue)})) {
  state_->claim(catalogue, waivers);
}
Attributor::~Attributor() = default;

const std::vector<Conflict>& Attributor::conflicts() const { return state_->conflicts; }

Result<std::vector<OwnedSeries>> Attributor::customer(std::size_t index) {
  std::vector<OwnedSeries> out;
  std::size_t next = 0;
  for (;;) {
    const Result<bool> more = customer_some(index, next, out);
    if (!more) return more.error();
    if (!*more) return out;
  }
}

void Attributor::read_first(std::size_t index, const std::function<bool(const SeriesKey&)>& first) {
  std::vector<std::size_t>& held = state_->held[index];
  std::stable_partition(held.begin(), held.end(),
                        [&](std::size_t each) { return first(state_->key(state_->series[each])); });
}

Result<bool> Attributor::customer_some(std::size_t index, std::size_t& next,
                                       std::vector<OwnedSeries>& out) {
  const std::vector<std::size_t>& held = state_->held[index];
  for (std::size_t n = 0; n < kSeriesAtOnce && next < held.size(); ++n) {
    Result<OwnedSeries> mine = state_->walk(state_->series[held[next++]], index);
    if (!mine) return mine.error();
    if (!mine->held.empty() || mine->waived_ns > 0) out.push_back(std::move(*mine));
  }
  return next < held.size();
}

Result<bool> Attributor::next_unclaimed() {
  State& s = *state_;
  while (s.next < s.series.size() && !s.series[s.next].owners.empty()) ++s.next;
  if (s.next == s.series.size()) return false;
  const Result<OwnedSeries> walked = s.walk(s.series[s.next++], kNobody);
  if (!walked) return walked.error();
  return true;
}

std::vector<Unattributed> Attributor::unattributed() const {
  std::vector<Unattributed> out;
  for (const auto& [which, sum] : state_->unattributed) out.push_back(sum);
  return out;
}

std::vector<LooseSeries> Attributor::loose() const {
  std::vector<LooseSeries> out = state_->loose;
  std::sort(out.begin(), out.end(),
            [](const LooseSeries& a, const LooseSeries& b) { return a.key < b.key; });
  return out;
}

std::vector<MetricTotal> Attributor::totals() const {
  std::vector<MetricTotal> out;
  for (const auto& [which, sum] : state_->totals) out.push_back(sum);
  return out;
}

Attribution attribute(const Catalogue& catalogue, const Period& period, Ns slot,
                      std::span<const ViewUsage> usage, Ns until, std::span<const Waiver> waivers) {
  KeptUsage source(usage, slot);
  Attributor attributor(catalogue, period, slot, source, until, waivers);
  Attribution out;
  // What is in memory can be read.
  for (std::size_t c = 0; c < catalogue.customers.size(); ++c) {
    out.customers.push_back(*attributor.customer(c));
  }
  while (*attributor.next_unclaimed()) {
  }
  out.unattributed = attributor.unattributed();
  out.loose = attributor.loose();
  out.totals = attributor.totals();
  out.conflicts = attributor.conflicts();
  return out;
}

Status conserved(std::span<const MetricTotal> totals) {
  for (const MetricTotal& sum : totals) {
    const u128 found = sum.customers + sum.nobody + sum.elsewhere;
    if (found == sum.read) continue;
    return Error{"usage is not conserved: of " + to_decimal(sum.read) + " " + sum.unit +
                     " read, customers hold " + to_decimal(sum.customers) + ", nobody " +
                     to_decimal(sum.nobody) + ", other periods " + to_decimal(sum.elsewhere),
                 sum.metric + (sum.source.empty() ? "" : " of " + sum.source),
                 "nothing was closed; report this, with the catalogue"};
  }
  return {};
}

}  // namespace tallyman::rater
