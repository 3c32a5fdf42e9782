#include "tracker.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace netif {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

const auto kAll = decltype(Sample::told)().set();

enum class Verdict { same, from_zero, unclear };

Verdict judge(const Tracked& before, const Link& now, unsigned coarse) {
  if (before.kind && *before.kind != now.kind) return Verdict::from_zero;
  const auto& a = before.last;
  const auto& b = now.counters;
  const std::pair<std::uint64_t, std::uint64_t> pairs[] = {
      {a.receive_bytes, b.receive_bytes},
      {a.transmit_bytes, b.transmit_bytes},
      {a.receive_packets, b.receive_packets},
      {a.transmit_packets, b.transmit_packets}};
  bool fell = false, kept = false;
  for (const auto& [old_value, new_value] : pairs) {
    if (new_value < old_value)
      fell = true;
    else if (old_value > 0 || coarse > 0)
      kept = true;
  }
  if (!fell) return Verdict::same;
  return kept ? Verdict::unclear : Verdict::from_zero;
}

/// The fold of one poll. Lives only inside advance().
class Walk {
 public:
  Walk(State before, const Observation& seen)
      : last_instant_(before.instant), last_creation_(before.instant), seen_(seen) {
    step_.next = std::move(before);
  }

  Step run() {
    if (last_instant_ != 0) {
      for (const LinkEvent& event : seen_.events) take_event(event);
    }
    std::set<std::uint32_t> present;
    for (const Link& link : seen_.links) {
      if (!present.insert(link.ifindex).second) continue;
      sample(link, follow(link), 0);
    }
    std::erase_if(links(), [&](const auto& entry) { return !present.contains(entry.first); });
    step_.next.instant = std::max(seen_.scheduled, last_creation_ + 1);
    step_.next.coarse = 0;
    return std::move(step_);
  }

 private:
  std::map<std::uint32_t, Tracked>& links() { return step_.next.links; }

  void take_event(const LinkEvent& event) {
    const Link& link = event.link;
    if (event.deleted) {
      take_deletion(link);
    } else if (!links().contains(link.ifindex)) {
      const bool counted_elsewhere = seen_.complete && link.counters != Counters{};
      Tracked& tracked = begin(link, !counted_elsewhere);
      if (counted_elsewhere) sample(link, tracked, last_instant_);
    }
  }

  void take_deletion(const Link& link) {
    const auto it = links().find(link.ifindex);
    const bool known = it != links().end() && (!it->second.kind || *it->second.kind == link.kind);
    const Counters last = known ? it->second.last : Counters{};
    const bool told = sample(link, known ? it->second : begin(link, true), 0);
    for (std::size_t i = 0; told && i < kCounterFields.size(); ++i) {
      const std::uint64_t value = link.counters.*kCounterFields[i];
      step_.samples.back().told[i] = value != 0 && value >= last.*kCounterFields[i];
    }
    links().erase(link.ifindex);
  }

  /// The life that these counters belong to: the one known, or a new one.
  Tracked& follow(const Link& link) {
    const auto it = links().find(link.ifindex);
    if (it == links().end()) return begin(link, true);
    switch (judge(it->second, link, step_.next.coarse)) {
      case Verdict::from_zero:
        return begin(link, true);
      case Verdict::unclear:
        return begin(link, false);
      case Verdict::same:
        break;
    }
    it->second.last = link.counters;
    it->second.kind = link.kind;
    return it->second;
  }

  Tracked& begin(const Link& link, bool from_zero) {
    const Tracked tracked{new_life(link.ifindex, from_zero), link.counters, link.kind, false};
    return links().insert_or_assign(link.ifindex, tracked).first->second;
  }

  Life new_life(std::uint32_t ifindex, bool from_zero) {
    Life life;
    if (last_instant_ != 0) life = {last_instant_ + births_[ifindex]++, from_zero};
    last_creation_ = std::max(last_creation_, life.creation);
    return life;
  }

  /// False when nobody wants it told.
  bool sample(const Link& link, Tracked& tracked, std::int64_t time) {
    if (!link.wanted) {
      tracked.untold = true;
      return false;
    }
    if (tracked.untold) tracked.life = new_life(link.ifindex, false);
    tracked.untold = false;
    step_.samples.push_back({link, tracked.life, kAll, time});
    return true;
  }

  const std::int64_t last_instant_;
  std::int64_t last_creation_;  ///< the next instant lies beyond, so no creation is given twice
  const Observation& seen_;
  std::map<std::uint32_t, std::int64_t> births_;  ///< lives begun in this interval, by index
  Step step_;
};

}  // namespace

State first_state(const std::optional<State>& restored, const Place& now, std::int64_t boot_wall) {
  State state;
  state.place = now;
  if (!restored) return state;
  if (restored->place == now) return *restored;
  // A last good poll after this boot belongs to another machine, or to a clock that was set back:
  // then nothing is known.
  if (restored->place.boot != now.boot && restored->instant != 0 &&
      restored->instant <= boot_wall) {
    state.instant = std::max(boot_wall - boot_wall % kSecond, restored->instant);
  }
  return state;
}

Step advance(State before, const Observation& seen) { return Walk(std::move(before), seen).run(); }

bool settled(std::span<const LinkEvent> late, std::span<const Link> links) {
  return std::all_of(late.begin(), late.end(), [&](const LinkEvent& event) {
    return !event.deleted && std::any_of(links.begin(), links.end(), [&](const Link& link) {
      return link.ifindex == event.link.ifindex;
    });
  });
}

}  // namespace netif
