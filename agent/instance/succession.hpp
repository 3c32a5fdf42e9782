#pragma once
// How another version of a plugin takes over from the one that runs, as a table of states × events.
// Pure: the caller does what the returned action says, and feeds what happens back.
//
// The running version polls instant N and saves. The successor, loaded beside it by then, is
// created with what was saved, and polls instant N+1 first, within half the deadline: the canary.
// If that is good, its readings are the poll and the former version retires unpolled; if not, the
// former one polls N+1 in the other half and goes on. A canary that only took too long says little
// of its version on a machine that stalls: it is begun with anew a few times, and then refused.

#include <cstddef>
#include <cstdint>

namespace tallyman::agent {

enum class SuccessorPhase : std::uint8_t {
  none,      ///< nobody is to take over
  loading,   ///< its process runs; its declaration is awaited
  loaded,    ///< it fits; it is created once no poll is under way
  creating,  ///< being created with the last state there is
  stale,     ///< the same, but meanwhile there is a later state: it is created anew with that
  ready,     ///< created with the last state: it polls the next instant first
  canary,    ///< polls; the former version waits
};
constexpr std::size_t kSuccessorPhases = 7;

enum class SuccessorEvent : std::uint8_t {
  offer,      ///< another version is to take over
  described,  ///< it is loaded, its options and needs are in order
  free,       ///< no poll of the running version is under way: what it saved last is known
  created,
  outdated,  ///< the running version saved again; told of stateful successors only
  poll,      ///< an instant is due
  good,      ///< its poll is good
  bad,       ///< it crashed, hung, refused, wrote garbage or broke a limit, at any time
  slow,      ///< its poll took too long, for the first times
  withdraw,  ///< nobody is to take over any more
  orphaned,  ///< the running version ended by itself: it need not be waited for
};
constexpr std::size_t kSuccessorEvents = 11;

enum class SuccessorAction : std::uint8_t {
  none,
  spawn,      ///< start its process, and the timer of the start's deadline
  renew,      ///< kill what runs, then as spawn
  create,     ///< send Configure, and start that timer again
  hold,       ///< drop the timer: it waits for an instant
  poll,       ///< send the poll
  promote,    ///< it is the running version from now on
  hand_over,  ///< it becomes the start of the instance, as far as it has come
  refuse,     ///< kill it; it is not tried again by itself
  drop,       ///< kill it
};

struct Succession {
  SuccessorPhase next;
  SuccessorAction action;
  friend bool operator==(const Succession&, const Succession&) = default;
};

/// The table itself. An event that means nothing in a state leaves it, with action none.
[[nodiscard]] Succession succession(SuccessorPhase phase, SuccessorEvent event);

/// "loading", "canary" …: as status and messages say it.
[[nodiscard]] const char* successor_phase_name(SuccessorPhase phase);

}  // namespace tallyman::agent
