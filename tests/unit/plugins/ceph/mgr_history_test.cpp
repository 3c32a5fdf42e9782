// What the book remembers: over random histories, and in bytes.

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "mgr_meter.hpp"

namespace ceph {
namespace {

/// Images under random traffic, and what of it no answer can show: what was written to an image
/// since the last answer when it goes or the mgr begins anew, and what one that is made again under
/// its name had counted.
class History {
 public:
  explicit History(unsigned seed) : random_(seed) {}

  void act() {
    const std::string name(1, static_cast<char>('a' + random_() % 4));
    switch (random_() % 8) {
      case 0:
        if (cluster.images.contains(name)) erase(name);
        break;
      case 1:
        if (cluster.images.contains(name) && !cluster.images.contains("r" + name)) rename(name);
        break;
      default:
        const std::uint64_t bytes = random_() % 50;
        if (!cluster.images.contains(name)) unseen += std::exchange(last_[name], 0);
        cluster.images[name] += bytes;
        fresh_[name] += bytes;
        total += bytes;
    }
  }

  void begin_anew() {
    cluster.looks = 1;
    for (auto& [name, value] : cluster.images) value = 0;
    for (auto& [name, bytes] : fresh_) unseen += std::exchange(bytes, 0);
    last_.clear();
  }

  void polled(const MgrStep& step) {
    for (const ImageTold& image : step.images) {
      if (!image.lost.empty()) unseen += image.figures->written->value;
    }
    fresh_.clear();
    for (const auto& [name, value] : cluster.images) last_[name] = value;
  }

  bool chance(unsigned of) { return random_() % of == 0; }
  /// What is written and not told yet.
  [[nodiscard]] std::uint64_t pending() const {
    std::uint64_t sum = 0;
    for (const auto& [name, bytes] : fresh_) sum += bytes;
    return sum;
  }

  Cluster cluster;
  std::uint64_t total = 0, unseen = 0;

 private:
  void erase(const std::string& name) {
    cluster.images.erase(name);
    unseen += std::exchange(fresh_[name], 0);
  }
  void rename(const std::string& name) {
    const std::string to = "r" + name;
    cluster.images[to] = cluster.images[name];
    cluster.images.erase(name);
    fresh_[to] += std::exchange(fresh_[name], 0);
  }
  std::mt19937_64 random_;
  std::map<std::string, std::uint64_t> fresh_, last_;
};

// Given random traffic, births, deletions, renames and restarts of mgr and plugin, then never more
// is counted than was written, nor less than the answers showed and no gap speaks of.
TEST(MgrBook, NeverMoreThanWritten) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    History history(seed);
    Meter meter;
    meter.poll(history.cluster.metrics());
    for (int step = 0; step < 60; ++step) {
      for (int i = 0; i < 5; ++i) history.act();
      history.cluster.looks += 4;
      // One that lived so short that a few missed polls hide it is not found out.
      if (history.chance(10) && history.cluster.looks > 60) history.begin_anew();
      if (history.chance(10)) meter.restart();
      if (history.chance(5)) {
        meter.pass(60 * kSecond);
      } else {
        const MgrMetrics metrics = history.cluster.metrics();
        const MgrStep told = meter.poll(metrics);
        EXPECT_EQ(told.why, "") << seed;
        history.polled(told);
      }
    }
    std::uint64_t billed = 0;
    for (const char* name : {"a", "b", "c", "d", "ra", "rb", "rc", "rd"})
      billed += meter.billed(name);
    EXPECT_LE(billed, history.total) << seed;
    EXPECT_GE(billed + history.unseen + history.pending(), history.total) << seed;
  }
}

// Given a state in bytes, then it comes back; and whatever bytes give a state or a fault.
TEST(MgrState, ThereAndBack) {
  Cluster cluster;
  for (int i = 0; i < 1000; ++i) cluster.images["image-" + std::to_string(i)] = 1ULL << (i % 50);
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.pools["77"] = 5;
  meter.poll(cluster.metrics());
  const SavedState state{1795356000,
                         1795359660,
                         {{"http://a", {{"1020", "1021"}, true}}, {"http://b", {{}, false}}},
                         meter.state_};
  const auto bytes = std::get<std::string>(encode_state(state));
  EXPECT_EQ(std::get<SavedState>(decode_state(kStateVersion, bytes)), state);
  for (std::size_t n = 0; n < bytes.size(); n += 13) {
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion, bytes.substr(0, n))));
  }
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion + 1, bytes)));
}

// Given a state of version 1, then it is read: its images are of its last good answer.
TEST(MgrState, VersionOne) {
  const std::string bytes("\x05\x06\x64\x01x\x07\x00\x01\x00", 9);
  const auto state = std::get<SavedState>(decode_state(1, bytes));
  EXPECT_EQ(state.usage_told, 6);
  EXPECT_EQ(state.mgr.instant, 100);
  EXPECT_EQ(state.mgr.images_at, 100);
  EXPECT_EQ(state.mgr.active, "x");
  EXPECT_EQ(state.mgr.collections, 7U);
}

// Given more images than the state has room for, then it fits, and says that some are missing.
TEST(MgrState, TooManyImages) {
  Cluster cluster;
  for (int i = 0; i < 9000; ++i) cluster.images["image-" + std::to_string(i)] = 1ULL << 40U;
  Meter meter;
  meter.poll(cluster.metrics());
  const auto bytes = std::get<std::string>(encode_state({0, 0, {}, meter.state_}));
  EXPECT_LE(bytes.size(), kMaxStateBytes);
  const auto back = std::get<SavedState>(decode_state(kStateVersion, bytes));
  EXPECT_FALSE(back.mgr.images_whole);
  EXPECT_LT(back.mgr.images.size(), 9000U);
}

}  // namespace
}  // namespace ceph
