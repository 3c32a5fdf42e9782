#include "ceph/mgr_book.hpp"

#include <gtest/gtest.h>

#include <random>

#include "samples.hpp"

namespace ceph {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kScrape = 15 * kSecond;
constexpr std::int64_t kBegin = 1'795'359'600 * kSecond;

Amount amount(std::uint64_t value) { return {value, true}; }

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
    const auto bytes = std::get<std::string>(encode_state({0, 0, state_}));
    state_ = std::get<SavedState>(decode_state(kStateVersion, bytes)).mgr;
  }
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

// Given a first answer, then it is a baseline, and what is written from then on counts.
TEST(MgrBook, Baseline) {
  Meter meter;
  Cluster cluster;
  cluster.images["a"] = 500;
  meter.poll(cluster.metrics());
  cluster.pools["2"] += 70;
  cluster.images["a"] += 30;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("pool 2"), 70U);
  EXPECT_EQ(meter.billed("a"), 30U);
}

// Given a pool or image that was not there at the last poll, then all it has counted counts.
TEST(MgrBook, Born) {
  Meter meter;
  Cluster cluster;
  meter.poll(cluster.metrics());
  cluster.pools["9"] = 44;
  cluster.images["new"] = 33;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("pool 9"), 44U);
  EXPECT_EQ(meter.billed("new"), 33U);
}

// Given the real first answer after a mgr restart between two good ones, then nothing is told of
// any pool, and nothing is counted twice.
TEST(MgrBook, FirstAnswerOfAMgr) {
  const auto good = std::get<MgrMetrics>(parse_mgr_metrics(sample("mgr-metrics.txt")));
  const auto first = std::get<MgrMetrics>(
      parse_mgr_metrics(sample("mgr-metrics-first-scrape-after-mgr-restart.txt")));
  Meter meter;
  meter.poll(good);
  const MgrStep step = meter.poll(first);
  ASSERT_EQ(step.pools.size(), 8U);
  for (const PoolTold& pool : step.pools) EXPECT_NE(pool.why, "");
  meter.poll(good);
  EXPECT_EQ(meter.billed("pool 2"), 0U);
}

// Given a first answer ever from a mgr that knows nothing yet, then what follows is a baseline: the
// pools were there before.
TEST(MgrBook, FirstOfAllFromAMgrThatKnowsNothing) {
  Cluster cluster;
  MgrMetrics empty = cluster.metrics();
  empty.total = amount(0);
  Meter meter;
  meter.poll(empty);
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("pool 2"), 0U);
}

// Given placement groups that the mgr has not heard of, then their pool is a gap and others are
// not.
TEST(MgrBook, PartOfThePools) {
  Cluster cluster;
  cluster.pools["3"] = 50;
  Meter meter;
  meter.poll(cluster.metrics());
  MgrMetrics partly = cluster.metrics();
  partly.pools["2"].unknown_groups = amount(3);
  partly.pools["2"].written = amount(200);
  const MgrStep step = meter.poll(partly);
  EXPECT_NE(step.pools[0].why, "");
  EXPECT_EQ(step.pools[1].why, "");
}

// Given counters of a pool that fall, then they are a gap twice and a baseline the third time.
TEST(MgrBook, PoolFell) {
  Cluster cluster;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.pools["2"] = 10;
  EXPECT_NE(meter.poll(cluster.metrics()).pools[0].counters_why, "");
  EXPECT_NE(meter.poll(cluster.metrics()).pools[0].counters_why, "");
  EXPECT_EQ(meter.poll(cluster.metrics()).pools[0].counters_why, "");
  cluster.pools["2"] = 15;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("pool 2"), 5U);
}

// Given a mgr that began anew, or another that took over, then images count on from zero and what
// they had is not counted again.
TEST(MgrBook, MgrBeganAnew) {
  for (const bool another : {false, true}) {
    Cluster cluster;
    cluster.images["a"] = 0;
    Meter meter;
    meter.poll(cluster.metrics());
    cluster.images["a"] = 100;
    meter.poll(cluster.metrics());
    cluster.looks = another ? 500 : 1;
    if (another) cluster.active = "mgr.y";
    cluster.images["a"] = 140;  // more than before: no fall gives it away
    meter.poll(cluster.metrics());
    EXPECT_EQ(meter.billed("a"), 240U);
  }
}

// Given an image that is renamed, then its counters are not counted again under the new name.
TEST(MgrBook, Renamed) {
  Cluster cluster;
  cluster.images["a"] = 0;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.images["a"] = 100;
  meter.poll(cluster.metrics());
  cluster.images.erase("a");
  cluster.images["b"] = 105;
  meter.poll(cluster.metrics());
  cluster.images["b"] = 115;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("b"), 10U);
}

