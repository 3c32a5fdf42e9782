#include <map>
#include <set>

#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

/// A host whose counters all stand in every poll, for as long as one likes.
struct Host {
  SpoolBench bench;
  std::map<wire::DefNo, std::uint64_t> values;
  std::map<std::uint64_t, Hash> given;
  std::uint64_t refused = 0, polls = 0;

  Host() {
    bench.options.limit_bytes = 128U << 10U;
    bench.options.segment_bytes = 6000;
    bench.options.seal_bytes = 1500;
    bench.options.seal_after = kHour;
  }
  Status poll() {
    bench.clock.advance(10 * kSecond);
    wire::Poll poll = bench.poll(0);
    poll.values.clear();
    for (std::uint64_t i = 0; i < 5; ++i)
      poll.values.push_back({bench.epoch(i), values[i] += 1'000'003 * (i + 1) + polls % 7, 0});
    ++polls;
    const std::vector<wire::Entry> entries{poll};
    const std::vector<PluginState> states{bench.state(polls)};
    return bench.spool->append(entries, states);
  }
  void run(int count) {
    for (int i = 0; i < count; ++i) {
      if (!poll().ok()) ++refused;
      (void)bench.spool->seal_if_due(bench.clock.wall(), false);
      (void)bench.sync();
    }
    (void)bench.spool->seal_if_due(bench.clock.wall(), true);
    (void)bench.sync();
  }
  void note_hashes() {
    for (const auto& batch : all()) given[batch.last] = batch.hash;
  }
  std::vector<SealedBatch> all() {
    const std::uint64_t mark = bench.spool->stats().acknowledged;
    return drain(*bench.spool, mark, *bench.spool->hash_of_batch(mark));
  }
};

struct Tally {
  std::map<wire::BatchKind, std::size_t> kinds;
  std::map<wire::DefNo, std::pair<std::uint64_t, std::uint64_t>> ends;  ///< first, last value
  std::set<Ns> instants;
  std::size_t values = 0, lost = 0;
};

Tally tally(const std::vector<SealedBatch>& batches) {
  Tally out;
  for (const auto& sealed : batches) {
    const auto batch = wire::decode_batch(sealed.bytes);
    ++out.kinds[batch->head.kind];
    if (batch->head.kind == wire::BatchKind::stand_in)
      out.lost += batch->head.last - batch->head.sequence + 1;
    for (const auto& entry : batch->entries) {
      const auto* poll = std::get_if<wire::Poll>(&entry);
      if (poll == nullptr) continue;
      out.instants.insert(poll->scheduled);
      for (const auto& value : poll->values) {
        ++out.values;
        out.ends.try_emplace(value.epoch, value.value, 0).first->second.second = value.value;
      }
    }
  }
  return out;
}

// Given a rater that is away until the spool holds its limit, then counters are thinned, every
// instant still stands there, first and last values are exact, and nothing is refused or lost.
TEST(SpoolShed, ThinsBeforeAnythingElse) {
  Host host;
  ASSERT_TRUE(host.bench.open());
  host.run(3000);
  EXPECT_EQ(host.refused, 0U);
  const SpoolStats stats = host.bench.spool->stats();
  EXPECT_LE(stats.bytes, host.bench.options.limit_bytes);
  EXPECT_GT(stats.thinned_bytes, 0U);
  EXPECT_EQ(stats.lost_batches, 0U);
  const Tally found = tally(host.all());
  EXPECT_GT(found.kinds.at(wire::BatchKind::thinned), 10U);
  EXPECT_EQ(found.kinds.count(wire::BatchKind::stand_in), 0U);
  EXPECT_EQ(found.instants.size(), host.polls);
  EXPECT_LT(found.values, host.polls * 5);
  for (std::uint64_t i = 0; i < 5; ++i)
    EXPECT_EQ(found.ends.at(host.bench.epoch(i)).second, host.values[i]);
}

