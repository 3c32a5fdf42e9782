#include "rater/intake/session.hpp"

#include <fmt/core.h>

#include "base/time_text.hpp"

namespace tallyman::rater {
namespace {

HelloVerdict refuse(wire::Refusal why, std::string text) {
  HelloVerdict out;
  out.why = why;
  out.text = std::move(text);
  return out;
}

HelloVerdict accept(wire::Token token, std::string note = {}) {
  HelloVerdict out;
  out.accepted = true;
  out.token = token;
  out.note = std::move(note);
  return out;
}

}  // namespace

HelloVerdict judge_hello(const wire::Hello& hello, const HelloState& state) {
  if (!is_agent_id(hello.agent)) {
    return refuse(wire::Refusal::malformed,
                  "not an agent id; use letters, digits, '.', '_', '-' and ':'");
  }
  if (hello.token > kMaxNumber) {
    return refuse(wire::Refusal::malformed, "no rater gives out such a token");
  }
  if (hello.ledger != 0 && hello.ledger != state.ledger) {
    return refuse(wire::Refusal::other_ledger,
                  fmt::format("the agent belongs to ledger {:016x}, this is {:016x}", hello.ledger,
                              state.ledger));
  }
  if (!state.fence) {
    return accept(hello.token + 1,
                  hello.token == 0 ? "" : "it held a token that this ledger never gave out");
  }
  const Fence& fence = *state.fence;
  if (hello.token > fence.issued) {
    return accept(hello.token + 1, "its token is newer than the ledger: was a backup restored?");
  }
  if (hello.token >= fence.used) return accept(fence.issued + 1);
  if (hello.token != 0 || state.incarnation_known) {
    return refuse(wire::Refusal::fenced,
                  fmt::format("token {} came, but data came with token {} already: the state of "
                              "'{}' exists twice",
                              hello.token, fence.used, hello.agent));
  }
  if (state.quiet && *state.quiet < kQuietBeforeNewState) {
    return refuse(wire::Refusal::busy,
                  fmt::format("another '{}' spoke less than {} ago; give this host its own agent "
                              "id, or stop the other one",
                              hello.agent, to_duration_text(kQuietBeforeNewState)));
  }
  return accept(fence.issued + 1, "it has lost its state and begins a new stream");
}

TokenVerdict judge_token(wire::Token message, wire::Token session, const Fence& fence) {
  if (message == session && session == fence.issued) return TokenVerdict::good;
  return message < fence.used ? TokenVerdict::fenced : TokenVerdict::superseded;
}

}  // namespace tallyman::rater
