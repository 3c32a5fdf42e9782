#pragma once
// Who may send: the rules of hello and of fencing tokens, pure.
//
// Every accepted hello is given the next token of its agent, and only the newest one may send data.
// A hello is accepted with any token from the newest one that data came with (`used`) to the newest
// one given out (`issued`): so an agent whose welcome was lost, even several times, comes back, and
// a half-open connection is no clone. Once data came with a newer token, an older one can only be
// in a copy of the agent's state: it is fenced. Two copies that hold the same token race, and the
// one that loses the race is fenced at its next word. Rejected: giving the same unused token out
// again (two copies could then both hold the current one), and letting a bare reconnection keep its
// token (a copy would pass for it).

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "rater/intake/intake.hpp"
#include "wire/message.hpp"

namespace tallyman::rater {

/// An agent that lost its state comes with a new incarnation and no token. It looks like a second
/// host with the same agent id; so nobody may have spoken in that agent's name for this long.
constexpr Ns kQuietBeforeNewState = 20 * kSecond;

/// What the rater knows when a hello comes.
struct HelloState {
  std::uint64_t ledger = 0;        ///< the rater's own
  std::optional<Fence> fence;      ///< of the agent; nothing = never heard of
  bool incarnation_known = false;  ///< the agent has a stream of this incarnation
  std::optional<Ns> quiet;  ///< since an agent of this name last spoke in a session; nothing =
                            ///< not since this rater runs
  bool moving = false;      ///< somebody lets the agent come over from another ledger
};

/// Accepted: the token to give out. Else the refusal.
struct HelloVerdict {
  bool accepted = false;
  wire::Token token = 0;
  wire::Refusal why = wire::Refusal::malformed;
  std::string text;
  std::string note;  ///< for the log: an accepted hello that a person should know of
};
[[nodiscard]] HelloVerdict judge_hello(const wire::Hello& hello, const HelloState& state);

enum class TokenVerdict {
  good,
  superseded,  ///< a newer one was given out, and not used yet: say hello again
  fenced,      ///< a newer one was used
};
/// A message's token, in a session that was given `session`.
[[nodiscard]] TokenVerdict judge_token(wire::Token message, wire::Token session,
                                       const Fence& fence);

/// What a hello under a key that nobody approved is told; `taken`: its agent has another key.
[[nodiscard]] std::string pending_text(const std::string& agent, const std::string& key,
                                       bool taken);
[[nodiscard]] std::string revoked_text(const std::string& agent, const std::string& key);

using wire::is_agent_id;

}  // namespace tallyman::rater
