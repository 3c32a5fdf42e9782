#include "agent/instance/supervisor.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace tallyman::agent {
namespace {

using P = PluginPhase;
using E = PluginEvent;
using A = PluginAction;

constexpr std::array kPhases{P::disabled,
                             P::starting,
                             P::running,
                             P::overdue,
                             P::stopping,
                             P::restarting,
                             P::backoff,
                             P::failed,
                             P::quarantined,
                             P::ended,
                             P::unkillable,
                             P::unkillable_stopping,
                             P::unkillable_restarting};
constexpr std::array kEvents{E::enable,  E::hold,    E::hold_often, E::ready,      E::refuse,
                             E::overrun, E::garbage, E::exit,       E::exit_often, E::exit_final,
                             E::timer,   E::disable, E::recycle,    E::restart,    E::reset,
                             E::stuck,   E::replace};
static_assert(kPhases.size() == kPluginPhases && kEvents.size() == kPluginEvents);

// Given every state and every event, then the table is as listed here, and whatever is not listed
// changes nothing.
TEST(Supervisor, table_is_as_designed) {
  std::map<std::pair<P, E>, Transition> expected{
      {{P::disabled, E::enable}, {P::starting, A::spawn}},
      {{P::disabled, E::hold}, {P::backoff, A::wait}},
      {{P::disabled, E::hold_often}, {P::failed, A::probe}},
      {{P::disabled, E::disable}, {P::disabled, A::rest}},
      {{P::starting, E::ready}, {P::running, A::admit}},
      {{P::starting, E::refuse}, {P::quarantined, A::drop}},
      {{P::starting, E::overrun}, {P::overdue, A::kill}},
      {{P::starting, E::garbage}, {P::overdue, A::kill}},
      {{P::starting, E::exit}, {P::backoff, A::wait}},
      {{P::starting, E::exit_often}, {P::failed, A::probe}},
      {{P::starting, E::exit_final}, {P::ended, A::rest}},
      {{P::starting, E::restart}, {P::restarting, A::ask}},
      {{P::starting, E::timer}, {P::overdue, A::kill}},
      {{P::starting, E::disable}, {P::stopping, A::ask}},
      {{P::running, E::refuse}, {P::quarantined, A::drop}},
      {{P::running, E::overrun}, {P::overdue, A::kill}},
      {{P::running, E::garbage}, {P::overdue, A::kill}},
      {{P::running, E::exit}, {P::backoff, A::wait}},
      {{P::running, E::exit_often}, {P::failed, A::probe}},
      {{P::running, E::exit_final}, {P::ended, A::rest}},
      {{P::running, E::restart}, {P::restarting, A::ask}},
      {{P::running, E::disable}, {P::stopping, A::ask}},
      {{P::running, E::recycle}, {P::starting, A::spawn}},
      {{P::overdue, E::exit}, {P::backoff, A::wait}},
      {{P::overdue, E::exit_often}, {P::failed, A::probe}},
      {{P::overdue, E::exit_final}, {P::ended, A::rest}},
      {{P::overdue, E::restart}, {P::restarting, A::kill}},
      {{P::overdue, E::disable}, {P::stopping, A::kill}},
      {{P::stopping, E::enable}, {P::restarting, A::none}},
      {{P::stopping, E::exit_final}, {P::disabled, A::rest}},
      {{P::restarting, E::overrun}, {P::restarting, A::kill}},
      {{P::restarting, E::garbage}, {P::restarting, A::kill}},
      {{P::restarting, E::timer}, {P::restarting, A::kill}},
      {{P::restarting, E::exit}, {P::starting, A::spawn}},
      {{P::restarting, E::exit_often}, {P::starting, A::spawn}},
      {{P::restarting, E::exit_final}, {P::starting, A::spawn}},
      {{P::restarting, E::disable}, {P::stopping, A::none}},
      {{P::stopping, E::overrun}, {P::stopping, A::kill}},
      {{P::stopping, E::garbage}, {P::stopping, A::kill}},
      {{P::stopping, E::timer}, {P::stopping, A::kill}},
      {{P::stopping, E::exit}, {P::disabled, A::rest}},
      {{P::stopping, E::exit_often}, {P::disabled, A::rest}},
      {{P::backoff, E::timer}, {P::starting, A::spawn}},
      {{P::backoff, E::disable}, {P::disabled, A::rest}},
      {{P::backoff, E::restart}, {P::starting, A::spawn}},
      {{P::backoff, E::reset}, {P::starting, A::spawn}},
      {{P::failed, E::timer}, {P::starting, A::spawn}},
      {{P::failed, E::disable}, {P::disabled, A::rest}},
      {{P::failed, E::restart}, {P::starting, A::spawn}},
      {{P::failed, E::reset}, {P::starting, A::spawn}},
      {{P::quarantined, E::timer}, {P::starting, A::spawn}},
      {{P::quarantined, E::disable}, {P::disabled, A::rest}},
      {{P::quarantined, E::restart}, {P::starting, A::spawn}},
      {{P::quarantined, E::reset}, {P::starting, A::spawn}},
      {{P::starting, E::replace}, {P::running, A::admit}},
      {{P::running, E::replace}, {P::running, A::admit}},
      {{P::overdue, E::replace}, {P::running, A::admit}},
      {{P::backoff, E::replace}, {P::running, A::admit}},
      {{P::failed, E::replace}, {P::running, A::admit}},
      {{P::ended, E::replace}, {P::running, A::admit}},
      {{P::ended, E::disable}, {P::disabled, A::rest}},
      {{P::ended, E::restart}, {P::starting, A::spawn}},
      {{P::ended, E::reset}, {P::starting, A::spawn}},
      {{P::starting, E::stuck}, {P::unkillable_restarting, A::fence}},
      {{P::overdue, E::stuck}, {P::unkillable, A::fence}},
      {{P::stopping, E::stuck}, {P::unkillable_stopping, A::fence}},
      {{P::restarting, E::stuck}, {P::unkillable_restarting, A::fence}},
      {{P::unkillable, E::exit}, {P::backoff, A::wait}},
      {{P::unkillable, E::exit_often}, {P::failed, A::probe}},
      {{P::unkillable, E::exit_final}, {P::ended, A::rest}},
      {{P::unkillable, E::disable}, {P::unkillable_stopping, A::fence}},
      {{P::unkillable, E::restart}, {P::unkillable_restarting, A::fence}},
      {{P::unkillable_stopping, E::enable}, {P::unkillable_restarting, A::fence}},
      {{P::unkillable_stopping, E::exit}, {P::disabled, A::rest}},
      {{P::unkillable_stopping, E::exit_often}, {P::disabled, A::rest}},
      {{P::unkillable_stopping, E::exit_final}, {P::disabled, A::rest}},
      {{P::unkillable_restarting, E::disable}, {P::unkillable_stopping, A::fence}},
      {{P::unkillable_restarting, E::exit}, {P::starting, A::spawn}},
      {{P::unkillable_restarting, E::exit_often}, {P::starting, A::spawn}},
      {{P::unkillable_restarting, E::exit_final}, {P::starting, A::spawn}},
  };
  for (P phase : kPhases) {
    for (E event : kEvents) {
      auto found = expected.find({phase, event});
      Transition want = found == expected.end() ? Transition{phase, A::none} : found->second;
      EXPECT_EQ(transition(phase, event), want)
          << phase_name(phase) << " × " << static_cast<int>(event);
    }
  }
}

// Given any state, then disabling ends in `disabled` once the process has ended, and enabling from
// there starts it again: nothing is a dead end.
TEST(Supervisor, no_state_is_a_dead_end) {
  for (P phase : kPhases) {
    P at = transition(phase, E::disable).next;
    if (at == P::stopping || at == P::unkillable_stopping) at = transition(at, E::exit).next;
    EXPECT_EQ(at, P::disabled) << phase_name(phase);
    EXPECT_EQ(transition(at, E::enable).action, A::spawn);
  }
}

// Given a host that is recycled a hundred times, then it is never held back, and none of it counts
// as a restart or brings the first failure nearer to giving up.
TEST(Supervisor, recycling_is_no_failure) {
  Supervisor supervisor({}, Strategy::permanent, 42);
  EXPECT_EQ(supervisor.take(E::enable, 0), A::spawn);
  for (int i = 0; i < 100; i++) {
    EXPECT_EQ(supervisor.take(E::ready, i), A::admit);
    EXPECT_EQ(supervisor.take(E::recycle, i), A::spawn);
    EXPECT_EQ(supervisor.phase(), P::starting);
  }
  EXPECT_EQ(supervisor.restarts(), 0U);
  EXPECT_EQ(supervisor.take(E::exit, 100), A::wait);
}

// Given any state, then an operator's restart ends in `starting` once the process has ended, but
// where it is not wanted at all.
TEST(Supervisor, restart_starts_again) {
  for (P phase : kPhases) {
    if (phase == P::disabled || phase == P::stopping || phase == P::unkillable_stopping) continue;
    Transition to = transition(phase, E::restart);
    if (to.next == P::restarting || to.next == P::unkillable_restarting) {
      to = transition(to.next, E::exit_often);
    }
    EXPECT_EQ(to, (Transition{P::starting, A::spawn})) << phase_name(phase);
  }
}

// Given a process that cannot be killed, then whatever happens but its end, no other is started,
// and its end leads where it was bound for.
TEST(Supervisor, never_a_second_copy_of_an_unkillable) {
  for (P phase : {P::unkillable, P::unkillable_stopping, P::unkillable_restarting}) {
    for (E event : kEvents) {
      const Transition to = transition(phase, event);
      if (event == E::exit || event == E::exit_often || event == E::exit_final) {
        EXPECT_FALSE(is_unkillable(to.next));
      } else {
        EXPECT_TRUE(is_unkillable(to.next)) << static_cast<int>(event);
        EXPECT_TRUE(to.action == A::none || to.action == A::fence) << static_cast<int>(event);
      }
    }
    EXPECT_STREQ(phase_name(phase), "unkillable");
  }
}

// Given a poll over its deadline while a restart is asked for, or a stop, then the failure counts
// although another way out was taken.
TEST(Supervisor, what_was_killed_counts_whatever_follows) {
  for (E wish : {E::restart, E::disable}) {
    Supervisor supervisor({}, Strategy::permanent, 1);
    supervisor.take(E::enable, 0);
    supervisor.take(E::ready, 1);
    EXPECT_EQ(supervisor.take(E::overrun, 2), A::kill);
    EXPECT_TRUE(supervisor.blemished());
    EXPECT_EQ(supervisor.take(wish, 3), A::kill);
    EXPECT_EQ(supervisor.take(E::exit, 4), wish == E::restart ? A::spawn : A::rest);
    EXPECT_EQ(supervisor.memory(kMinute, 4).ends.size(), 1U);
    EXPECT_EQ(supervisor.memory(kMinute, 4).failures, 1U);
  }
}

// Given a hang that ends in the kernel much later, then it is one failure, not two.
TEST(Supervisor, an_end_after_a_kill_counts_once) {
  Supervisor supervisor({}, Strategy::permanent, 1);
  supervisor.take(E::enable, 0);
  supervisor.take(E::ready, 0);
  EXPECT_EQ(supervisor.take(E::overrun, 0), A::kill);
  EXPECT_EQ(supervisor.take(E::stuck, kSecond), A::fence);
  EXPECT_EQ(supervisor.take(E::exit, kHour), A::wait);
  EXPECT_EQ(supervisor.memory(kHour, kHour).failures, 1U);
  EXPECT_LE(supervisor.delay(), SupervisorOptions{}.backoff_min);
}

// Given a host that is replaced a hundred times by one that is proven, also while it starts anew,
// then that runs at once, and none of it counts as a failure or a restart.
TEST(Supervisor, being_replaced_is_no_failure) {
  Supervisor supervisor({}, Strategy::permanent, 42);
  supervisor.take(E::enable, 0);
  supervisor.take(E::ready, 0);
  for (int i = 1; i < 100; i++) {
    if (i % 3 == 0) supervisor.take(E::recycle, i);
    EXPECT_EQ(supervisor.take(E::replace, i), A::admit);
    EXPECT_EQ(supervisor.phase(), P::running);
  }
  EXPECT_FALSE(supervisor.blemished());
  EXPECT_EQ(supervisor.restarts(), 0U);
}

// Given a host that dies at once again and again, then each wait doubles up to its limit within its
// jitter, and after the allowed number of ends it is failed and only probed.
TEST(Supervisor, backs_off_and_gives_up) {
  SupervisorOptions options;
  options.max_restarts = 5;
  Supervisor supervisor(options, Strategy::permanent, 42);
  Ns now = 0;
  EXPECT_EQ(supervisor.take(E::enable, now), A::spawn);
  Ns full = options.backoff_min;
  for (int i = 0; i < 5; i++) {
    EXPECT_EQ(supervisor.take(E::exit, now), A::wait);
    EXPECT_LE(supervisor.delay(), full);
    EXPECT_GE(supervisor.delay(), full * 3 / 4);
    now += supervisor.delay();
    EXPECT_EQ(supervisor.take(E::timer, now), A::spawn);
    full *= 2;
  }
  EXPECT_EQ(supervisor.take(E::exit, now), A::probe);
  EXPECT_EQ(supervisor.phase(), P::failed);
  EXPECT_GE(supervisor.delay(), options.probe * 3 / 4);
  now += supervisor.delay();
  EXPECT_EQ(supervisor.take(E::timer, now), A::spawn);
  EXPECT_EQ(supervisor.restarts(), 6U);
}

// Given a host that dies now and then but polls well between, then it is forgiven and never failed.
TEST(Supervisor, proven_health_forgives) {
  SupervisorOptions options;
  Supervisor supervisor(options, Strategy::permanent, 1);
  supervisor.take(E::enable, 0);
  for (Ns now = 0; now < 100 * kSecond; now += kSecond) {
    supervisor.take(E::ready, now);
    for (unsigned i = 0; i < options.proven; i++) supervisor.good_poll();
    EXPECT_EQ(supervisor.take(E::exit, now), A::wait);
    EXPECT_LE(supervisor.delay(), options.backoff_min);
    supervisor.take(E::timer, now);
  }
}

// Given a host that polls well fewer times than prove it, then its failures still count.
TEST(Supervisor, a_single_good_poll_proves_nothing) {
  Supervisor supervisor({}, Strategy::permanent, 1);
  supervisor.take(E::enable, 0);
  bool failed = false;
  for (Ns now = 0; now < 100 * kSecond && !failed; now += kSecond) {
    supervisor.take(E::ready, now);
    supervisor.good_poll();
    failed = supervisor.take(E::exit, now) == A::probe;
    supervisor.take(E::timer, now);
  }
  EXPECT_TRUE(failed);
}

// Given the same seed, then the same delays; given others, then others: jitter is reproducible.
TEST(Supervisor, jitter_is_seeded) {
  auto delays = [](std::uint64_t seed) {
    Supervisor supervisor({}, Strategy::permanent, seed);
    supervisor.take(E::enable, 0);
    std::vector<Ns> found;
    for (int i = 0; i < 6; i++) {
      supervisor.take(E::exit, 0);
      found.push_back(supervisor.delay());
      supervisor.take(E::timer, 0);
    }
    return found;
  };
  EXPECT_EQ(delays(7), delays(7));
  EXPECT_NE(delays(7), delays(8));
}

}  // namespace
}  // namespace tallyman::agent
