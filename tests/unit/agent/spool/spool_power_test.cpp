// The power lost: every state that a disk may be left in, not a sample of them.

#include <array>
#include <iostream>

#include "spool_model.hpp"

namespace tallyman::agent {
namespace {

/// Counts through all combinations of answers; false after the last.
bool next_combination(std::vector<std::size_t>& answers, const std::vector<std::size_t>& counts) {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (++answers[i] < counts[i]) return true;
    answers[i] = 0;
  }
  return false;
}

/// A few of each: what is unsynced at any moment stays little enough to try all of it.
void short_script(SpoolModel& model) {
  for (int i = 0; i < 30; ++i) {
    model.append();
    if (i % 4 == 2) model.seal();
    if (i % 4 == 0) model.begin_sync();
    if (i % 4 == 1) model.run_sync();
    if (i % 4 == 3) model.end_sync();
    if (i == 3) (void)model.bench.spool->hold(1, 2, 0);
    if (i == 7) model.hand_over();
    if (i == 10 && !model.resume()) return;
    if (i == 12) model.acknowledge(0);
    if (i == 15 && !model.restart()) return;
    if (i == 20) model.acknowledge(model.given.size() - 1);
    if (i == 26) model.begin_incarnation();
    if (model.changing) return;
  }
}

// Given the power lost at every changing call of a short run, then in every single state the disk
// may be left in - each unsynced sector, length and name old, new or between - what was reported
// durable is there, what was given out is unchanged, and the mark does not lead.
TEST(SpoolPower, EveryState) {
  SpoolModel whole;
  whole.bench.options.segment_bytes = 600;
  ASSERT_TRUE(whole.bench.open());
  const std::uint64_t start = whole.bench.files->calls();
  short_script(whole);
  const std::uint64_t end = whole.bench.files->calls();
  std::size_t states = 0, most = 0;
  for (std::uint64_t call = start; call <= end; ++call) {
    SpoolModel model;
    model.bench.options.segment_bytes = 600;
    ASSERT_TRUE(model.bench.open());
    model.stop_at(call);
    short_script(model);
    const auto counts = model.bench.files->open_questions();
    const std::size_t before = states;
    std::vector<std::size_t> answers(counts.size());
    do {
      model.check(model.bench.files->after(answers), false);
      ASSERT_FALSE(testing::Test::HasFailure()) << "at call " << call << ", state " << states;
      ++states;
    } while (next_combination(answers, counts));
    most = std::max(most, states - before);
  }
  std::cout << states << " states at " << end - start + 1 << " moments, at most " << most
            << " at one\n";
}

// Given the power lost, and lost again at any call of the recovery, then all of that still holds.
TEST(SpoolPower, AgainWhileRecovering) {
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937_64 random(seed);
    SpoolModel model;
    model.bench.options.segment_bytes = 600;
    constexpr std::array<std::size_t, 3> kSectors{512, 64, 16};
    model.bench.files->set_sector(kSectors[random() % kSectors.size()]);
    ASSERT_TRUE(model.bench.open());
    model.stop_at(model.bench.files->calls() + random() % 100);
    short_script(model);
    SpoolBench broken;
    broken.clock = model.bench.clock;
    broken.options = model.bench.options;
    broken.files = model.bench.files->after(Crash::torn, random());
    broken.files->stop_at(random() % 16);
    (void)broken.open();
    const bool process = random() % 4 == 0;
    model.check(broken.files->after(process ? Crash::process : Crash::torn, random()), false);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tallyman::agent
