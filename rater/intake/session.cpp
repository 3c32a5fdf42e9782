#include "rater/intake/session.hpp"

#include <fmt/core.h>

#include <algorithm>

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
    if (!state.moving) {
      return refuse(wire::Refusal::other_ledger,
                    fmt::format("the agent belongs to ledger {:016x}, this is {:016x}; to let it "
                                "come over: `tallyman-rater agent move {}`",
                                hello.ledger, state.ledger, hello.agent));
    }
    // Tokens of two ledgers say nothing of each other.
    return accept(std::max(hello.token, state.fence.value_or(Fence{}).issued) + 1,
                  fmt::format("it moves here from ledger {:016x}", hello.ledger));
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
                              "'{}' exists twice, or is an old copy; stop the other one, and to go "
                              "on with this: `tallyman-rater agent replace {}`",
                              hello.token, fence.used, hello.agent, hello.agent));
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

std::string pending_text(const std::string& agent, const std::string& key, bool taken) {
  if (taken) {
    return fmt::format(
        "'{0}' has another key here; if its host was rebuilt: `tallyman-rater agent "
        "replace {0} '{1}'`",
        agent, key);
  }
  return fmt::format("its key is not known yet: `tallyman-rater agent approve {}` (key {})", agent,
                     key);
}

std::string revoked_text(const std::string& agent, const std::string& key) {
  return fmt::format(
      "the key of '{0}' was revoked; to take that back: `tallyman-rater agent "
      "approve '{1}'`",
      agent, key);
}

}  // namespace tallyman::rater
