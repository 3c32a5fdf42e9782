// Strategies, and what a supervisor remembers from one life of the agent to the next.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "agent/instance/supervisor.hpp"

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using E = PluginEvent;
using A = PluginAction;

constexpr Ns kWall = 1'700'000'000 * kSecond;

/// A supervisor whose plugin ends at once, until it has failed.
Supervisor failed_at(Ns boot, const SupervisorOptions& options = {}) {
  Supervisor supervisor(options, Strategy::permanent, 3);
  supervisor.take(E::enable, boot);
  for (unsigned i = 0; i < options.max_restarts; i++) {
    supervisor.take(E::exit, boot);
    supervisor.take(E::timer, boot);
  }
  supervisor.take(E::exit, boot);
  EXPECT_EQ(supervisor.phase(), P::failed);
  return supervisor;
}

// Given each strategy and each kind of end, then the host is started again as OTP says.
TEST(SupervisorMemory, strategies) {
  const auto after = [](Strategy strategy, E cause, bool clean) {
    Supervisor supervisor({}, strategy, 1);
    supervisor.take(E::enable, 0);
    supervisor.take(E::ready, 0);
    if (cause != E::exit) supervisor.take(cause, 0);
    supervisor.take(E::exit, 0, clean);
    return supervisor.phase();
  };
  for (E cause : {E::exit, E::overrun, E::garbage}) {
    EXPECT_EQ(after(Strategy::permanent, cause, false), P::backoff);
    EXPECT_EQ(after(Strategy::permanent, cause, true), P::backoff);
    EXPECT_EQ(after(Strategy::transient, cause, false), P::backoff);
    EXPECT_EQ(after(Strategy::temporary, cause, false), P::ended);
    EXPECT_EQ(after(Strategy::temporary, cause, true), P::ended);
  }
  EXPECT_EQ(after(Strategy::transient, E::exit, true), P::ended);
  // One that had to be killed did not end by itself, whatever its status says.
  EXPECT_EQ(after(Strategy::transient, E::overrun, true), P::backoff);
}

// Given a restart by an operator, then it is no failure: nothing is remembered of it.
TEST(SupervisorMemory, an_operators_restart_counts_nothing) {
  Supervisor supervisor({}, Strategy::temporary, 1);
  supervisor.take(E::enable, 0);
  for (int i = 0; i < 100; i++) {
    supervisor.take(E::ready, i);
    EXPECT_EQ(supervisor.take(E::restart, i), A::ask);
    EXPECT_EQ(supervisor.take(E::exit, i), A::spawn);
  }
  EXPECT_FALSE(supervisor.blemished());
  EXPECT_EQ(supervisor.memory(kWall, 100), SupervisorMemory{});
}

// Given a failed one and a new life after a reboot (the boot clock begins anew), then it is not
// tried before its probe was due; a reset forgives and tries at once.
TEST(SupervisorMemory, failed_is_failed_after_a_restart) {
  const Ns boot = 5000 * kSecond;
  const Supervisor before = failed_at(boot);
  const SupervisorMemory memory = before.memory(kWall, boot);
  EXPECT_TRUE(memory.failed);
  EXPECT_EQ(memory.next_try, kWall + before.delay());
  for (const bool reset : {false, true}) {
    Supervisor supervisor({}, Strategy::permanent, 3);
    supervisor.recall(memory, kWall + 10 * kSecond, kSecond);
    EXPECT_EQ(supervisor.take(E::enable, kSecond), A::probe);
    EXPECT_EQ(supervisor.phase(), P::failed);
    EXPECT_EQ(supervisor.delay(), before.delay() - 10 * kSecond);
    EXPECT_EQ(supervisor.take(reset ? E::reset : E::timer, 2 * kSecond), A::spawn);
    EXPECT_EQ(supervisor.blemished(), !reset);
    EXPECT_EQ(supervisor.take(E::exit, 3 * kSecond), reset ? A::wait : A::probe);
  }
}

