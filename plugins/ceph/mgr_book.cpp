#include "mgr_book.hpp"

#include <algorithm>
#include <map>
#include <tallyman/epoch.hpp>
#include <utility>

namespace ceph {
namespace {

constexpr std::uint32_t kFallsBelieved = 3;
constexpr std::uint32_t kDoubtsBelieved = 3;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kLongSilence = 600 * kSecond;
constexpr std::int64_t kKeepGone = 604'800 * kSecond;
// The mgr learns the names of images anew every 5 minutes by default.
constexpr std::int64_t kRenamedWithin = 600 * kSecond;
constexpr std::int64_t kStaleAtLeast = 60 * kSecond;
constexpr std::size_t kMostImages = 65'536;

bool exact(const std::optional<Amount>& amount) { return amount && amount->exact; }

bool fell(const TrackedCounters& before, std::uint64_t read, std::uint64_t written) {
  return read < before.read || written < before.written;
}

/// Whether another image has its name now: what it had counted may go on under another name.
bool made_again(const TrackedCounters& before, const ImageFigures& now) {
  return !exact(now.read) || !exact(now.written) ||
         fell(before, now.read->value, now.written->value);
}

/// The fold of one answer. Lives only inside advance().
class Walk {
 public:
  Walk(MgrState before, const MgrMetrics& metrics, std::int64_t instant, std::int64_t scrape)
      : before_(std::move(before)), metrics_(metrics), scrape_(scrape) {
    step_.next.instant = std::max(instant, before_.instant + 1);
  }

  MgrStep run() {
    const bool anew = new_life();
    if (anew && !began_since_last() && before_.doubted + 1 < kDoubtsBelieved) return doubt();
    pools();
    if (identified()) {
      images(anew);
    } else {
      keep_images();
    }
    return std::move(step_);
  }

 private:
  void pools() {
    std::string why;
    if (exact(metrics_.total) && metrics_.total->value == 0) {
      why = "the mgr has no statistics yet: it has heard of no OSD since it began";
    }
    for (const auto& [id, figures] : metrics_.pools) pool(id, figures, why);
    for (const auto& [id, counters] : before_.pools) {
      if (lately(counters)) step_.next.pools.emplace(id, counters);
    }
  }

  void images(bool anew) {
    step_.next.images_at = step_.next.instant;
    step_.next.active = metrics_.active;
    step_.next.collections = metrics_.collections->value;
    if (anew && !began_since_last()) {
      all_lost_ = "another mgr counts its bytes; what was written meanwhile is not known";
    } else if (!anew && unproven()) {
      all_lost_ = "the mgr may have begun anew since it was asked last";
    }
    for (const auto& [name, figures] : metrics_.images) image(name, figures, anew);
    if (anew || step_.next.images.size() + before_.images.size() > kMostImages) return;
    for (const auto& [hash, counters] : before_.images) {
      if (lately(counters)) step_.next.images.emplace(hash, counters);
    }
  }

  void keep_images() {
    step_.images_why = "the mgr does not say which one it is and how often it has looked";
    step_.next.images_at = before_.images_at;
    step_.next.active = before_.active;
    step_.next.collections = before_.collections;
    step_.next.images = before_.images;
    step_.next.images_whole = before_.images_whole;
  }

  MgrStep doubt() {
    step_.why = metrics_.active + " answers alone, and has counted since before " + before_.active +
                " did: it may have lost its monitors";
    step_.next = before_;
    ++step_.next.doubted;
    return std::move(step_);
  }

  [[nodiscard]] bool lately(const TrackedCounters& counters) const {
    return step_.next.instant - counters.seen < kKeepGone;
  }
  [[nodiscard]] static CounterLife born_since(std::int64_t last) { return {last, last != 0}; }
  [[nodiscard]] CounterLife baseline() const { return {step_.next.instant, false}; }

