#include "agent/spool/spool.hpp"

#include <cstdlib>
#include <filesystem>

#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

// Given pages, seals and a sync, then the batches come out in order, chained, with their readings;
// and a restart finds batches, dictionary, states and coverage again.
TEST(Spool, RoundTrip) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_TRUE(bench.spool->recovery().new_incarnation);
  for (std::uint64_t i = 1; i <= 9; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    if (i % 3 == 0) {
      ASSERT_TRUE(bench.spool->seal_if_due(bench.clock.wall(), true).ok());
    }
  }
  EXPECT_FALSE((*bench.spool->next_after(0)).has_value());  // sealed, but not durable yet
  ASSERT_TRUE(bench.sync());
  EXPECT_FALSE(bench.spool->sync_job().has_value());
  const auto batches = drain(*bench.spool, 0, kNoHash);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(values_of(batches[1].bytes), (std::vector<std::uint64_t>{4, 5, 6}));
  EXPECT_EQ(wire::decode_batch(batches[2].bytes)->seal.watermark, bench.clock.wall());
  EXPECT_EQ(bench.spool->hash_of_batch(2), batches[1].hash);
  EXPECT_EQ(bench.spool->stats().batches, 3U);
  EXPECT_GT(bench.spool->stats().oldest, 0);

  const auto incarnation = bench.spool->incarnation();
  const auto definitions = bench.spool->dictionary().from(1);
  ASSERT_TRUE(bench.spool->hold(77, 5, 0).ok());
  ASSERT_TRUE(bench.append(10).ok());
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_FALSE(bench.spool->recovery().new_incarnation);
  EXPECT_EQ(bench.spool->incarnation(), incarnation);
  EXPECT_EQ(bench.spool->ledger(), 77U);
  EXPECT_EQ(bench.spool->token(), 5U);
  EXPECT_EQ(bench.spool->dictionary().from(1), definitions);
  EXPECT_EQ(bench.epoch(1), 5U);
  ASSERT_EQ(bench.spool->states().size(), 1U);
  EXPECT_EQ(bench.spool->states()[0].bytes, (Bytes{'1', '0'}));
  ASSERT_EQ(bench.spool->covered_until().size(), 1U);
  EXPECT_EQ(bench.spool->covered_until()[0],
            std::make_pair(std::string("netif"), bench.clock.wall()));
  const auto again = drain(*bench.spool, 0, kNoHash);
  ASSERT_EQ(again.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(again[i].bytes, batches[i].bytes);
  EXPECT_EQ(values_of(again[3].bytes), std::vector<std::uint64_t>{10});
  EXPECT_EQ(wire::decode_batch(again[3].bytes)->seal.watermark, 0);
}

// Given nothing to say, then an empty batch is sealed once a seal interval.
TEST(Spool, IdleBatches) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  for (int i = 0; i < 300; ++i) {
    bench.clock.advance(kSecond);
    ASSERT_TRUE(bench.spool->seal_if_due(bench.clock.wall()).ok());
  }
  EXPECT_EQ(bench.spool->stats().sealed, 5U);
  ASSERT_TRUE(bench.sync());
  EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 5U);
}

// Given a batch that grew to its size or age, then it is sealed, and not before.
TEST(Spool, SealsBySizeAndAge) {
  SpoolBench bench;
  bench.options.seal_bytes = 600;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(0).ok());
  EXPECT_EQ(bench.spool->stats().sealed, 0U);
  for (std::uint64_t i = 0; bench.spool->stats().sealed == 0; ++i) {
    ASSERT_LT(i, 30U);
    bench.clock.advance(-9 * kSecond);
    ASSERT_TRUE(bench.append(i).ok());
    ASSERT_TRUE(bench.spool->seal_if_due(0).ok());
  }
  ASSERT_TRUE(bench.append(2).ok());
  bench.clock.advance(60 * kSecond);
  ASSERT_TRUE(bench.spool->seal_if_due(0).ok());
  EXPECT_EQ(bench.spool->stats().sealed, 2U);
}

// Given many segments, then an acknowledgement removes those below it, the mark survives a restart,
// and what is acknowledged is not given out again.
TEST(Spool, AcknowledgementTrims) {
  SpoolBench bench;
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; i <= 60; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(bench.sync());
  }
  const auto batches = drain(*bench.spool, 0, kNoHash);
  ASSERT_EQ(batches.size(), 60U);
  const auto before = bench.files->paths().size();
  EXPECT_GT(before, 6U);
  const auto definitions = bench.spool->dictionary().from(1);
  EXPECT_FALSE(bench.spool->acknowledge(61).ok());
  ASSERT_TRUE(bench.spool->acknowledge(31).ok());
  EXPECT_LT(bench.files->paths().size(), before);
  EXPECT_EQ(bench.spool->hash_of_batch(31), batches[30].hash);
  EXPECT_FALSE(bench.spool->next_after(3).ok());
  EXPECT_EQ(bench.spool->stats().oldest, wire::decode_batch(batches[31].bytes)->head.opened);
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.spool->stats().acknowledged, 31U);
  EXPECT_EQ(drain(*bench.spool, 31, batches[30].hash).size(), 29U);
  EXPECT_EQ(bench.spool->dictionary().from(1), definitions);
  ASSERT_TRUE(bench.spool->acknowledge(60).ok());
  EXPECT_EQ(bench.spool->stats().batches, 0U);
  EXPECT_EQ(bench.spool->stats().unacknowledged_bytes, 0U);
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(61).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  EXPECT_EQ(drain(*bench.spool, 60, batches[59].hash).size(), 1U);
}