// Given more than even a thinned history takes, then the oldest segments become stand-ins that say
// so, what follows them is whole, and the newest is always taken.
TEST(SpoolShed, LosesTheOldestLast) {
  Host host;
  ASSERT_TRUE(host.bench.open());
  host.run(20'000);
  EXPECT_EQ(host.refused, 0U);
  const SpoolStats stats = host.bench.spool->stats();
  EXPECT_LE(stats.bytes, host.bench.options.limit_bytes);
  EXPECT_GT(stats.lost_batches, 0U);
  const auto batches = host.all();
  const Tally found = tally(batches);
  EXPECT_EQ(found.lost + 1, stats.lost_batches);  // the first one keeps its definitions
  bool whole = false;
  for (const auto& sealed : batches) {
    const auto head = wire::decode_batch_head(sealed.bytes);
    if (!values_of(sealed.bytes).empty()) whole = true;
    if (head->kind == wire::BatchKind::stand_in) {
      EXPECT_FALSE(whole) << "a younger segment was lost before an older one";
      EXPECT_EQ(head->why, "spool full");
    }
  }
  for (std::uint64_t i = 0; i < 5; ++i)
    EXPECT_EQ(found.ends.at(host.bench.epoch(i)).second, host.values[i]);
  // A restart finds the same, and acknowledgements make it well.
  ASSERT_TRUE(host.bench.open()) << host.bench.error;
  ASSERT_TRUE(host.bench.spool->recovery().notes.empty()) << host.bench.spool->recovery().notes[0];
  ASSERT_TRUE(host.bench.spool->acknowledge(host.bench.spool->stats().sealed).ok());
  host.run(10);
  EXPECT_EQ(tally(host.all()).kinds.count(wire::BatchKind::thinned), 0U);
}

// Given a file system that others fill, then the spool thins, loses nothing that is durable, and
// refuses what has no room; when space returns it goes on.
TEST(SpoolShed, OthersFillTheDisk) {
  Host host;
  host.bench.options.limit_bytes = 64U << 20U;
  host.bench.files->set_space(10U << 20U, 3U << 20U);
  ASSERT_TRUE(host.bench.open());
  host.run(1500);
  ASSERT_EQ(host.refused, 0U);
  const std::uint64_t before = host.bench.spool->stats().sealed;
  host.bench.files->set_space(10U << 20U, 0);
  host.run(50);
  EXPECT_GT(host.refused, 0U);
  EXPECT_GT(host.bench.spool->stats().thinned_bytes, 0U);
  EXPECT_NE(host.bench.spool->stats().trouble.find("disk full"), std::string::npos);
  EXPECT_EQ(host.bench.spool->stats().lost_batches, 0U);
  host.bench.files->set_space(10U << 20U, 3U << 20U);
  const std::uint64_t refused = host.refused;
  host.run(50);
  EXPECT_EQ(host.refused, refused);
  EXPECT_TRUE(host.bench.spool->stats().trouble.empty());
  EXPECT_EQ(tally(host.all()).lost, 0U);
  EXPECT_GT(host.bench.spool->stats().sealed, before);
}

// Given a restart on a disk without a byte left, with a batch open, then the batch is sealed and
// the spool opens: the reserve gives the space.
TEST(SpoolShed, OpensOnAFullDisk) {
  Host host;
  host.bench.files->set_space(10U << 20U, 5U << 20U);
  ASSERT_TRUE(host.bench.open());
  host.run(20);
  ASSERT_TRUE(host.poll().ok());
  ASSERT_TRUE(host.bench.sync());
  host.bench.spool.reset();
  host.bench.files->set_space(10U << 20U, 0);
  ASSERT_TRUE(host.bench.open()) << host.bench.error;
  const Tally found = tally(host.all());
  EXPECT_EQ(found.instants.size(), host.polls);
}

// Given acknowledged segments that are kept for a day, then a rater that was restored to an older
// mark gets the same batches again; when the day is over they are gone, and a stand-in says so.
TEST(SpoolShed, RestoredRater) {
  Host host;
  host.bench.options.limit_bytes = 64U << 20U;
  host.bench.options.keep_acknowledged = 24 * kHour;
  ASSERT_TRUE(host.bench.open());
  host.run(2000);
  host.note_hashes();
  const std::uint64_t last = host.bench.spool->stats().sealed;
  ASSERT_TRUE(host.bench.spool->acknowledge(last).ok());
  EXPECT_GT(host.bench.spool->stats().kept_bytes, 0U);
  ASSERT_TRUE(host.bench.spool->rewind(10, host.given.at(10)).ok());
  EXPECT_EQ(host.bench.spool->stats().acknowledged, 10U);
  EXPECT_EQ(host.bench.spool->stats().batches, last - 10);
  for (const auto& batch : host.all()) {
    EXPECT_EQ(host.given.at(batch.last), batch.hash);
    EXPECT_EQ(wire::decode_batch_head(batch.bytes)->kind, wire::BatchKind::normal);
  }
  ASSERT_TRUE(host.bench.spool->acknowledge(last).ok());
  host.bench.clock.advance(25 * kHour);
  host.run(10);
  ASSERT_TRUE(host.bench.spool->acknowledge(host.bench.spool->stats().sealed).ok());
  ASSERT_TRUE(host.bench.spool->rewind(10, host.given.at(10)).ok());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(host.bench.open()) << host.bench.error;
    }
    const auto batches = host.all();
    const auto head = wire::decode_batch_head(batches.at(0).bytes);
    EXPECT_EQ(head->kind, wire::BatchKind::stand_in);
    EXPECT_EQ(head->sequence, 11U);
    EXPECT_EQ(head->previous, host.given.at(10));
    EXPECT_EQ(batches.back().last, host.bench.spool->stats().sealed);
  }
}

