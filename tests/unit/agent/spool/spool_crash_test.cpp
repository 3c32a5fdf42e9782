#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <set>

#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

/// A spool under a driver that knows, independently, what must survive.
struct Model {
  SpoolBench bench;
  std::vector<std::uint64_t> appended;           ///< values whose append() said OK, in order
  std::set<std::uint64_t> doubtful;              ///< values whose append() failed
  std::size_t durable = 0;                       ///< how many of `appended` a good sync covers
  std::map<std::uint64_t, Hash> given;           ///< batches that next_after() gave out
  std::map<std::uint64_t, std::size_t> content;  ///< how many polls stand up to this batch
  std::uint64_t acknowledged = 0;
  std::uint64_t value = 0;

  Model() {
    bench.options.segment_bytes = 1200;
    bench.options.seal_bytes = 500;
  }

  void append() {
    ++value;
    if (bench.append(value).ok()) {
      appended.push_back(value);
    } else {
      doubtful.insert(value);
    }
  }
  void seal() { (void)bench.spool->seal_if_due(1, true); }
  void sync() {
    auto job = bench.spool->sync_job();
    if (!job) return;
    const std::size_t covered = appended.size();
    const Status result = job->run();
    bench.spool->synced(*job, result);
    if (!result.ok()) return;
    durable = covered;
    give();
  }
  void give() {
    std::uint64_t sequence = given.empty() ? acknowledged : given.rbegin()->first;
    for (;;) {
      const auto next = bench.spool->next_after(sequence);
      if (!next.ok() || !*next) return;
      sequence = (*next)->last;
      given[sequence] = (*next)->hash;
      const std::size_t before = content.empty() ? 0 : content.rbegin()->second;
      content[sequence] = before + values_of((*next)->bytes).size();
    }
  }
  void acknowledge(std::uint64_t random) {
    if (given.empty()) return;
    auto at = given.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random % given.size()));
    if (at->first <= acknowledged) return;
    if (bench.spool->acknowledge(at->first).ok()) acknowledged = at->first;
    acknowledged = std::max(acknowledged, bench.spool->stats().acknowledged);
  }

  /// Opens what the crash left; everything promised must be there. The model goes on from it.
  void crash(Crash kind, std::uint64_t seed) {
    SpoolBench next;
    next.clock = bench.clock;
    next.options = bench.options;
    next.files = bench.files->after(kind, seed);
    check(next, kind);
  }
  void check(SpoolBench& next, Crash kind) const {
    ASSERT_TRUE(next.open()) << next.error;
    const std::uint64_t mark = next.spool->stats().acknowledged;
    ASSERT_LE(mark, acknowledged);
    const auto hash = mark == 0 ? kNoHash : *next.spool->hash_of_batch(mark);
    if (mark != 0) {
      ASSERT_EQ(hash, given.at(mark));
    }
    std::map<std::uint64_t, Hash> held;
    std::vector<std::uint64_t> found;
    bool newest_lost = false;  ///< polls after the last one found: their states may be there
    for (const auto& batch : drain(*next.spool, mark, hash)) {
      held[batch.last] = batch.hash;
      const bool normal = wire::decode_batch_head(batch.bytes)->kind == wire::BatchKind::normal;
      newest_lost = !normal || (newest_lost && values_of(batch.bytes).empty());
      for (const auto v : values_of(batch.bytes)) found.push_back(v);
    }
    for (const auto& [sequence, batch_hash] : given) {
      if (sequence > mark) {
        ASSERT_EQ(held[sequence], batch_hash) << "batch " << sequence;
      }
    }
    const std::size_t skip = mark == 0 ? 0 : content.at(mark);
    const std::size_t needed = kind == Crash::process ? appended.size() : durable;
    std::vector<std::uint64_t> sure;
    for (const auto v : found) {
      if (!doubtful.contains(v)) sure.push_back(v);
    }
    ASSERT_GE(sure.size() + skip, needed);
    ASSERT_LE(sure.size() + skip, appended.size());
    const std::vector<std::uint64_t> rest(appended.begin() + static_cast<std::ptrdiff_t>(skip),
                                          appended.end());
    const std::size_t whole = kind == Crash::torn ? std::max(needed, skip) - skip : sure.size();
    ASSERT_TRUE(
        std::equal(sure.begin(), sure.begin() + static_cast<std::ptrdiff_t>(whole), rest.begin()));
    // A torn write-out may have kept later pages and lost earlier ones.
    ASSERT_TRUE(std::includes(rest.begin(), rest.end(), sure.begin(), sure.end()));
    if (!found.empty() && !newest_lost) {
      const std::string last = std::to_string(found.back());
      ASSERT_EQ(next.spool->states().size(), 1U);
      ASSERT_EQ(next.spool->states()[0].bytes, Bytes(last.begin(), last.end()));
      ASSERT_EQ(next.spool->covered_until().size(), 1U);
      ASSERT_EQ(next.spool->states()[0].scheduled, next.spool->covered_until()[0].second);
    }
    // And it goes on.
    ASSERT_TRUE(next.append(999'999).ok());
    ASSERT_TRUE(next.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(next.sync());
    const std::uint64_t sealed = next.spool->stats().sealed;
    const auto final = next.spool->next_after(sealed - 1);
    ASSERT_TRUE(final.ok() && *final);
    ASSERT_EQ(values_of((*final)->bytes), std::vector<std::uint64_t>{999'999});
  }
};

void script(Model& model) {
  for (int i = 0; i < 45; ++i) {
    model.append();
    if (i % 3 == 2) model.seal();
    if (i % 2 == 1) model.sync();
    if (i % 10 == 9) model.acknowledge(static_cast<std::uint64_t>(i) / 2);
    if (i == 20) (void)model.bench.spool->hold(1, 2);
  }
}

// Given a process killed, or the power lost, at every single changing call of a run, then all that
// was durable is there, given-out batches unchanged, and the state that of the last page.
TEST(SpoolCrash, AtEveryCall) {
  Model whole;
  ASSERT_TRUE(whole.bench.open());
  const std::uint64_t start = whole.bench.files->calls();
  script(whole);
  const std::uint64_t end = whole.bench.files->calls();
  ASSERT_GT(end, start + 60);
  for (std::uint64_t call = start; call < end; ++call) {
    Model model;
    ASSERT_TRUE(model.bench.open());
    model.bench.files->fail(call, EIO, 1U << 30U);
    script(model);
    model.crash(Crash::process, 1);
    model.crash(Crash::lost, 1);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) model.crash(Crash::torn, call * 10 + seed);
    ASSERT_FALSE(testing::Test::HasFailure()) << "at call " << call;
  }
}

// Given a crash at every call of opening, then the next opening succeeds with the same batches.
TEST(SpoolCrash, WhileOpening) {
  for (std::uint64_t k = 0; k < 40; ++k) {
    Model model;
    ASSERT_TRUE(model.bench.open());
    script(model);
    model.append();
    model.bench.files->fail(model.bench.files->calls() + k, EIO, 1U << 30U);
    (void)model.bench.open();
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      model.crash(Crash::process, seed);
      model.crash(Crash::lost, seed);
      model.crash(Crash::torn, seed);
    }
    ASSERT_FALSE(testing::Test::HasFailure()) << "at call " << k;
  }
}

// Given any order of appends, seals, syncs, acknowledgements, single failures and crashes, then the
// spool holds what an independent model says.
TEST(SpoolCrash, Random) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    Model model;
    ASSERT_TRUE(model.bench.open());
    for (int step = 0; step < 120; ++step) {
      switch (random() % 12) {
        case 0:
          model.seal();
          break;
        case 1:
        case 2:
          model.sync();
          break;
        case 3:
          model.acknowledge(random());
          break;
        case 4:
          model.bench.files->fail(model.bench.files->calls() + random() % 4, ENOSPC,
                                  1 + random() % 2);
          break;
        case 5:
          model.bench.files->fail_syncs(random() % 2 == 0);
          break;
        case 6:
          model.bench.files->heal();
          break;
        case 7:
          model.crash(static_cast<Crash>(random() % 3), random());
          break;
        default:
          model.append();
          break;
      }
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " step " << step;
    }
  }
}

