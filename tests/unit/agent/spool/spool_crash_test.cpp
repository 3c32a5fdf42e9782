#include <cerrno>

#include "spool_model.hpp"
#include "wire/frame.hpp"

namespace tallyman::agent {
namespace {

using Model = SpoolModel;

/// Every changing call a spool makes stands in here: pages, seals, write-outs early and late,
/// turn-over, acknowledgement and removal, a kill and a restart, another program that goes on, the
/// token, a full disk, a failed fdatasync, a new incarnation.
void script(Model& model) {
  FakeFiles& files = *model.bench.files;
  for (int i = 0; i < 60; ++i) {
    model.append();
    if (i % 3 == 2) model.seal();
    if (i % 4 == 0) model.begin_sync();
    if (i % 4 == 2) model.run_sync();
    if (i % 4 == 3) model.end_sync();
    if (i % 10 == 9) model.acknowledge(static_cast<std::uint64_t>(i) / 2);
    if ((i == 12 || i == 50) && !model.restart()) return;
    if ((i == 15 || i == 28 || i == 45) && !model.resume()) return;
    if (i == 16) model.hand_over();
    if (i == 20) (void)model.bench.spool->hold(1, 2, 0);
    if (i == 25) files.fail(files.calls(), ENOSPC, 5);
    if (i == 30) files.fail_syncs(true);
    if (i == 33) files.heal();
    if (i == 40) model.begin_incarnation();
    if (model.changing) return;
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
  ASSERT_GT(end, start + 150);
  ASSERT_FALSE(whole.changing);
  ASSERT_GT(whole.acknowledged, 0U);
  for (std::uint64_t call = start; call < end; ++call) {
    Model model;
    ASSERT_TRUE(model.bench.open());
    model.stop_at(call);
    script(model);
    model.crash(Crash::process, 1);
    model.crash(Crash::lost, 1);
    for (std::uint64_t seed = 1; seed <= 8; ++seed) model.crash(Crash::torn, call * 10 + seed);
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
    model.bench.files->stop_at(model.bench.files->calls() + k);
    (void)model.bench.open();
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      model.crash(Crash::process, seed);
      model.crash(Crash::lost, seed);
      model.crash(Crash::torn, seed);
    }
    ASSERT_FALSE(testing::Test::HasFailure()) << "at call " << k;
  }
}

// Given any order of appends, seals, syncs, acknowledgements, programs that go on, single failures
// and crashes, then the spool holds what an independent model says.
TEST(SpoolCrash, Random) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    Model model;
    ASSERT_TRUE(model.bench.open());
    for (int step = 0; step < 120; ++step) {
      FakeFiles& files = *model.bench.files;
      switch (random() % 16) {
        case 0:
          model.seal();
          break;
        case 1:
          model.begin_sync();
          break;
        case 2:
          model.run_sync();
          break;
        case 3:
          model.end_sync();
          break;
        case 4:
          model.sync();
          break;
        case 5:
          model.acknowledge(random() % 2 == 0 ? random() : model.given.size() - 1);
          break;
        case 6:
          files.fail(files.calls() + random() % 4, ENOSPC, 1 + random() % 2);
          break;
        case 7:
          files.fail_syncs(random() % 2 == 0);
          break;
        case 8:
          files.heal();
          break;
        case 10:
          model.hand_over();
          break;
        case 11:
          (void)model.resume();
          break;
        case 9:
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

// Given a write-out that kept a page and tore the state before it, sealed or not, then the page
// goes with it, and nobody takes its instant for covered: with an older state the plugin would tell
// its readings again.
TEST(SpoolCrash, StateTornFromItsPage) {
  for (const bool sealed : {false, true}) {
    SpoolBench bench;
    ASSERT_TRUE(bench.open());
    ASSERT_TRUE(bench.append(1'000'001).ok());
    const Ns covered = bench.clock.wall();
    ASSERT_TRUE(bench.append(1'000'002).ok());
    if (sealed) {
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    }
    bench.files = bench.files->after(Crash::process);
    for (const std::string& path : bench.files->paths()) {
      Bytes& bytes = *bench.files->bytes_of(path);
      const std::string_view state = "1000002";
      const auto found = std::search(bytes.begin(), bytes.end(), state.begin(), state.end());
      if (found != bytes.end()) *found = 'x';
    }
    ASSERT_TRUE(bench.open()) << bench.error;
    std::vector<std::uint64_t> values;
    for (const auto& batch : drain(*bench.spool, 0, kNoHash)) {
      for (const auto v : values_of(batch.bytes)) values.push_back(v);
    }
    EXPECT_EQ(values, std::vector<std::uint64_t>{1'000'001});
    ASSERT_EQ(bench.spool->states().size(), 1U);
    EXPECT_EQ(bench.spool->states()[0].bytes, bench.state(1'000'001).bytes);
    ASSERT_EQ(bench.spool->covered_until().size(), 1U);
    EXPECT_EQ(bench.spool->covered_until()[0].second, covered);
  }
}

// Given a write-out that kept a later state and tore the first batch before it, then that state is
// not taken for one that the segment began with.
TEST(SpoolCrash, StateOfALostFirstBatch) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.append(1'000'001).ok());
  ASSERT_TRUE(bench.append(1'000'002).ok());
  bench.files = bench.files->after(Crash::process);
  for (const std::string& path : bench.files->paths()) {
    Bytes& bytes = *bench.files->bytes_of(path);
    const std::string_view state = "1000002";
    const auto found = std::search(bytes.begin(), bytes.end(), state.begin(), state.end());
    const auto head = wire::find_marker(bytes);
    constexpr std::ptrdiff_t kBeforeState = 29;  // its frame's overhead, "netif" and four numbers
    if (found != bytes.end() && head)
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(*head + 40), found - kBeforeState, 0);
  }
  ASSERT_TRUE(bench.open()) << bench.error;
  EXPECT_EQ(bench.spool->stats().sealed, 0U);
  EXPECT_TRUE(bench.spool->states().empty());
  EXPECT_TRUE(bench.append(1'000'003).ok());
  EXPECT_TRUE(bench.spool->seal_if_due(1, true).ok());
  EXPECT_TRUE(bench.sync());
  EXPECT_EQ(drain(*bench.spool, 0, kNoHash).size(), 1U);
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
    model.bench.files->fail(model.bench.files->calls() + k, EIO, 1U << 30U);
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
