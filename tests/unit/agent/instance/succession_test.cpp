#include "agent/instance/succession.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <optional>
#include <random>

namespace tallyman::agent {
namespace {

using P = SuccessorPhase;
using E = SuccessorEvent;
using A = SuccessorAction;

constexpr std::array kPhases{P::none,  P::loading, P::loaded, P::creating,
                             P::stale, P::ready,   P::canary};
constexpr std::array kEvents{E::offer, E::described, E::free, E::created,  E::outdated, E::poll,
                             E::good,  E::bad,       E::slow, E::withdraw, E::orphaned};
/// Those that lead on.
constexpr std::array kOnward{E::described, E::free, E::created, E::poll, E::good, E::outdated};
static_assert(kPhases.size() == kSuccessorPhases && kEvents.size() == kSuccessorEvents);

// Given every state and every event, then the table is as listed here, and whatever is not listed
// changes nothing.
TEST(Succession, table_is_as_designed) {
  std::map<std::pair<P, E>, Succession> expected{
      {{P::none, E::offer}, {P::loading, A::spawn}},
      {{P::loading, E::offer}, {P::loading, A::renew}},
      {{P::loading, E::described}, {P::loaded, A::hold}},
      {{P::loading, E::bad}, {P::none, A::refuse}},
      {{P::loading, E::withdraw}, {P::none, A::drop}},
      {{P::loading, E::orphaned}, {P::none, A::hand_over}},
      {{P::loaded, E::offer}, {P::loading, A::renew}},
      {{P::loaded, E::free}, {P::creating, A::create}},
      {{P::loaded, E::bad}, {P::none, A::refuse}},
      {{P::loaded, E::withdraw}, {P::none, A::drop}},
      {{P::loaded, E::orphaned}, {P::none, A::hand_over}},
      {{P::creating, E::offer}, {P::loading, A::renew}},
      {{P::creating, E::created}, {P::ready, A::hold}},
      {{P::creating, E::outdated}, {P::stale, A::none}},
      {{P::creating, E::bad}, {P::none, A::refuse}},
      {{P::creating, E::withdraw}, {P::none, A::drop}},
      {{P::creating, E::orphaned}, {P::none, A::hand_over}},
      {{P::stale, E::offer}, {P::loading, A::renew}},
      {{P::stale, E::created}, {P::loaded, A::hold}},
      {{P::stale, E::bad}, {P::none, A::refuse}},
      {{P::stale, E::withdraw}, {P::none, A::drop}},
      {{P::stale, E::orphaned}, {P::none, A::drop}},
      {{P::ready, E::offer}, {P::loading, A::renew}},
      {{P::ready, E::outdated}, {P::loaded, A::hold}},
      {{P::ready, E::poll}, {P::canary, A::poll}},
      {{P::ready, E::bad}, {P::none, A::refuse}},
      {{P::ready, E::withdraw}, {P::none, A::drop}},
      {{P::ready, E::orphaned}, {P::none, A::hand_over}},
      {{P::canary, E::good}, {P::none, A::promote}},
      {{P::canary, E::bad}, {P::none, A::refuse}},
      {{P::canary, E::slow}, {P::loading, A::renew}},
      {{P::canary, E::withdraw}, {P::none, A::drop}},
  };
  for (const P phase : kPhases) {
    for (const E event : kEvents) {
      const auto found = expected.find({phase, event});
      const Succession want = found == expected.end() ? Succession{phase, A::none} : found->second;
      EXPECT_EQ(succession(phase, event), want)
          << successor_phase_name(phase) << " × " << static_cast<int>(event);
    }
  }
}

// Given any state, then it can be withdrawn and refused, which ends what runs and leaves nobody.
TEST(Succession, nothing_is_left_of_what_is_not_wanted) {
  for (const P phase : kPhases) {
    if (phase == P::none) continue;
    EXPECT_EQ(succession(phase, E::withdraw), (Succession{P::none, A::drop}));
    EXPECT_EQ(succession(phase, E::bad), (Succession{P::none, A::refuse}));
  }
}

// Given random events in any order, then there is at most one process and there is one in every
// state but none, a poll is only ever sent to what was created with the last state there is, and
// what is created twice was never polled between.
TEST(Succession, never_polls_with_an_old_state) {
  std::mt19937_64 random(11);
  P phase = P::none;
  unsigned processes = 0, polls = 0, promoted = 0;
  unsigned saved = 0;                      // the last state there is
  std::optional<unsigned> asked, created;  // the state it is created with; was created with
  bool polled = false;
  for (int round = 0; round < 200'000; round++) {
    const bool onward = random() % 4 != 0;
    const E event =
        onward ? kOnward[random() % kOnward.size()] : kEvents[random() % kEvents.size()];
    if (event == E::outdated) saved++;
    if (event == E::created) {
      if (!asked) continue;  // no answer comes unasked
      created = std::exchange(asked, std::nullopt);
    }
    const Succession to = succession(phase, event);
    switch (to.action) {
      case A::none:
      case A::hold:
        break;
      case A::renew:
        processes--;
        [[fallthrough]];
      case A::spawn:
        processes++;
        asked = created = std::nullopt;
        polled = false;
        break;
      case A::create:
        ASSERT_FALSE(asked) << "asked while an answer is due";
        ASSERT_FALSE(polled);
        asked = saved;
        created.reset();
        break;
      case A::poll:
        ASSERT_EQ(created, saved);
        polled = true;
        polls++;
        break;
      case A::promote:
        ASSERT_TRUE(polled);
        promoted++;
        processes--;
        break;
      case A::hand_over:
        ASSERT_FALSE(polled);
        if (asked || created) {
          ASSERT_EQ(asked ? asked : phase == P::ready ? created : saved, saved);
        }
        processes--;
        break;
      case A::refuse:
      case A::drop:
        processes--;
        break;
    }
    phase = to.next;
    if (phase == P::none) asked = created = std::nullopt;
    ASSERT_EQ(processes, phase == P::none ? 0U : 1U);
  }
  EXPECT_GT(polls, 100U);
  EXPECT_GT(promoted, 10U);
}

}  // namespace
}  // namespace tallyman::agent