// Given a crash at every call of beginning a new incarnation, then each poll that was not
// acknowledged is in the old incarnation or in the new one, whichever has begun.
TEST(SpoolCrash, NewIncarnation) {
  for (std::uint64_t k = 0; k < 80; ++k) {
    Model model;
    ASSERT_TRUE(model.bench.open());
    for (int i = 0; i < 20; ++i) {
      model.append();
      if (i % 2 == 0) model.seal();
      model.sync();
    }
    const std::uint64_t call = model.bench.files->calls() + k;
    model.bench.files->fail(call, EIO, 1U << 30U);
    (void)model.bench.spool->begin_incarnation("test");
    for (const Crash kind : {Crash::process, Crash::lost, Crash::torn}) {
      SpoolBench next;
      next.clock = model.bench.clock;
      next.options = model.bench.options;
      next.files = model.bench.files->after(kind, k);
      ASSERT_TRUE(next.open()) << next.error;
      std::vector<std::uint64_t> found;
      for (const auto& batch : drain(*next.spool, 0, kNoHash)) {
        for (const auto v : values_of(batch.bytes)) found.push_back(v);
      }
      ASSERT_EQ(found, model.appended) << "at call " << k;
    }
    // And in the same process, once the disk is well again.
    model.bench.files->heal();
    model.append();
    model.seal();
    model.sync();
    std::vector<std::uint64_t> found;
    for (const auto& batch : drain(*model.bench.spool, 0, kNoHash)) {
      for (const auto v : values_of(batch.bytes)) found.push_back(v);
    }
    ASSERT_EQ(found, model.appended) << "at call " << k;
  }
}

}  // namespace
}  // namespace tallyman::agent