// Given an image made again under its name, then the new one counts from zero.
TEST(MgrBook, MadeAgain) {
  Cluster cluster;
  cluster.images["a"] = 0;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.images["a"] = 100;
  meter.poll(cluster.metrics());
  cluster.images["a"] = 7;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("a"), 107U);
}

// Given an answer that fails to list an image or a pool once, then nothing is counted twice.
TEST(MgrBook, NotListedOnce) {
  Cluster cluster;
  cluster.images["a"] = 0;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.images["a"] = 100;
  meter.poll(cluster.metrics());
  Cluster unlisted;
  unlisted.pools.clear();
  meter.poll(unlisted.metrics());
  cluster.images["a"] = 120;
  cluster.pools["2"] += 5;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("a"), 120U);
  EXPECT_EQ(meter.billed("pool 2"), 5U);
}

// Given a long silence, then images go on if the mgr has looked often enough to have lived through
// it, and are baselines if not.
TEST(MgrBook, LongSilence) {
  for (const bool lived : {true, false}) {
    Cluster cluster;
    cluster.images["a"] = 100;
    Meter meter;
    meter.poll(cluster.metrics());
    meter.restart();
    cluster.looks = lived ? 1000 : 150;
    cluster.images["a"] = 130;
    meter.poll(cluster.metrics(), 3600 * kSecond);
    EXPECT_EQ(meter.billed("a"), lived ? 30U : 0U);
  }
}

// Given a float beyond 2^53, then the image is a gap, and what follows is counted once.
TEST(MgrBook, InexactFigures) {
  Cluster cluster;
  cluster.images["a"] = 100;
  Meter meter;
  meter.poll(cluster.metrics());
  MgrMetrics inexact = cluster.metrics();
  inexact.images.begin()->second.written = Amount{};
  EXPECT_NE(meter.poll(inexact).images[0].why, "");
  cluster.images["a"] = 110;
  meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("a"), 10U);
}

// Given random traffic, births, deletions and restarts of mgr and plugin, then never more is
// counted than was written.
TEST(MgrBook, NeverMoreThanWritten) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    Cluster cluster;
    std::map<std::string, std::uint64_t> written;
    std::uint64_t total = 0;
    Meter meter;
    for (int step = 0; step < 60; ++step) {
      for (int i = 0; i < 5; ++i) {
        const std::string name(1, static_cast<char>('a' + random() % 4));
        switch (random() % 8) {
          case 0:
            cluster.images.erase(name);
            break;
          case 1:
            if (cluster.images.contains(name) && !cluster.images.contains("r" + name)) {
              cluster.images["r" + name] = cluster.images[name];
              cluster.images.erase(name);
            }
            break;
          default:
            const std::uint64_t bytes = random() % 50;
            cluster.images[name] += bytes;
            total += bytes;
        }
      }
      cluster.looks += 4;
      if (random() % 10 == 0) {
        cluster.looks = 1;
        for (auto& [name, value] : cluster.images) value = 0;
      }
      if (random() % 10 == 0) meter.restart();
      if (random() % 5 != 0) meter.poll(cluster.metrics());
    }
    std::uint64_t billed = 0;
    for (const char* name : {"a", "b", "c", "d", "ra", "rb", "rc", "rd"})
      billed += meter.billed(name);
    EXPECT_LE(billed, total) << seed;
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
  const SavedState state{1795356000, 1795359660, meter.state_};
  const auto bytes = std::get<std::string>(encode_state(state));
  EXPECT_EQ(std::get<SavedState>(decode_state(kStateVersion, bytes)), state);
  for (std::size_t n = 0; n < bytes.size(); n += 13) {
    EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(kStateVersion, bytes.substr(0, n))));
  }
  EXPECT_TRUE(std::holds_alternative<Fault>(decode_state(2, bytes)));
}

// Given more images than the state has room for, then it fits, and says that some are missing.
TEST(MgrState, TooManyImages) {
  Cluster cluster;
  for (int i = 0; i < 9000; ++i) cluster.images["image-" + std::to_string(i)] = 1ULL << 40U;
  Meter meter;
  meter.poll(cluster.metrics());
  const auto bytes = std::get<std::string>(encode_state({0, 0, meter.state_}));
  EXPECT_LE(bytes.size(), kMaxStateBytes);
  const auto back = std::get<SavedState>(decode_state(kStateVersion, bytes));
  EXPECT_FALSE(back.mgr.images_whole);
  EXPECT_LT(back.mgr.images.size(), 9000U);
}

}  // namespace
}  // namespace ceph
