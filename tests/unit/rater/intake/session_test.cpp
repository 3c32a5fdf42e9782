#include "rater/intake/session.hpp"

#include <gtest/gtest.h>

namespace tallyman::rater {
namespace {

constexpr std::uint64_t kLedger = 42;

wire::Hello hello(wire::Token token, std::uint64_t ledger = kLedger) {
  wire::Hello out;
  out.agent = "stor-01";
  out.token = token;
  out.ledger = ledger;
  return out;
}

// Given every token from none to beyond the newest, with every fence, known or new incarnation, and
// a namesake that spoke just now, long ago or never, then the verdict is what the rule in words
// says.
TEST(Hello, EveryTokenAgainstEveryFence) {
  for (wire::Token used = 0; used <= 5; ++used) {
    for (wire::Token issued = used; issued <= 6; ++issued) {
      for (wire::Token token = 0; token <= 8; ++token) {
        for (const bool known : {false, true}) {
          for (const Ns quiet : {Ns{-1}, Ns{0}, kQuietBeforeNewState}) {
            HelloState state{kLedger, Fence{issued, used}, known, {}};
            if (quiet >= 0) state.quiet = quiet;
            const HelloVerdict verdict = judge_hello(hello(token), state);
            const bool newer = token > issued;
            const bool current = token >= used && token <= issued;
            const bool lost_state = token == 0 && !known && used > 0;
            const bool namesake = quiet == 0;
            SCOPED_TRACE(testing::Message() << "used " << used << " issued " << issued << " token "
                                            << token << " known " << known << " quiet " << quiet);
            EXPECT_EQ(verdict.accepted, newer || current || (lost_state && !namesake));
            if (verdict.accepted) {
              EXPECT_EQ(verdict.token, std::max(issued, token) + 1);
            } else {
              EXPECT_EQ(verdict.why, lost_state ? wire::Refusal::busy : wire::Refusal::fenced);
            }
          }
        }
      }
    }
  }
}

// Given an agent that was never heard of, then it is welcome with whatever token it holds, and gets
// the next one.
TEST(Hello, FirstHello) {
  for (const wire::Token token : {wire::Token{0}, wire::Token{7}}) {
    const HelloVerdict verdict = judge_hello(hello(token, 0), {kLedger, {}, false, {}});
    EXPECT_TRUE(verdict.accepted);
    EXPECT_EQ(verdict.token, token + 1);
  }
}

// Given an agent of another ledger, then it is refused whatever its token is.
TEST(Hello, OtherLedger) {
  for (wire::Token token = 0; token < 4; ++token) {
    const HelloVerdict verdict = judge_hello(hello(token, 43), {kLedger, Fence{2, 2}, true, {}});
    EXPECT_FALSE(verdict.accepted);
    EXPECT_EQ(verdict.why, wire::Refusal::other_ledger);
  }
}

// Given an agent that somebody lets come over, then it is accepted with any token and any fence,
// and is given one beyond both.
TEST(Hello, AMoveIsAccepted) {
  for (wire::Token token = 0; token < 5; ++token) {
    for (const auto& fence : {std::optional<Fence>{}, std::optional<Fence>{Fence{3, 3}}}) {
      const HelloVerdict verdict =
          judge_hello(hello(token, 43), {kLedger, fence, true, Ns{0}, true});
      EXPECT_TRUE(verdict.accepted);
      EXPECT_GT(verdict.token, token);
      EXPECT_GT(verdict.token, fence.value_or(Fence{}).issued);
      EXPECT_FALSE(verdict.note.empty());
    }
  }
}

// Given a token that no rater could have given out, then it is refused: none could be above it.
TEST(Hello, TokensAreBounded) {
  const HelloVerdict verdict = judge_hello(hello(~wire::Token{0}), {kLedger, {}, false, {}});
  EXPECT_FALSE(verdict.accepted);
  EXPECT_EQ(verdict.why, wire::Refusal::malformed);
}

// Given two copies of one state that say hello in any order of ten words and send data when they
// may, then only one of the two ever sends, and no token is given to both.
TEST(Hello, OnlyOneOfTwoCopiesEverSends) {
  for (unsigned script = 0; script < (1U << 20U); script += 7) {
    Fence fence{3, 3};
    wire::Token held[2] = {3, 3}, session[2] = {0, 0};
    int sender = -1;
    for (unsigned step = 0; step < 10; ++step) {
      const unsigned who = script >> (2 * step) & 1U;
      if ((script >> (2 * step + 1) & 1U) != 0) {
        const HelloVerdict verdict = judge_hello(hello(held[who]), {kLedger, fence, true, {}});
        if (!verdict.accepted) continue;
        fence.issued = verdict.token;
        held[who] = session[who] = verdict.token;
      } else if (judge_token(session[who], session[who], fence) == TokenVerdict::good) {
        fence.used = session[who];
        if (sender < 0) sender = static_cast<int>(who);
        EXPECT_EQ(sender, static_cast<int>(who)) << "both copies sent, script " << script;
      }
    }
    EXPECT_FALSE(held[0] == held[1] && held[0] != 3) << "two copies hold one token";
  }
}

// Given tokens around the current one, then only the newest, in its own session, may send.
TEST(Token, OnlyTheNewestIsGood) {
  const Fence fence{5, 3};
  EXPECT_EQ(judge_token(5, 5, fence), TokenVerdict::good);
  EXPECT_EQ(judge_token(4, 4, fence), TokenVerdict::superseded);
  EXPECT_EQ(judge_token(3, 3, fence), TokenVerdict::superseded);
  EXPECT_EQ(judge_token(2, 2, fence), TokenVerdict::fenced);
  EXPECT_EQ(judge_token(5, 4, fence), TokenVerdict::superseded);
  EXPECT_EQ(judge_token(6, 6, fence), TokenVerdict::superseded);
}

// Given names of all kinds, then only those that can stand in a path, a label and a routing key are
// agent ids.
TEST(AgentId, LettersDigitsAndFewMarks) {
  for (const char* good : {"stor-01", "a", "rack3.stor_1", "10.0.0.1:5"}) {
    EXPECT_TRUE(is_agent_id(good)) << good;
  }
  for (const char* bad : {"", "-x", ".x", "a b", "a/b", "ä", "a\n", "a%b"}) {
    EXPECT_FALSE(is_agent_id(bad)) << bad;
  }
  EXPECT_FALSE(is_agent_id(std::string(129, 'a')));
}

}  // namespace
}  // namespace tallyman::rater