// Given kept segments and a full spool, then what is acknowledged goes first.
TEST(SpoolShed, KeptGoFirst) {
  Host host;
  host.bench.options.keep_acknowledged = 1000 * kHour;
  ASSERT_TRUE(host.bench.open());
  for (int i = 0; i < 40; ++i) {
    host.run(100);
    ASSERT_TRUE(host.bench.spool->acknowledge(host.bench.spool->stats().sealed).ok());
  }
  EXPECT_EQ(host.refused, 0U);
  EXPECT_EQ(host.bench.spool->stats().thinned_bytes, 0U);
  EXPECT_LE(host.bench.spool->stats().bytes, host.bench.options.limit_bytes);
  EXPECT_GT(host.bench.spool->stats().kept_bytes, host.bench.options.limit_bytes / 2);
}

// Given a power loss at any moment while the spool sheds before its newest segment is durable, then
// no state is older than the last poll: its plugin would tell readings again.
TEST(SpoolShed, NoStateOlderThanItsPolls) {
  for (const int every : {1, 3, 10}) {
    Host host;
    host.bench.options.limit_bytes = 24U << 10U;
    host.bench.options.segment_bytes = 2000;
    host.bench.options.seal_bytes = 500;
    ASSERT_TRUE(host.bench.open());
    for (int i = 0; i < 1500; ++i) {
      (void)host.poll();
      (void)host.bench.spool->seal_if_due(host.bench.clock.wall(), false);
      if (i % every == 0) (void)host.bench.sync();
      if (i < 400 || i % 3 != 0) continue;
      Host next;
      next.bench.options = host.bench.options;
      next.bench.clock = host.bench.clock;
      next.bench.files = host.bench.files->after(Crash::lost);
      ASSERT_TRUE(next.bench.open()) << next.bench.error;
      ASSERT_EQ(next.bench.spool->states().at(0).scheduled,
                next.bench.spool->covered_until().at(0).second)
          << "poll " << i;
    }
  }
}

// Given a rater that took a batch whose acknowledgement was lost, and a spool that gave up that
// batch's segment meanwhile, then the rater's mark is taken, and what follows it goes on.
TEST(SpoolShed, MarkInsideAStandIn) {
  Host host;
  ASSERT_TRUE(host.bench.open());
  host.run(500);
  host.note_hashes();
  host.run(20'000);
  const auto first = host.all().at(1);  // the first one keeps its definitions
  ASSERT_GT(first.last, first.sequence);
  const std::uint64_t mark = first.sequence;
  EXPECT_FALSE(host.bench.spool->acknowledge(mark).ok());
  ASSERT_TRUE(host.bench.spool->acknowledge(mark, host.given.at(mark)).ok());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      ASSERT_TRUE(host.bench.open()) << host.bench.error;
    }
    const auto next = host.bench.spool->next_after(mark);
    ASSERT_TRUE(next.ok() && *next);
    EXPECT_EQ((*next)->last, first.last);
    EXPECT_EQ((*next)->hash, first.hash);
  }
}