// Given a life that begins after the window, then what was before it is forgotten.
TEST(SupervisorMemory, is_forgotten_after_the_window) {
  const SupervisorOptions options;
  const SupervisorMemory memory = failed_at(0).memory(kWall, 0);
  Supervisor supervisor(options, Strategy::permanent, 3);
  supervisor.recall(memory, kWall + options.within + 1, 0);
  EXPECT_FALSE(supervisor.blemished());
  EXPECT_EQ(supervisor.take(E::enable, 0), A::spawn);
}

// Given a plugin disabled when the agent starts, then enabling it later tries at once: the wait
// that was left is no longer meant.
TEST(SupervisorMemory, enabling_does_not_wait) {
  Supervisor supervisor({}, Strategy::permanent, 3);
  supervisor.recall(failed_at(0).memory(kWall, 0), kWall, 0);
  EXPECT_EQ(supervisor.take(E::disable, 0), A::rest);
  EXPECT_EQ(supervisor.take(E::enable, kSecond), A::spawn);
  EXPECT_TRUE(supervisor.blemished());
}

// Given memories of any numbers, from a clock that was set back or a file that lies, then no wait
// is longer than one of this life.
TEST(SupervisorMemory, hostile_memories_wait_no_longer) {
  std::mt19937_64 random(11);
  const SupervisorOptions options;
  for (std::uint64_t round = 0; round < 2000; round++) {
    SupervisorMemory memory;
    memory.failed = random() % 2 == 0;
    memory.failures = static_cast<unsigned>(random());
    memory.next_try = static_cast<Ns>(random() >> 2U);
    for (std::size_t i = random() % 20; i > 0; i--) {
      memory.ends.push_back(static_cast<Ns>(random() >> 2U));
    }
    std::sort(memory.ends.begin(), memory.ends.end());
    Supervisor supervisor(options, Strategy::permanent, round);
    supervisor.recall(memory, kWall, 0);
    const A action = supervisor.take(E::enable, 0);
    if (action == A::spawn) continue;
    ASSERT_TRUE(action == A::wait || action == A::probe);
    ASSERT_GT(supervisor.delay(), 0);
    ASSERT_LE(supervisor.delay(), action == A::probe ? options.probe : options.backoff_max);
  }
}

// Given ends at random times and lives that change at random, on a boot clock that begins anew each
// time, then an end is one too often exactly when a model without lives says so: more than the
// allowed ends lie in the window before it.
TEST(SupervisorMemory, intensity_counts_across_lives) {
  std::mt19937_64 random(7);
  const SupervisorOptions options;
  unsigned often = 0;
  unsigned seldom = 0;
  for (int round = 0; round < 200; round++) {
    const Ns pace = kSecond << (random() % 6);
    std::vector<Ns> ends;  // the model: wall instants
    Ns now = kWall;
    Ns offset = static_cast<Ns>(random() % (1000 * kSecond));  // boot = wall - kWall + offset
    const auto boot = [&] { return now - kWall + offset; };
    Supervisor supervisor(options, Strategy::permanent, random());
    supervisor.take(E::enable, boot());
    for (int i = 0; i < 100; i++) {
      now += static_cast<Ns>(random() % static_cast<std::uint64_t>(pace));
      if (random() % 4 == 0) {
        const SupervisorMemory memory = supervisor.memory(now, boot());
        now += static_cast<Ns>(random() % static_cast<std::uint64_t>(pace));
        offset = static_cast<Ns>(random() % (1000 * kSecond));
        Supervisor next(options, Strategy::permanent, random());
        next.recall(memory, now, boot());
        next.take(E::enable, boot());
        supervisor = next;
      }
      if (supervisor.phase() != P::starting) supervisor.take(E::timer, boot());
      ASSERT_EQ(supervisor.phase(), P::starting);
      ends.push_back(now);
      const auto within = std::count_if(ends.begin(), ends.end(),
                                        [&](Ns end) { return now - end <= options.within; });
      const bool too_often = within > static_cast<std::ptrdiff_t>(options.max_restarts);
      ASSERT_EQ(supervisor.take(E::exit, boot()), too_often ? A::probe : A::wait) << round << i;
      (too_often ? often : seldom)++;
    }
  }
  EXPECT_GT(often, 1000U);
  EXPECT_GT(seldom, 1000U);
}

}  // namespace
}  // namespace tallyman::agent
