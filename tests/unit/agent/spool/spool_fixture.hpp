#pragma once
// What tests of the spool share: a fake file system, a fake clock, and polls.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/spool/spool.hpp"
#include "base/fake_files.hpp"

namespace tallyman::agent {

inline wire::BootId test_boot() { return {7, 7, 7}; }

struct SpoolBench {
  FakeClock clock{1'800'000'000 * kSecond, 1000 * kSecond};
  std::unique_ptr<FakeFiles> files = std::make_unique<FakeFiles>();
  SpoolOptions options{.directory = "/spool",
                       .limit_bytes = 1U << 30U,
                       .segment_bytes = 4U << 20U,
                       .seal_bytes = 64U << 10U,
                       .seal_after = 60 * kSecond};
  std::unique_ptr<Spool> spool;
  std::string error;

  bool open() {
    spool.reset();
    auto result = Spool::open(*files, options, "stor-01", test_boot(), clock);
    error = result.ok() ? "" : result.error().text();
    if (result.ok()) spool = std::move(*result);
    return spool != nullptr;
  }

  wire::DefNo instance(const std::string& name = "netif") {
    return spool->dictionary().intern(wire::InstanceDef{name, "netif", "1", {}, 10 * kSecond});
  }
  wire::DefNo epoch(std::uint64_t which) {
    Dictionary& dictionary = spool->dictionary();
    const auto source = dictionary.intern(wire::SourceDef{wire::Scope::host, "host:stor-01"});
    const auto metric = dictionary.intern(wire::MetricDef{
        "x_bytes_total", "bytes", "help", wire::Kind::counter, 0, {"ifindex"}, {"name"}});
    const auto series = dictionary.intern(wire::SeriesDef{source, metric, {std::to_string(which)}});
    return dictionary.intern(wire::EpochDef{series, 1, 0});
  }
  wire::Poll poll(std::uint64_t value, const std::string& name = "netif") {
    wire::Poll poll;
    poll.instance = instance(name);
    poll.scheduled = poll.wall = clock.wall();
    poll.boot = clock.boot();
    poll.values = {{epoch(value % 5), value, 0}};
    return poll;
  }
  PluginState state(std::uint64_t value, const std::string& name = "netif") {
    const std::string text = std::to_string(value);
    return {name, 1, Bytes(text.begin(), text.end()), clock.wall()};
  }
  /// One poll and its state; the value says which.
  Status append(std::uint64_t value) {
    clock.advance(10 * kSecond);
    const std::vector<wire::Entry> entries{poll(value)};
    const std::vector<PluginState> states{state(value)};
    return spool->append(entries, states);
  }
  bool sync() {
    auto job = spool->sync_job();
    if (!job) return true;
    const Status result = job->run();
    spool->synced(*job, result);
    return result.ok();
  }
};

/// The values of a batch's polls, in order.
inline std::vector<std::uint64_t> values_of(ByteView bytes) {
  std::vector<std::uint64_t> out;
  const auto batch = wire::decode_batch(bytes);
  if (!batch) return out;
  for (const auto& entry : batch->entries) {
    if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
      for (const auto& value : poll->values) out.push_back(value.value);
    }
  }
  return out;
}

/// All batches after `sequence`, checked: contiguous, decoding, chained to `before`.
inline std::vector<SealedBatch> drain(Spool& spool, std::uint64_t sequence, Hash before) {
  std::vector<SealedBatch> out;
  for (;;) {
    const auto next = spool.next_after(sequence);
    EXPECT_TRUE(next.ok()) << next.error().text();
    if (!next.ok() || !*next) break;
    const auto batch = wire::decode_batch((*next)->bytes);
    EXPECT_TRUE(batch.ok()) << batch.error().text();
    if (!batch.ok()) break;
    EXPECT_EQ(batch->head.sequence, sequence + 1);
    EXPECT_EQ((*next)->sequence, sequence + 1);
    EXPECT_EQ((*next)->last, batch->head.last);
    EXPECT_EQ(batch->head.incarnation, spool.incarnation());
    EXPECT_EQ(batch->head.previous, before) << "batch " << sequence + 1;
    if (batch->head.kind == wire::BatchKind::normal) {
      EXPECT_EQ((*next)->hash, wire::batch_hash((*next)->bytes));
    }
    before = (*next)->hash;
    sequence = (*next)->last;
    out.push_back(**next);
  }
  return out;
}

}  // namespace tallyman::agent