// Given a disk that fills up, then appending fails whole, says so, and goes on by itself when there
// is space; what came before and after is there.
TEST(Spool, DiskFullAndHealed) {
  SpoolBench bench;
  bench.files->set_space(1'000'000, 120'000);  // identity and mark take 16 KiB
  ASSERT_TRUE(bench.open());
  std::vector<std::uint64_t> kept;
  std::uint64_t value = 0;
  while (bench.append(++value).ok()) kept.push_back(value);
  EXPECT_NE(bench.spool->stats().trouble.find("disk full"), std::string::npos);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(bench.append(++value).ok());
  bench.files->set_space(1'000'000, 200'000);
  ASSERT_TRUE(bench.append(++value).ok());
  kept.push_back(value);
  EXPECT_EQ(bench.spool->stats().trouble, "");
  bench.files->set_space(1'000'000'000, 200'000'000);
  // A write that fails half way.
  bench.files->fail(bench.files->calls(), ENOSPC);
  EXPECT_FALSE(bench.append(++value).ok());
  EXPECT_NE(bench.spool->stats().trouble, "");
  ASSERT_TRUE(bench.append(++value).ok());
  kept.push_back(value);
  // … and so does its truncation.
  bench.files->fail(bench.files->calls(), EIO, 2);
  EXPECT_FALSE(bench.append(++value).ok());
  ASSERT_TRUE(bench.append(++value).ok());
  kept.push_back(value);
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(bench.open());
    }
    std::vector<std::uint64_t> found;
    for (const auto& batch : drain(*bench.spool, 0, kNoHash)) {
      for (const auto v : values_of(batch.bytes)) found.push_back(v);
    }
    EXPECT_EQ(found, kept);
  }
}

// Given its size limit, then a spool takes no more until the rater acknowledges.
TEST(Spool, LimitAndHealed) {
  SpoolBench bench;
  bench.options.limit_bytes = 6000;
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  std::uint64_t value = 0;
  while (bench.append(++value).ok()) {
    ASSERT_LT(value, 1000U);
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(bench.sync());
  }
  EXPECT_LE(bench.spool->stats().bytes, 6100U);
  ASSERT_TRUE(bench.spool->acknowledge(bench.spool->stats().sealed).ok());
  EXPECT_TRUE(bench.append(++value).ok());
  EXPECT_EQ(bench.spool->stats().trouble, "");
}

// Given a failed fdatasync, then nothing it covered is given out until it stands, from memory, in a
// new segment that is durable; and a power loss then costs nothing.
TEST(Spool, FailedSync) {
  SpoolBench bench;
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  std::vector<std::uint64_t> all;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    all.push_back(i);
    if (i % 3 == 0) {
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    }
    if (i % 7 == 0) bench.files->fail_syncs(true);
    const bool synced = i % 2 == 0 || bench.sync();
    if (!synced) {
      EXPECT_NE(bench.spool->stats().trouble, "");
      const auto given = bench.spool->next_after(bench.spool->stats().sealed - 1);
      EXPECT_TRUE(given.ok());
    }
    bench.files->heal();
  }
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
  ASSERT_TRUE(bench.sync());
  const auto batches = drain(*bench.spool, 0, kNoHash);
  std::vector<std::uint64_t> found;
  for (const auto& batch : batches) {
    for (const auto v : values_of(batch.bytes)) found.push_back(v);
  }
  EXPECT_EQ(found, all);
  bench.spool.reset();
  bench.files = bench.files->after(Crash::lost);
  ASSERT_TRUE(bench.open()) << bench.error;
  const auto again = drain(*bench.spool, 0, kNoHash);
  ASSERT_EQ(again.size(), batches.size());
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i].hash, batches[i].hash);
}

