#include "book.hpp"

#include <algorithm>
#include <utility>

namespace nfs {
namespace {

bool has_counted(const Counters& counters) {
  return std::any_of(counters.begin(), counters.end(), [](std::uint64_t c) { return c != 0; });
}

bool fell(const Counters& before, const Counters& now) {
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (now[i] < before[i]) return true;
  }
  return false;
}

/// The fold of one good poll. Lives only inside advance().
class Walk {
 public:
  Walk(Book before, std::int64_t scheduled)
      : before_(std::move(before)), scheduled_(std::max(scheduled, before_.instant + 1)) {
    step_.next.since = before_.since;
    step_.next.instant = scheduled_;
  }

  Step run(const std::vector<Sighting>& seen) {
    for (const Sighting& sighting : seen) {
      const auto [it, fresh] = step_.next.things.try_emplace(sighting.key);
      if (fresh) {
        it->second = {life_of(sighting), thing_of(sighting), sighting.statistics,
                      sighting.counters};
      }
      step_.lives.push_back(it->second.life);
      // Beyond all births, so that no life that begins at this poll has the birth of another.
      step_.next.instant = std::max(step_.next.instant, it->second.life.birth + 1);
    }
    return std::move(step_);
  }

 private:
  /// What is behind the key, as last known.
  [[nodiscard]] std::uint64_t thing_of(const Sighting& now) const {
    const auto known = before_.things.find(now.key);
    return now.thing == 0 && known != before_.things.end() ? known->second.thing : now.thing;
  }

  [[nodiscard]] Life since_last() const { return {before_.instant, true}; }
  [[nodiscard]] Life baseline() const { return {before_.instant, false}; }
  /// From when its statistics began, which was not before `earliest`.
  [[nodiscard]] Life since(std::int64_t began, std::int64_t earliest) const {
    return {std::clamp(began, earliest, std::max(earliest, scheduled_)), true};
  }

  [[nodiscard]] Life life_of(const Sighting& now) const {
    if (before_.instant == 0) {
      const bool watched = before_.since != 0 && now.began >= before_.since;
      return watched ? since(now.began, before_.since) : Life{};
    }
    const auto known = before_.things.find(now.key);
    if (known == before_.things.end()) return since(now.began, before_.instant);
    const Tracked& then = known->second;
    const bool less = fell(then.last, now.counters);
    if (now.statistics != then.statistics) {
      if (now.began != 0) {
        return now.began >= before_.instant ? since(now.began, before_.instant) : baseline();
      }
      return less ? since_last() : baseline();
    }
    if (less) return since_last();
    if (now.thing == then.thing || now.thing == 0 || then.thing == 0) return then.life;
    const bool idle = !has_counted(then.last) && before_.coarse == 0;
    return idle ? since_last() : baseline();
  }

  const Book before_;
  const std::int64_t scheduled_;
  Step step_;
};

}  // namespace

void look_for(State& state, const Wanted& wanted, std::int64_t scheduled) {
  const auto look = [&](auto& kept, bool used) {
    if (!used) kept = {};
    if (used && kept.since == 0) kept.since = scheduled;
  };
  look(state.books[0], wanted.exports);
  look(state.books[1], wanted.clients);
  look(state.kernel, wanted.kernel);
}

Step advance(Book before, const std::vector<Sighting>& seen, std::int64_t scheduled) {
  return Walk(std::move(before), scheduled).run(seen);
}

}  // namespace nfs
