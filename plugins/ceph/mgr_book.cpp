#include "mgr_book.hpp"

#include <algorithm>
#include <set>
#include <tallyman/epoch.hpp>
#include <utility>

namespace ceph {
namespace {

constexpr std::uint32_t kFallsBelieved = 3;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kLongSilence = 600 * kSecond;
constexpr std::int64_t kKeepGonePools = 604'800 * kSecond;
constexpr std::size_t kMostImages = 65'536;

bool exact(const std::optional<Amount>& amount) { return amount && amount->exact; }

bool fell(const TrackedCounters& before, std::uint64_t read, std::uint64_t written) {
  return read < before.read || written < before.written;
}

/// The fold of one answer. Lives only inside advance().
class Walk {
 public:
  Walk(MgrState before, const MgrMetrics& metrics, std::int64_t instant, std::int64_t scrape)
      : before_(std::move(before)), metrics_(metrics), scrape_(scrape) {
    step_.next.instant = std::max(instant, before_.instant + 1);
    step_.next.active = metrics.active;
    step_.next.collections = metrics.collections ? metrics.collections->value : 0;
  }

  MgrStep run() {
    std::string why;
    if (exact(metrics_.total) && metrics_.total->value == 0) {
      why = "the mgr has no statistics yet: it has heard of no OSD since it began";
    }
    for (const auto& [id, figures] : metrics_.pools) pool(id, figures, why);
    for (const auto& [id, counters] : before_.pools) {
      if (step_.next.instant - counters.seen < kKeepGonePools) {
        step_.next.pools.emplace(id, counters);
      }
    }
    const bool anew = new_life();
    for (const auto& [name, figures] : metrics_.images) image(name, figures, anew);
    if (!anew && step_.next.images.size() + before_.images.size() <= kMostImages) {
      step_.next.images.insert(before_.images.begin(), before_.images.end());
    }
    return std::move(step_);
  }

 private:
  [[nodiscard]] CounterLife born_since_last() const {
    return {before_.instant, before_.instant != 0};
  }
  [[nodiscard]] CounterLife baseline() const { return {step_.next.instant, false}; }

  void pool(const std::string& id, const PoolFigures& figures, const std::string& why) {
    PoolTold told{.id = id, .figures = &figures, .life = {}, .why = why, .counters_why = {}};
    const auto known = before_.pools.find(id);
    TrackedCounters counters;
    counters.life = born_since_last();
    if (known != before_.pools.end()) counters = known->second;
    counters.seen = step_.next.instant;
    if (!why.empty()) {
      // The answer says nothing of it.
    } else if (!exact(figures.groups) || !exact(figures.unknown_groups) ||
               figures.groups->value == 0) {
      told.why = "the mgr does not tell of its placement groups";
    } else if (figures.unknown_groups->value != 0) {
      told.why = "the mgr has not heard of " + std::to_string(figures.unknown_groups->value) +
                 " of its " + std::to_string(figures.groups->value) + " placement groups yet";
    } else if (exact(figures.read) && exact(figures.written)) {
      told.counters_why = follow_pool(counters, figures.read->value, figures.written->value);
    }
    told.life = counters.life;
    step_.next.pools.emplace(id, counters);
    step_.pools.push_back(std::move(told));
  }

  /// Why its counters are unknown; "" when they are not.
  std::string follow_pool(TrackedCounters& counters, std::uint64_t read, std::uint64_t written) {
    if (fell(counters, read, written)) {
      if (++counters.fallen < kFallsBelieved) return "its counters are lower than they were";
      counters.life = baseline();
    }
    counters.fallen = 0;
    counters.read = read;
    counters.written = written;
    return {};
  }

  [[nodiscard]] bool new_life() const {
    if (before_.instant == 0) return false;
    return metrics_.active != before_.active || step_.next.collections < before_.collections;
  }

  /// Whether the mgr may have begun anew unnoticed.
  [[nodiscard]] bool unproven() const {
    const std::int64_t silence = step_.next.instant - before_.instant;
    if (before_.instant == 0 || silence <= kLongSilence) return false;
    const std::uint64_t looks = step_.next.collections;
    return looks < 2 || looks - 1 <= static_cast<std::uint64_t>(silence / scrape_);
  }

  [[nodiscard]] bool may_be_renamed(std::uint64_t read, std::uint64_t written) {
    if (!before_.images_whole) return true;
    if (!gone_) {
      gone_.emplace();
      std::set<std::uint64_t> here;
      for (const auto& [name, figures] : metrics_.images) here.insert(image_hash(name));
      for (const auto& [hash, counters] : before_.images) {
        const bool counted = counters.read != 0 || counters.written != 0;
        if (counted && !here.contains(hash)) gone_->push_back(counters);
      }
    }
    return std::any_of(gone_->begin(), gone_->end(),
                       [&](const TrackedCounters& gone) { return !fell(gone, read, written); });
  }

  void image(const ImageName& name, const ImageFigures& figures, bool anew) {
    const std::uint64_t hash = image_hash(name);
    ImageTold told{.name = &name, .figures = &figures, .life = {}, .why = {}};
    const auto known = before_.images.find(hash);
    const bool met = known != before_.images.end() && !anew;
    TrackedCounters counters;
    counters.life = born_since_last();
    if (met) counters = known->second;
    counters.seen = step_.next.instant;
    if (!exact(figures.read) || !exact(figures.written)) {
      told.why = "the mgr's figures of it are no exact whole numbers";
      if (!met) counters.life = baseline();
    } else {
      const std::uint64_t read = figures.read->value, written = figures.written->value;
      if (!anew && unproven()) {
        counters.life = baseline();
      } else if (met && fell(counters, read, written)) {
        counters.life = born_since_last();
      } else if (!met && !anew && before_.instant != 0 && may_be_renamed(read, written)) {
        counters.life = baseline();
      }
      counters.read = read;
      counters.written = written;
    }
    told.life = counters.life;
    step_.next.images.emplace(hash, counters);
    step_.images.push_back(std::move(told));
  }

  const MgrState before_;
  const MgrMetrics& metrics_;
  const std::int64_t scrape_;
  std::optional<std::vector<TrackedCounters>> gone_;  ///< images that counted, once asked for
  MgrStep step_;
};

}  // namespace

std::uint64_t image_hash(const ImageName& name) {
  return tallyman::plugin::epoch(name.pool, name.space, name.image);
}

MgrStep advance(MgrState before, const MgrMetrics& metrics, std::int64_t instant,
                std::int64_t scrape) {
  return Walk(std::move(before), metrics, instant, std::max<std::int64_t>(scrape, 1)).run();
}

}  // namespace ceph
