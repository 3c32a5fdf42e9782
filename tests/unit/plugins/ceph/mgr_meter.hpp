#pragma once
// A cluster as its mgr tells it, and a meter that bills what the book makes of that.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>

#include "ceph/mgr_book.hpp"

namespace ceph {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kScrape = 15 * kSecond;
constexpr std::int64_t kBegin = 1'795'359'600 * kSecond;

inline Amount amount(std::uint64_t value) { return {value, true}; }

/// A cluster with one pool and the images given, as a mgr of that many looks tells it.
struct Cluster {
  std::uint64_t looks = 100;
  std::string active = "mgr.x";
  std::map<std::string, std::uint64_t> pools{{"2", 1000}};
  std::map<std::string, std::uint64_t> images;

  [[nodiscard]] MgrMetrics metrics() const {
    MgrMetrics out;
    out.active = active;
    out.collections = amount(looks);
    out.total = amount(1U << 30U);
    for (const auto& [id, written] : pools) {
      PoolFigures& pool = out.pools[id];
      pool.name = "p" + id;
      pool.read = amount(0);
      pool.written = amount(written);
      pool.groups = amount(8);
      pool.unknown_groups = amount(0);
    }
    for (const auto& [name, written] : images) {
      out.images[{"volumes", "", name}] = {amount(0), amount(written)};
    }
    return out;
  }
};

/// Advances and bills: what a rater counts from the readings told.
class Meter {
 public:
  MgrStep poll(const MgrMetrics& metrics, std::int64_t after = 60 * kSecond) {
    instant_ += after;
    MgrStep step = advance(state_, metrics, instant_, kScrape);
    EXPECT_TRUE(step.why.empty() || (step.pools.empty() && step.images.empty()));
    for (const PoolTold& pool : step.pools) {
      if (pool.why.empty() && pool.counters_why.empty()) {
        count("pool " + pool.id, pool.life, pool.figures->written->value);
      }
    }
    for (const ImageTold& image : step.images) {
      if (image.why.empty()) count(image.name->image, image.life, image.figures->written->value);
    }
    state_ = step.next;
    return step;
  }
  [[nodiscard]] std::uint64_t billed(const std::string& name) const {
    const auto it = billed_.find(name);
    return it == billed_.end() ? 0 : it->second;
  }
  void restart() {
    const auto bytes = std::get<std::string>(encode_state({0, 0, {}, state_}));
    state_ = std::get<SavedState>(decode_state(kStateVersion, bytes)).mgr;
  }
  void pass(std::int64_t after) { instant_ += after; }
  MgrState state_;

 private:
  void count(const std::string& name, const CounterLife& life, std::uint64_t value) {
    const auto key = std::tuple(name, life.birth, life.from_zero);
    const auto [it, fresh] = last_.try_emplace(key, life.from_zero ? 0 : value);
    ASSERT_GE(value, it->second);
    billed_[name] += value - it->second;
    it->second = value;
  }
  std::int64_t instant_ = kBegin;
  std::map<std::tuple<std::string, std::int64_t, bool>, std::uint64_t> last_;
  std::map<std::string, std::uint64_t> billed_;
};

}  // namespace ceph