// Given kept segments of a backlog that a new incarnation wrote again, then they are kept, too.
TEST(SpoolShed, KeepsWhatANewIncarnationWrote) {
  Host host;
  host.bench.options.limit_bytes = 64U << 20U;
  host.bench.options.keep_acknowledged = 24 * kHour;
  ASSERT_TRUE(host.bench.open());
  host.run(2000);
  ASSERT_TRUE(host.bench.spool->begin_incarnation("test").ok());
  host.run(10);
  ASSERT_TRUE(host.bench.spool->acknowledge(host.bench.spool->stats().sealed).ok());
  EXPECT_GT(host.bench.spool->stats().kept_bytes, 50'000U);
}

// Given a crash of any kind at any call while the spool sheds, then it opens, its chain is whole,
// and every batch that was ever given out is there under its hash, or within a stand-in.
TEST(SpoolShed, CrashAtEveryCall) {
  const auto begin = [](Host& host) {
    host.bench.options.limit_bytes = 24U << 10U;
    host.bench.options.segment_bytes = 2000;
    host.bench.options.seal_bytes = 500;
    ASSERT_TRUE(host.bench.open());
    host.run(1100);
    host.note_hashes();
  };
  Host whole;
  begin(whole);
  const std::uint64_t start = whole.bench.files->calls();
  whole.run(160);
  const std::uint64_t end = whole.bench.files->calls();
  ASSERT_GT(whole.bench.spool->stats().lost_batches, 0U);
  std::size_t thinned = 0, lost = 0;
  for (std::uint64_t call = start; call < end; call += 3) {
    Host host;
    begin(host);
    host.bench.files->fail(call, call % 2 == 0 ? EIO : ENOSPC, 1U << 30U);
    host.run(160);
    for (const Crash kind : {Crash::process, Crash::lost, Crash::torn}) {
      Host next;
      next.bench.options = host.bench.options;
      next.bench.clock = host.bench.clock;
      next.bench.files = host.bench.files->after(kind, call);
      ASSERT_TRUE(next.bench.open()) << next.bench.error;
      std::map<std::uint64_t, Hash> held;
      std::uint64_t stood_in = 0;
      const auto batches = next.all();
      for (const auto& batch : batches) {
        held[batch.last] = batch.hash;
        const auto batch_kind = wire::decode_batch_head(batch.bytes)->kind;
        if (batch_kind == wire::BatchKind::stand_in) stood_in = batch.last, ++lost;
        if (batch_kind == wire::BatchKind::thinned) ++thinned;
      }
      for (const auto& [sequence, hash] : host.given) {
        if (sequence <= stood_in && !held.contains(sequence)) continue;
        ASSERT_TRUE(held.contains(sequence)) << "batch " << sequence << " at call " << call;
        ASSERT_EQ(held.at(sequence), hash) << "batch " << sequence << " at call " << call;
      }
      // The state is that of the last poll that is there, or an earlier one's with nothing after
      // it.
      ASSERT_EQ(next.bench.spool->states().size(), 1U);
      ASSERT_EQ(next.bench.spool->covered_until().size(), 1U);
      ASSERT_EQ(next.bench.spool->states()[0].scheduled,
                next.bench.spool->covered_until()[0].second)
          << "at call " << call << " crash " << static_cast<int>(kind);
      next.values = host.values;
      ASSERT_TRUE(next.poll().ok());
      ASSERT_FALSE(testing::Test::HasFailure()) << "at call " << call;
    }
  }
  EXPECT_GT(thinned, 100U);
  EXPECT_GT(lost, 100U);
}

}  // namespace
}  // namespace tallyman::agent
