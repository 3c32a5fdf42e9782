#include "agent/instance/succession.hpp"

#include <array>
#include <optional>

namespace tallyman::agent {
namespace {

using P = SuccessorPhase;
using A = SuccessorAction;

using Cell = std::optional<Succession>;  // nothing = the event means nothing here

struct Row {
  Cell offer{}, described{}, free{}, created{}, outdated{}, poll{}, good{}, bad{}, slow{},
      withdraw{}, orphaned{};
};

constexpr Cell kRenew{{P::loading, A::renew}};
constexpr Cell kRefuse{{P::none, A::refuse}};
constexpr Cell kDrop{{P::none, A::drop}};
constexpr Cell kHandOver{{P::none, A::hand_over}};

constexpr Row kNone{.offer = {{P::loading, A::spawn}}};
constexpr Row kLoading{.offer = kRenew,
                       .described = {{P::loaded, A::hold}},
                       .bad = kRefuse,
                       .withdraw = kDrop,
                       .orphaned = kHandOver};
constexpr Row kLoaded{.offer = kRenew,
                      .free = {{P::creating, A::create}},
                      .bad = kRefuse,
                      .withdraw = kDrop,
                      .orphaned = kHandOver};
constexpr Row kCreating{.offer = kRenew,
                        .created = {{P::ready, A::hold}},
                        .outdated = {{P::stale, A::none}},
                        .bad = kRefuse,
                        .withdraw = kDrop,
                        .orphaned = kHandOver};
constexpr Row kStale{.offer = kRenew,
                     .created = {{P::loaded, A::hold}},
                     .bad = kRefuse,
                     .withdraw = kDrop,
                     .orphaned = kDrop};
constexpr Row kReady{.offer = kRenew,
                     .outdated = {{P::loaded, A::hold}},
                     .poll = {{P::canary, A::poll}},
                     .bad = kRefuse,
                     .withdraw = kDrop,
                     .orphaned = kHandOver};
constexpr Row kCanary{
    .good = {{P::none, A::promote}}, .bad = kRefuse, .slow = kRenew, .withdraw = kDrop};

constexpr std::array<const Row*, kSuccessorPhases> kTable{
    &kNone, &kLoading, &kLoaded, &kCreating, &kStale, &kReady, &kCanary,
};

Cell Row::*column(SuccessorEvent event) {
  static constexpr std::array<Cell Row::*, kSuccessorEvents> kColumns{
      &Row::offer, &Row::described, &Row::free, &Row::created,  &Row::outdated, &Row::poll,
      &Row::good,  &Row::bad,       &Row::slow, &Row::withdraw, &Row::orphaned,
  };
  return kColumns[static_cast<std::size_t>(event)];
}

}  // namespace

Succession succession(SuccessorPhase phase, SuccessorEvent event) {
  const Cell& cell = kTable[static_cast<std::size_t>(phase)]->*column(event);
  return cell.value_or(Succession{phase, A::none});
}

const char* successor_phase_name(SuccessorPhase phase) {
  static constexpr std::array<const char*, kSuccessorPhases> kNames{
      "none", "loading", "loaded", "creating", "stale", "ready", "canary",
  };
  return kNames[static_cast<std::size_t>(phase)];
}

}  // namespace tallyman::agent