// Given a divergence, then a new incarnation holds all that was not acknowledged, and every
// definition, under numbers from 1.
TEST(Spool, NewIncarnation) {
  SpoolBench bench;
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; i <= 30; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    if (i % 2 == 0) {
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    }
    ASSERT_TRUE(bench.sync());
  }
  ASSERT_TRUE(bench.append(31).ok());
  ASSERT_TRUE(bench.spool->acknowledge(4).ok());
  const auto before = bench.spool->incarnation();
  const auto definitions = bench.spool->dictionary().from(1);
  ASSERT_TRUE(bench.spool->begin_incarnation("diverged").ok());
  EXPECT_NE(bench.spool->incarnation(), before);
  EXPECT_EQ(bench.spool->stats().acknowledged, 0U);
  for (const bool reopened : {false, true}) {
    if (reopened) {
      ASSERT_TRUE(bench.open());
    }
    std::vector<std::uint64_t> found;
    std::vector<wire::Definition> defined;
    for (const auto& sealed : drain(*bench.spool, 0, kNoHash)) {
      for (const auto v : values_of(sealed.bytes)) found.push_back(v);
      const auto batch = wire::decode_batch(sealed.bytes);
      for (const auto& entry : batch->entries) {
        if (const auto* definition = std::get_if<wire::Definition>(&entry))
          defined.push_back(*definition);
      }
    }
    ASSERT_EQ(found.size(), 23U);
    EXPECT_EQ(found.front(), 9U);
    EXPECT_EQ(found.back(), 31U);
    EXPECT_EQ(defined, definitions);
    EXPECT_EQ(bench.spool->dictionary().from(1), definitions);
    EXPECT_EQ(bench.spool->states()[0].bytes, (Bytes{'3', '1'}));
  }
  ASSERT_TRUE(bench.append(32).ok());
  ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
}

// Given batches lost to damage, then a new incarnation says so, too, in one stand-in with the
// cause.
TEST(Spool, StandInOutlivesItsIncarnation) {
  SpoolBench bench;
  bench.options.segment_bytes = 1500;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; i <= 60; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(bench.sync());
  }
  std::vector<std::string> segments;
  for (const auto& name : bench.files->paths()) {
    if (name.find("/segment-") != std::string::npos) segments.push_back(name);
  }
  ASSERT_GT(segments.size(), 3U);
  ASSERT_TRUE(bench.files->remove(segments[1]).ok());
  ASSERT_TRUE(bench.open()) << bench.error;
  ASSERT_TRUE(bench.spool->begin_incarnation("diverged").ok());
  std::size_t lost = 0;
  for (const auto& sealed : drain(*bench.spool, 0, kNoHash)) {
    const auto head = wire::decode_batch_head(sealed.bytes);
    if (head->kind == wire::BatchKind::normal) continue;
    ++lost;
    EXPECT_NE(head->why.find("missing"), std::string::npos) << head->why;
  }
  EXPECT_GE(lost, 1U);
}

// Given a state that stays the same from poll to poll, and so is written once, then a restart has
// it.
TEST(Spool, KeepsAStateThatDoesNotChange) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  for (std::uint64_t i = 1; i <= 20; ++i) {
    bench.clock.advance(10 * kSecond);
    const std::vector<wire::Entry> entries{bench.poll(i)};
    const std::vector<PluginState> states{bench.state(7)};
    ASSERT_TRUE(bench.spool->append(entries, states).ok());
    ASSERT_TRUE(bench.sync());
  }
  ASSERT_TRUE(bench.open());
  ASSERT_EQ(bench.spool->states().size(), 1U);
  EXPECT_EQ(bench.spool->states()[0].bytes, bench.state(7).bytes);
}

// Given a spool of another agent, or of a newer version, then it is refused and left as it was.
TEST(Spool, RefusesForeignAndNewer) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1).ok());
  bench.spool.reset();
  const auto other = Spool::open(*bench.files, bench.options, "stor-02", test_boot(), bench.clock);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().text().find("stor-01"), std::string::npos);
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.spool->stats().sealed, 1U);
}

// Given a lost identity file, then the segments tell whose spool it is.
TEST(Spool, IdentityFromSegments) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1).ok());
  const auto incarnation = bench.spool->incarnation();
  bench.spool.reset();
  ASSERT_TRUE(bench.files->remove("/spool/identity").ok());
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.spool->incarnation(), incarnation);
  EXPECT_EQ(bench.spool->stats().sealed, 1U);
}

// Given a real folder, then a spool works in it and keeps a second opener out.
TEST(Spool, RealFiles) {
  char name[] = "/tmp/tallyman-spool-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  {
    SpoolBench bench;
    bench.options.directory = std::string(name) + "/spool";
    bench.options.segment_bytes = 2000;
    for (int round = 0; round < 3; ++round) {
      bench.spool.reset();
      auto opened = Spool::open(bench.options, "stor-01", test_boot(), bench.clock);
      if (!opened.ok() && opened.error().what.find("last 10 %") != std::string::npos) {
        std::filesystem::remove_all(name);
        GTEST_SKIP() << "this machine's disk is too full";
      }
      ASSERT_TRUE(opened.ok()) << opened.error().text();
      bench.spool = std::move(*opened);
      const auto second = Spool::open(bench.options, "stor-01", test_boot(), bench.clock);
      ASSERT_FALSE(second.ok());
      EXPECT_NE(second.error().text().find("another process"), std::string::npos);
      for (std::uint64_t i = 0; i < 20; ++i) {
        ASSERT_TRUE(bench.append(i).ok()) << bench.spool->stats().trouble;
        ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
        ASSERT_TRUE(bench.sync());
      }
    }
    EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 60U);
    ASSERT_TRUE(bench.spool->acknowledge(60).ok());
  }
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace tallyman::agent
