#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

constexpr std::uint64_t kMany = 60'000;

/// About 6 MiB of them: more than any batch holds.
void define_many(SpoolBench& bench, std::uint64_t from = 0, std::uint64_t count = kMany) {
  for (std::uint64_t i = 0; i < count; ++i)
    (void)bench.spool->dictionary().intern(
        wire::SourceDef{wire::Scope::shared, std::string(90, 's') + std::to_string(from + i)});
}

std::vector<wire::Definition> defined_in(const std::vector<SealedBatch>& batches) {
  std::vector<wire::Definition> out;
  for (const auto& sealed : batches) {
    const auto batch = wire::decode_batch(sealed.bytes);
    if (!batch) continue;
    for (const auto& entry : batch->entries) {
      if (const auto* definition = std::get_if<wire::Definition>(&entry))
        out.push_back(*definition);
    }
  }
  return out;
}

// Given more new definitions than a batch holds, then they are spread over pages and batches before
// the poll, each batch decodes, and a restart knows all of them.
TEST(SpoolDefinitions, MoreThanABatch) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  define_many(bench);
  ASSERT_TRUE(bench.append(1).ok()) << bench.spool->stats().trouble;
  ASSERT_TRUE(bench.append(2).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  const auto definitions = bench.spool->dictionary().from(1);
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(bench.open()) << bench.error;
    }
    const auto batches = drain(*bench.spool, 0, kNoHash);
    EXPECT_GT(batches.size(), 1U);
    EXPECT_EQ(values_of(batches.back().bytes), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_TRUE(defined_in(batches) == definitions);
    EXPECT_TRUE(bench.spool->dictionary().from(1) == definitions);
  }
}

// Given definitions that pile up while the disk is full, then the spool goes on once there is
// space: each stands in the batches exactly once.
TEST(SpoolDefinitions, PileUpWhileFull) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1).ok());
  for (std::uint64_t round = 0; round < 3; ++round) {
    bench.files->set_space(1U << 30U, (1U << 30U) / 10 + (1U << 18U));
    define_many(bench, round * kMany, kMany / 3);
    EXPECT_FALSE(bench.append(100).ok());
    EXPECT_FALSE(bench.append(100).ok());
  }
  bench.files->set_space(1U << 30U, 1U << 30U);
  for (int tries = 0; !bench.append(2).ok(); ++tries) {
    ASSERT_LT(tries, 10);
    ASSERT_TRUE(bench.sync());
  }
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  const auto batches = drain(*bench.spool, 0, kNoHash);
  EXPECT_TRUE(defined_in(batches) == bench.spool->dictionary().from(1));
  EXPECT_EQ(values_of(batches.back().bytes), std::vector<std::uint64_t>{2});
}

// Given definitions of two thousand bytes each, then a new incarnation's first batches hold all of
// them, and each decodes.
TEST(SpoolDefinitions, LargeOnesInANewIncarnation) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  wire::MetricDef metric{"m_total", "bytes", "help", wire::Kind::counter, 0, {}, {}};
  metric.help.assign(1000, 'h');
  for (int i = 0; i < 8; ++i) metric.identity.push_back(std::string(120, 'l') + std::to_string(i));
  for (int i = 0; i < 3000; ++i) {
    metric.name = "m" + std::to_string(i) + "_total";
    ASSERT_NE(bench.spool->dictionary().intern(metric), 0U);
  }
  ASSERT_TRUE(bench.append(1).ok());
  const auto definitions = bench.spool->dictionary().from(1);
  ASSERT_TRUE(bench.spool->begin_incarnation("diverged").ok());
  const auto batches = drain(*bench.spool, 0, kNoHash);
  EXPECT_TRUE(defined_in(batches) == definitions);
  EXPECT_EQ(values_of(batches.back().bytes), std::vector<std::uint64_t>{1});
}

// Given a dictionary larger than a segment's size, then segments are begun for what batches they
// take, not for the dictionary that each repeats; before a restart and after it.
TEST(SpoolDefinitions, PreambleLargerThanASegment) {
  SpoolBench bench;
  bench.options.segment_bytes = 2000;
  ASSERT_TRUE(bench.open());
  define_many(bench, 0, 1000);
  ASSERT_TRUE(bench.append(1).ok());
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(bench.open()) << bench.error;
    }
    const std::uint64_t before = bench.spool->stats().bytes;
    for (std::uint64_t i = 1; i <= 100; ++i) {
      ASSERT_TRUE(bench.append(i).ok());
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
      ASSERT_TRUE(bench.sync());
    }
    EXPECT_LT(bench.spool->stats().bytes - before, 400'000U);
  }
}

// Given a new segment begun by an append that then fails, and a restart, then the definitions that
// no page held are not taken for written.
TEST(SpoolDefinitions, NotWrittenByAPreamble) {
  SpoolBench bench;
  bench.options.segment_bytes = 1000;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; bench.files->paths().size() < 8; ++i) {
    ASSERT_LT(i, 1000U);
    const std::string name = "new-" + std::to_string(i);
    (void)bench.spool->dictionary().intern(wire::SourceDef{wire::Scope::host, name});
    // Fails at the page if a segment is begun: two calls later than at its own write.
    bench.files->fail(bench.files->calls() + 2, ENOSPC);
    (void)bench.append(i);
    bench.files->heal();
    (void)bench.spool->seal_if_due(1, true);
    ASSERT_TRUE(bench.sync());
    if (i % 3 == 0) {
      ASSERT_TRUE(bench.open());
      (void)bench.epoch(i);
    }
  }
  ASSERT_TRUE(bench.append(5).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  EXPECT_TRUE(defined_in(drain(*bench.spool, 0, kNoHash)) == bench.spool->dictionary().from(1));
}

}  // namespace
}  // namespace tallyman::agent
