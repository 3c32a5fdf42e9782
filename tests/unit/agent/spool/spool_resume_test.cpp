// A spool that another program of the same process goes on with.

#include "agent/spool/spool_saved.hpp"

#include <limits>

#include "spool_model.hpp"

namespace tallyman::agent {
namespace {

struct SpoolResume : testing::Test {
  void SetUp() override { ASSERT_TRUE(bench.open()) << bench.error; }

  /// As an exec does it: the former one's memory is gone without a word to the disk.
  bool resume() {
    auto saved = bench.spool->save();
    if (!saved) return false;
    bench.files->stop_at(bench.files->calls());
    bench.spool.reset();
    bench.files->stop_at(std::numeric_limits<std::uint64_t>::max());
    auto lock = bench.files->lock("/spool/lock");
    if (!lock) return false;
    auto resumed = Spool::resume(*bench.files, bench.options, "stor-01", test_boot(), bench.clock,
                                 std::move(*saved), std::move(*lock));
    bench.error = resumed ? "" : resumed.error().text();
    if (resumed) bench.spool = std::move(*resumed);
    return bench.spool != nullptr;
  }

  SpoolBench bench;
};

// Given a spool that is resumed between any of its batches, then nothing is asked of the disk, it
// knows what it knew, and goes on where it was.
TEST_F(SpoolResume, goes_on_without_the_disk) {
  bench.options.segment_bytes = 1200;
  for (std::uint64_t value = 1; value <= 60; ++value) {
    ASSERT_TRUE(bench.append(value).ok());
    if (value % 3 == 0) {
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    }
    if (value % 6 == 0) {
      ASSERT_TRUE(bench.sync());
    }
    if (value % 3 != 0) continue;
    const SpoolStats before = bench.spool->stats();
    const auto states = bench.spool->states();
    const auto covered = bench.spool->covered_until();
    const auto definitions = bench.spool->dictionary().from(1);
    const wire::DefNo number = bench.epoch(1);
    const std::uint64_t calls = bench.files->calls();
    ASSERT_TRUE(resume()) << bench.error;
    EXPECT_EQ(bench.files->calls(), calls) << "it asked the disk for something";
    EXPECT_EQ(bench.epoch(1), number) << "found again by content";
    EXPECT_EQ(bench.spool->dictionary().from(1), definitions);
    EXPECT_EQ(bench.spool->covered_until(), covered);
    ASSERT_EQ(bench.spool->states().size(), states.size());
    EXPECT_EQ(bench.spool->states().front().bytes, states.front().bytes);
    const SpoolStats after = bench.spool->stats();
    EXPECT_EQ(after.bytes, before.bytes);
    EXPECT_EQ(after.sealed, before.sealed);
    EXPECT_EQ(after.batches, before.batches);
    EXPECT_EQ(after.unacknowledged_bytes, before.unacknowledged_bytes);
    EXPECT_EQ(after.oldest, before.oldest);
    EXPECT_EQ(after.last_durable, before.last_durable);
  }
  ASSERT_TRUE(bench.sync());
  std::vector<std::uint64_t> values;
  for (const SealedBatch& batch : drain(*bench.spool, 0, kNoHash)) {
    for (const std::uint64_t value : values_of(batch.bytes)) values.push_back(value);
  }
  ASSERT_EQ(values.size(), 60U);
  for (std::uint64_t value = 1; value <= 60; ++value) EXPECT_EQ(values[value - 1], value);
}

// Given batches that no sync covers yet, then resuming makes them no more durable: they go out
// after the next one, which covers them.
TEST_F(SpoolResume, what_is_not_durable_is_not_given_out) {
  ASSERT_TRUE(bench.append(1).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(resume()) << bench.error;
  EXPECT_TRUE(drain(*bench.spool, 0, kNoHash).empty());
  EXPECT_FALSE(bench.spool->acknowledge(1).ok());
  ASSERT_TRUE(bench.sync());
  EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 1U);
}

// Given a write-out that fails after the spool was resumed, then what was handed over unsynced is
// written again into a new segment, as if there had been no other program.
TEST_F(SpoolResume, a_failed_sync_afterwards_loses_nothing) {
  ASSERT_TRUE(bench.append(1).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(resume()) << bench.error;
  bench.files->fail_syncs(true);
  EXPECT_FALSE(bench.sync());
  bench.files->fail_syncs(false);
  ASSERT_TRUE(bench.append(2).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 2U);
}

// Given an open batch, a write-out under way, or one that failed, then there is nothing to hand
// over.
TEST_F(SpoolResume, is_refused_in_the_midst) {
  ASSERT_TRUE(bench.append(1).ok());
  EXPECT_FALSE(bench.spool->save());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  EXPECT_TRUE(bench.spool->save());
  const auto job = bench.spool->sync_job();
  ASSERT_TRUE(job);
  EXPECT_FALSE(bench.spool->save());
  bench.spool->synced(*job, Error{"no", "disk", ""});
  EXPECT_FALSE(bench.spool->save());
}

// Given a token that is being made durable elsewhere, then the former one counts until it is, no
// incarnation begins meanwhile, and a later one that waits behind it counts after it.
TEST_F(SpoolResume, holds_in_two_halves) {
  const auto first = bench.spool->hold_job(7, 1, 0);
  const auto second = bench.spool->hold_job(7, 2, 0);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(bench.spool->token(), 0U);
  EXPECT_FALSE(bench.spool->begin_incarnation("test").ok());
  bench.spool->held(*first, first->run());
  EXPECT_EQ(bench.spool->token(), 1U);
  bench.files->fail_syncs(true);
  bench.spool->held(*second, second->run());
  EXPECT_EQ(bench.spool->token(), 1U);
  bench.files->fail_syncs(false);
  EXPECT_TRUE(bench.spool->hold(7, 2, 0).ok());
  EXPECT_FALSE(bench.spool->hold_job(7, 2, 0));
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_EQ(bench.spool->token(), 2U);
}

// Given what was handed over and does not fit what stands on the disk, then it is refused, and a
// recovery finds everything.
TEST_F(SpoolResume, what_does_not_fit_is_recovered) {
  ASSERT_TRUE(bench.append(1).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  const auto good = bench.spool->save();
  ASSERT_TRUE(good);
  bench.spool.reset();
  const auto refused = [&](auto change) {
    SpoolSaved saved = *good;
    change(saved);
    auto lock = bench.files->lock("/spool/lock");
    ASSERT_TRUE(lock.ok());
    EXPECT_FALSE(Spool::resume(*bench.files, bench.options, "stor-01", test_boot(), bench.clock,
                               std::move(saved), std::move(*lock))
                     .ok());
  };
  refused([](SpoolSaved& saved) { saved.end++; });
  refused([](SpoolSaved& saved) { saved.segments.clear(); });
  refused([](SpoolSaved& saved) { saved.segments.back().first++; });
  refused([](SpoolSaved& saved) { saved.identity.agent = "another"; });
  refused([](SpoolSaved& saved) { saved.dictionary.definitions.front() = {1, 2, 3}; });
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 1U);
}

}  // namespace
}  // namespace tallyman::agent
