#include "ceph/mgr_metrics.hpp"

#include <gmock/gmock.h>

#include <random>

#include "samples.hpp"

namespace ceph {
namespace {

MgrMetrics metrics(const std::string& text) {
  auto parsed = parse_mgr_metrics(text);
  if (const auto* fault = std::get_if<Fault>(&parsed)) ADD_FAILURE() << fault->what;
  return std::holds_alternative<Fault>(parsed) ? MgrMetrics{} : std::get<0>(std::move(parsed));
}

std::uint64_t exact(const std::optional<Amount>& amount) {
  EXPECT_TRUE(amount && amount->exact);
  return amount ? amount->value : 0;
}

// Given a real answer, then pools have their names and every figure, and images theirs.
TEST(MgrMetrics, Sample) {
  const MgrMetrics found = metrics(sample("mgr-metrics.txt"));
  EXPECT_EQ(found.active, "mgr.x");
  EXPECT_EQ(exact(found.collections), 8U);
  EXPECT_EQ(exact(found.total), 4'294'967'296U);
  ASSERT_EQ(found.pools.size(), 8U);
  const PoolFigures& volumes = found.pools.at("2");
  EXPECT_EQ(volumes.name, "volumes");
  EXPECT_EQ(volumes.type, "replicated");
  EXPECT_EQ(exact(volumes.stored), 40'849'492U);
  EXPECT_EQ(exact(volumes.used), 40'861'696U);
  EXPECT_EQ(exact(volumes.objects), 69U);
  EXPECT_EQ(exact(volumes.read), 8'837'120U);
  EXPECT_EQ(exact(volumes.written), 42'080'256U);
  EXPECT_EQ(exact(volumes.quota_bytes), 0U);
  EXPECT_EQ(exact(volumes.groups), 8U);
  EXPECT_EQ(exact(volumes.unknown_groups), 0U);
  ASSERT_EQ(found.images.size(), 1U);
  EXPECT_EQ(found.images.begin()->first, (ImageName{"volumes", "", "volume-1"}));
}

// Given the first answer after a mgr began, then it says itself that it has heard of nothing yet.
TEST(MgrMetrics, FirstAnswer) {
  const MgrMetrics found = metrics(sample("mgr-metrics-first-scrape-after-mgr-restart.txt"));
  EXPECT_EQ(exact(found.total), 0U);
  EXPECT_EQ(exact(found.pools.at("2").unknown_groups), 8U);
  EXPECT_EQ(exact(found.collections), 1U);
}

// Given a mgr that stands by, then its empty answer says so.
TEST(MgrMetrics, StandsBy) { EXPECT_TRUE(metrics("").stands_by()); }

std::optional<Amount> stored(const std::string& value) {
  return metrics(
             "ceph_pool_metadata{pool_id=\"1\",name=\"p\"} 1.0\nceph_pool_stored{pool_id=\"1\"} " +
             value + "\n")
      .pools.at("1")
      .stored;
}

// Given values as floats are written, then whole ones up to 2^53 are exact and all others unknown.
TEST(MgrMetrics, Values) {
  EXPECT_EQ(exact(stored("9007199254740992.0")), 9'007'199'254'740'992U);
  EXPECT_EQ(exact(stored("1e+15")), 1'000'000'000'000'000U);
  EXPECT_EQ(exact(stored("0.0")), 0U);
  for (const char* value : {"9007199254740994.0", "1.8014398509481984e+16", "-1.0", "0.5", "NaN",
                            "+Inf", "inf", "-0.5", "1e400", "x", "1.0x"}) {
    const auto found = stored(value);
    EXPECT_FALSE(found && found->exact) << value;
  }
}

// Given labels in any order with escapes, then they are read as they were meant.
TEST(MgrMetrics, Labels) {
  const MgrMetrics found = metrics(
      "ceph_rbd_read_bytes{image=\"a\\\"b\\\\c\\nd\", namespace=\"n\",pool=\"p,}\"} 7.0 "
      "1700000000\n");
  ASSERT_EQ(found.images.size(), 1U);
  EXPECT_EQ(found.images.begin()->first, (ImageName{"p,}", "n", "a\"b\\c\nd"}));
  EXPECT_EQ(exact(found.images.begin()->second.read), 7U);
}

// Given a line that is metered and cannot be read, is told twice, is cut off or lacks a label, then
// the answer is a fault.
TEST(MgrMetrics, Broken) {
  for (const char* text :
       {"ceph_pool_stored{pool_id=\"1\"", "ceph_pool_stored{pool_id=\"1\"}\n",
        "ceph_pool_stored{pool_id=1} 2.0\n", "ceph_pool_stored{} 2.0\n",
        "ceph_rbd_read_bytes{pool=\"p\"} 1.0\n", "ceph_pool_stored{pool_id=\"1\"} 2.0\n",
        "ceph_pool_metadata{pool_id=\"1\",name=\"p\"} 1.0\nceph_pool_stored{pool_id=\"1\"} 1.0\n"
        "ceph_pool_stored{pool_id=\"1\"} 2.0\n"}) {
    EXPECT_TRUE(std::holds_alternative<Fault>(parse_mgr_metrics(text))) << text;
  }
}

// Given an answer with bytes changed at random, then it is read or a fault.
TEST(MgrMetrics, Mutated) {
  std::mt19937_64 random(11);
  const std::string original = sample("mgr-metrics.txt");
  for (int i = 0; i < 300; ++i) {
    std::string text = original;
    for (int n = 0; n < 50; ++n) text[random() % text.size()] = static_cast<char>(random());
    const auto parsed = parse_mgr_metrics(text);
    const auto* found = std::get_if<MgrMetrics>(&parsed);
    EXPECT_TRUE(found == nullptr || found->pools.size() <= 108U);
  }
}

}  // namespace
}  // namespace ceph
