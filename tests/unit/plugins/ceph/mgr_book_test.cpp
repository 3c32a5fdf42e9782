#include "ceph/mgr_book.hpp"

#include <gtest/gtest.h>

#include "mgr_meter.hpp"
#include "samples.hpp"

namespace ceph {
namespace {

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
    cluster.looks = another ? 4 : 1;
    if (another) cluster.active = "mgr.y";
    cluster.images["a"] = 140;  // more than before: no fall gives it away
    EXPECT_EQ(meter.poll(cluster.metrics()).images[0].lost, "");
    EXPECT_EQ(meter.billed("a"), 240U);
  }
}

// Given a mgr that lost its monitors, and answers alone once after another took over, then nothing
// of what it once counted is billed again, and the other one goes on.
TEST(MgrBook, MgrOfBefore) {
  Cluster x, y;
  y.active = "mgr.y";
  Meter meter;
  x.images["a"] = 1'000'000;
  x.looks = 5000;
  meter.poll(x.metrics());
  y.images["a"] = 10;
  y.looks = 3;
  meter.poll(y.metrics());
  EXPECT_EQ(meter.billed("a"), 10U);
  x.looks += 2;
  EXPECT_NE(meter.poll(x.metrics()).why, "");
  y.images["a"] = 30;
  y.looks += 8;
  const MgrStep step = meter.poll(y.metrics());
  EXPECT_EQ(step.why, "");
  EXPECT_EQ(step.images[0].lost, "");
  EXPECT_EQ(meter.billed("a"), 30U);
}

// Given another mgr that goes on saying that it has counted for longer than the last good answer is
// ago, then in the end its images are baselines, and a gap.
TEST(MgrBook, MgrOfBeforeStays) {
  Cluster x, y;
  y.active = "mgr.y";
  x.images["a"] = 0, y.images["a"] = 500;
  x.looks = 10, y.looks = 5000;
  Meter meter;
  meter.poll(x.metrics());
  EXPECT_NE(meter.poll(y.metrics()).why, "");
  EXPECT_NE(meter.poll(y.metrics()).why, "");
  const MgrStep step = meter.poll(y.metrics());
  ASSERT_EQ(step.why, "");
  EXPECT_NE(step.images[0].lost, "");
  y.images["a"] = 520;
  EXPECT_EQ(meter.poll(y.metrics()).images[0].lost, "");
  EXPECT_EQ(meter.billed("a"), 20U);
}

// Given an answer that does not say which mgr it is or how often it has looked, then no image is
// known, pools go on, and nothing is counted twice.
TEST(MgrBook, MgrThatDoesNotSay) {
  for (const int lacking : {0, 1, 2}) {
    Cluster cluster;
    cluster.images["a"] = 100;
    Meter meter;
    meter.poll(cluster.metrics());
    cluster.images["a"] = 110;
    cluster.pools["2"] += 5;
    MgrMetrics silent = cluster.metrics();
    if (lacking == 0) silent.active.clear();
    if (lacking == 1) silent.collections.reset();
    if (lacking == 2) silent.collections->exact = false;
    const MgrStep step = meter.poll(silent);
    EXPECT_NE(step.images_why, "");
    EXPECT_TRUE(step.images.empty());
    EXPECT_EQ(step.pools[0].why, "");
    meter.restart();
    cluster.images["a"] = 115;
    meter.poll(cluster.metrics());
    EXPECT_EQ(meter.billed("a"), 15U);
    EXPECT_EQ(meter.billed("pool 2"), 5U);
  }
}

// Given an image that was deleted a while ago, then a new one counts from its first byte; one that
// comes just after may be the old one renamed: then that it may lack some is said.
TEST(MgrBook, BornAfterADeletion) {
  for (const int polls : {1, 30}) {
    Cluster cluster;
    cluster.images["old"] = 0;
    Meter meter;
    meter.poll(cluster.metrics());
    cluster.images["old"] = 10;
    meter.poll(cluster.metrics());
    cluster.images.erase("old");
    for (int i = 0; i < polls; ++i) meter.poll(cluster.metrics());
    cluster.images["new"] = 100;
    const MgrStep step = meter.poll(cluster.metrics());
    EXPECT_EQ(step.images[0].lost.empty(), polls == 30);
    EXPECT_EQ(meter.billed("new"), polls == 30 ? 100U : 0U);
  }
}

// Given an image that is gone for more than a week, then it is forgotten.
TEST(MgrBook, GoneImagesAreForgotten) {
  Cluster cluster;
  cluster.images["old"] = 10;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.images.clear();
  for (int day = 0; day < 7; ++day) {
    EXPECT_EQ(meter.state_.images.size(), 1U) << day;
    cluster.looks += 5760;
    meter.poll(cluster.metrics(), 86'400 * kSecond);
  }
  EXPECT_TRUE(meter.state_.images.empty());
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

// Given an image that is renamed while another one is made under its old name, then its counters
// are not counted again under the new name, and a gap says that some may be missing.
TEST(MgrBook, RenamedAndMadeAgain) {
  Cluster cluster;
  cluster.images["a"] = 0;
  Meter meter;
  meter.poll(cluster.metrics());
  cluster.images["a"] = 100;
  meter.poll(cluster.metrics());
  cluster.images["b"] = 105;
  cluster.images["a"] = 5;
  const MgrStep step = meter.poll(cluster.metrics());
  EXPECT_EQ(meter.billed("a"), 105U);
  EXPECT_EQ(meter.billed("b"), 0U);
  EXPECT_NE(step.images[1].lost, "");
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

}  // namespace
}  // namespace ceph