  void pool(const std::string& id, const PoolFigures& figures, const std::string& why) {
    PoolTold told{.id = id, .figures = &figures, .life = {}, .why = why, .counters_why = {}};
    const auto known = before_.pools.find(id);
    TrackedCounters counters;
    counters.life = born_since(before_.instant);
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

  [[nodiscard]] bool identified() const {
    return !metrics_.active.empty() && exact(metrics_.collections);
  }

  [[nodiscard]] bool new_life() const {
    if (before_.images_at == 0 || !identified()) return false;
    return metrics_.active != before_.active || metrics_.collections->value < before_.collections;
  }

  /// The least time for which the mgr has looked.
  [[nodiscard]] std::uint64_t looks() const {
    return std::max<std::uint64_t>(metrics_.collections->value, 1) - 1;
  }

  /// Whether a new life can be one that the last good answer, stale at most, knew nothing of.
  [[nodiscard]] bool began_since_last() const {
    const std::int64_t silence = step_.next.instant - before_.images_at;
    return looks() <= static_cast<std::uint64_t>((silence + stale_after(scrape_)) / scrape_);
  }

  /// Whether the mgr may have begun anew unnoticed.
  [[nodiscard]] bool unproven() const {
    const std::int64_t silence = step_.next.instant - before_.images_at;
    if (before_.images_at == 0 || silence <= kLongSilence) return false;
    return looks() == 0 || looks() <= static_cast<std::uint64_t>(silence / scrape_);
  }

  [[nodiscard]] bool may_be_renamed(std::uint64_t read, std::uint64_t written) {
    if (!before_.images_whole) return true;
    if (!gone_) {
      gone_.emplace();
      std::map<std::uint64_t, const ImageFigures*> here;
      for (const auto& [name, figures] : metrics_.images) here.emplace(image_hash(name), &figures);
      for (const auto& [hash, counters] : before_.images) {
        const bool counted = counters.read != 0 || counters.written != 0;
        const bool lately_gone = before_.images_at - counters.seen <= kRenamedWithin;
        const auto now = here.find(hash);
        const bool moved = now == here.end() || made_again(counters, *now->second);
        if (counted && lately_gone && moved) gone_->push_back(counters);
      }
    }
    return std::any_of(gone_->begin(), gone_->end(),
                       [&](const TrackedCounters& gone) { return !fell(gone, read, written); });
  }

  void image(const ImageName& name, const ImageFigures& figures, bool anew) {
    const std::uint64_t hash = image_hash(name);
    ImageTold told{.name = &name, .figures = &figures, .life = {}, .why = {}, .lost = all_lost_};
    const auto known = before_.images.find(hash);
    const bool met = known != before_.images.end() && !anew;
    TrackedCounters counters;
    counters.life = born_since(before_.images_at);
    if (met) counters = known->second;
    counters.seen = step_.next.instant;
    if (!exact(figures.read) || !exact(figures.written)) {
      told.why = "the mgr's figures of it are no exact whole numbers";
      if (!met) counters.life = baseline();
    } else {
      const std::uint64_t read = figures.read->value, written = figures.written->value;
      if (!all_lost_.empty()) {
        counters.life = baseline();
      } else if (met && fell(counters, read, written)) {
        counters.life = born_since(before_.images_at);
      } else if (!met && !anew && before_.images_at != 0 && may_be_renamed(read, written)) {
        counters.life = baseline();
        told.lost = "it may be another image under a new name; what it had counted is left out";
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
  std::string all_lost_;  ///< why each image is a baseline and a gap; "" when they are not
  std::optional<std::vector<TrackedCounters>> gone_;  ///< that counted, once asked for
  MgrStep step_;
};

}  // namespace

std::uint64_t image_hash(const ImageName& name) {
  return tallyman::plugin::epoch(name.pool, name.space, name.image);
}

std::int64_t stale_after(std::int64_t scrape) { return std::max(kStaleAtLeast, 4 * scrape); }

MgrStep advance(MgrState before, const MgrMetrics& metrics, std::int64_t instant,
                std::int64_t scrape) {
  return Walk(std::move(before), metrics, instant, std::max<std::int64_t>(scrape, 1)).run();
}

}  // namespace ceph
