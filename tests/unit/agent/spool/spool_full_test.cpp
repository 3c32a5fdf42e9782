#include "agent/spool/slot_file.hpp"
#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

constexpr auto kFrame = static_cast<wire::FrameType>('X');

/// 100 batches in many segments, durable.
void fill(SpoolBench& bench) {
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(bench.sync());
  }
}

// Given a disk without a byte left, then the rater's hello is held, its acknowledgements are taken,
// segments go, and appending works in what they leave; a restart finds all of it.
TEST(SpoolFull, DrainsAndGoesOn) {
  SpoolBench bench;
  fill(bench);
  bench.files->set_space(20'000, 0);
  EXPECT_FALSE(bench.append(101).ok());
  ASSERT_TRUE(bench.spool->hold(77, 5, 0).ok());
  const auto batches = drain(*bench.spool, 0, kNoHash);
  ASSERT_EQ(batches.size(), 100U);
  const std::uint64_t before = bench.spool->stats().bytes;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    bench.clock.advance(kSecond);
    ASSERT_TRUE(bench.spool->acknowledge(i).ok()) << i;
  }
  EXPECT_LT(bench.spool->stats().bytes, before / 2);
  ASSERT_TRUE(bench.append(102).ok()) << bench.spool->stats().trouble;
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  bench.spool.reset();
  bench.files = bench.files->after(Crash::lost);
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_EQ(bench.spool->ledger(), 77U);
  EXPECT_EQ(bench.spool->token(), 5U);
  std::vector<std::uint64_t> found;
  const std::uint64_t mark = bench.spool->stats().acknowledged;
  for (const auto& batch : drain(*bench.spool, mark, *bench.spool->hash_of_batch(mark))) {
    for (const auto v : values_of(batch.bytes)) found.push_back(v);
  }
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back(), 102U);
}

// Given a mark that cannot be written, then an acknowledgement is taken all the same.
TEST(SpoolFull, LazyMarkFails) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  bench.clock.advance(10 * kSecond);
  bench.files->fail(bench.files->calls(), EIO, 100);
  EXPECT_TRUE(bench.spool->acknowledge(1).ok());
  EXPECT_EQ(bench.spool->stats().acknowledged, 1U);
}

// Given an acknowledgement of many segments, then each is one removal, and the directory is made
// durable once.
TEST(SpoolFull, OneDirectorySync) {
  SpoolBench bench;
  fill(bench);
  const auto files = bench.files->paths().size();
  const auto calls = bench.files->calls();
  ASSERT_TRUE(bench.spool->acknowledge(100).ok());
  const auto removed = files - bench.files->paths().size();
  EXPECT_GT(removed, 5U);
  EXPECT_LE(bench.files->calls() - calls, removed + 5);  // the mark: twice a write and a sync
}

// Given a crash at any call of a write, in place, then the old content is there or the new, never
// the new one before it was written, and the next write works.
TEST(SlotFile, CrashAtEveryCall) {
  const Bytes old(300, 1), next(300, 2), last(300, 3);
  for (const Durable durable : {Durable::yes, Durable::no}) {
    for (std::uint64_t call = 0; call < 6; ++call) {
      for (const Crash kind : {Crash::process, Crash::lost, Crash::torn}) {
        FakeFiles files;
        ASSERT_TRUE(files.make_directories("/s").ok());
        SlotFile file(files, "/s/f", kFrame);
        ASSERT_FALSE(file.read()->has_value());
        ASSERT_TRUE(file.write(old, Durable::yes).ok());
        files.fail(files.calls() + call, EIO, 1000);
        const bool done = file.write(next, durable).ok();
        (void)file.write(next, durable);
        const auto left = files.after(kind, call + 1);
        SlotFile again(*left, "/s/f", kFrame);
        const auto read = again.read();
        ASSERT_TRUE(read.ok() && *read);
        EXPECT_TRUE(**read == old || **read == next);
        if (done && durable == Durable::yes) {
          EXPECT_EQ(**read, next);
        }
        ASSERT_TRUE(again.write(last, Durable::yes).ok());
        SlotFile third(*left, "/s/f", kFrame);
        EXPECT_EQ(**third.read(), last);
      }
    }
  }
}

// Given a slot that rots, then the other one has the newest content, too.
TEST(SlotFile, EitherSlotRots) {
  for (const std::size_t slot : {0U, 1U}) {
    FakeFiles files;
    ASSERT_TRUE(files.make_directories("/s").ok());
    SlotFile file(files, "/s/f", kFrame);
    ASSERT_TRUE(file.write(Bytes(10, 1), Durable::yes).ok());
    ASSERT_TRUE(file.write(Bytes(20, 2), Durable::yes).ok());
    (*files.bytes_of("/s/f"))[slot * kSlotBytes + 20] ^= 1;
    SlotFile again(files, "/s/f", kFrame);
    EXPECT_EQ(**again.read(), Bytes(20, 2));
  }
}

}  // namespace
}  // namespace tallyman::agent
