#include "agent/link/link_state.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace tallyman::agent {
namespace {

using What = LinkEffect::What;
using wire::Refusal;

class LinkStateTest : public testing::Test {
 protected:
  static bool has(const LinkEffects& effects, What what) {
    return std::any_of(effects.begin(), effects.end(),
                       [&](const LinkEffect& effect) { return effect.what == what; });
  }
  LinkEffects hear(const wire::RaterMessage& message) {
    return link_.on_message(message, facts_, now_, wall_);
  }
  LinkEffects expire() {
    now_ = link_.timer();
    return link_.on_timer(now_);
  }
  static wire::Welcome welcome(std::uint64_t mark = 0, std::uint8_t hash = 0) {
    wire::Welcome welcome;
    welcome.ledger = 11;
    welcome.token = 5;
    welcome.mark = mark;
    welcome.mark_hash = hash_with(hash);
    welcome.credit = 1000;
    return welcome;
  }
  static Hash hash_with(std::uint8_t byte) {
    Hash hash{};
    hash[0] = byte;
    return hash;
  }
  void connect() {
    link_.start(now_);
    hear(welcome());
    ASSERT_EQ(link_.phase(), LinkPhase::connected);
  }

  LinkTimes times_;
  LinkState link_{2, times_};
  LinkFacts facts_{0, 0, 10, 0, 7, {}};
  Ns now_ = kSecond;
  Ns wall_ = 1000 * kSecond;
};

// Given no rater, then nothing is ever sent, and status says why.
TEST(LinkState, without_a_rater_is_off) {
  LinkState link(0, {});
  EXPECT_TRUE(link.start(0).empty());
  EXPECT_EQ(link.phase(), LinkPhase::off);
  EXPECT_FALSE(link.why().empty());
  EXPECT_FALSE(link.may_send(0));
}

// Given a welcome, then token and ledger are made durable before the first definition or batch.
TEST_F(LinkStateTest, holds_the_token_before_it_sends) {
  EXPECT_EQ(link_.start(now_), (LinkEffects{{What::connect, 0}, {What::hello}}));
  wire::Welcome answer = welcome(3, 1);
  answer.highest_definition = 4;
  facts_.mark_hash = hash_with(1);
  EXPECT_EQ(hear(answer), (LinkEffects{{What::hold, 11, 5},
                                       {What::acknowledge, 3, 0, {}, 0, hash_with(1)},
                                       {What::definitions, 5},
                                       {What::send}}));
  EXPECT_EQ(link_.sent_up_to(), 3U);
}

// Given a rater that holds less than it acknowledged once, then the spool goes back to its mark
// before anything is sent.
TEST_F(LinkStateTest, a_restored_rater_gets_it_again) {
  link_.start(now_);
  facts_.acknowledged = 8;
  wire::Welcome answer = welcome(3, 1);
  answer.slot = 300 * kSecond;
  const LinkEffects effects = hear(answer);
  ASSERT_EQ(effects.size(), 4U);
  EXPECT_EQ(effects[0], (LinkEffect{What::hold, 11, 5, {}, 300 * kSecond, kNoHash}));
  EXPECT_EQ(effects[1], (LinkEffect{What::rewind, 3, 0, {}, 0, hash_with(1)}));
  EXPECT_EQ(link_.sent_up_to(), 3U);
}

// Given a rater that holds more than this spool ever sealed, or another batch under the same
// number, then a new incarnation begins and says hello, and nothing is dropped or sent before.
TEST_F(LinkStateTest, divergence_opens_a_new_incarnation) {
  link_.start(now_);
  EXPECT_TRUE(has(hear(welcome(11)), What::new_incarnation));
  EXPECT_NE(link_.note().find("diverged"), std::string::npos);
  EXPECT_FALSE(link_.may_send(1));
  EXPECT_TRUE(has(expire(), What::hello));
  facts_.mark_hash = hash_with(1);
  LinkEffects effects = hear(welcome(3, 2));
  EXPECT_TRUE(has(effects, What::new_incarnation));
  EXPECT_FALSE(has(effects, What::acknowledge));
}

// Given a rater that calls everything diverged, then incarnations do not multiply without end.
TEST_F(LinkStateTest, divergence_without_end_is_refused) {
  connect();
  int incarnations = 0;
  for (int i = 0; i < 20; i++) {
    incarnations += has(hear(wire::Refused{Refusal::diverged, "", 0, {}}), What::new_incarnation);
    expire();
    hear(welcome());
  }
  EXPECT_EQ(incarnations, 3);
}

// Given credit, then batches flow up to it and no further, but one larger than all of it goes
// alone.
TEST_F(LinkStateTest, keeps_within_its_credit) {
  connect();
  EXPECT_TRUE(link_.may_send(5000));
  EXPECT_TRUE(link_.may_send(600));
  link_.sent(1, 600, now_);
  EXPECT_FALSE(link_.may_send(401));
  EXPECT_TRUE(link_.may_send(400));
  link_.sent(2, 400, now_);
  EXPECT_FALSE(link_.may_send(1));
  EXPECT_EQ(hear(wire::Ack{1, {}, 1000, wall_}),
            (LinkEffects{{What::acknowledge, 1}, {What::send}}));
  EXPECT_TRUE(link_.may_send(600));
  EXPECT_EQ(link_.last_ack(), wall_);
}

// Given an acknowledgement of what was not sent, of another batch, or that takes one back, then
// nothing is trimmed.
TEST_F(LinkStateTest, believes_no_impossible_acknowledgement) {
  connect();
  link_.sent(1, 10, now_);
  EXPECT_TRUE(hear(wire::Ack{2, {}, 1000, wall_}).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::disconnected);
  expire();
  hear(welcome());
  link_.sent(1, 10, now_);
  facts_.mark_hash = hash_with(1);
  EXPECT_FALSE(has(hear(wire::Ack{1, hash_with(2), 1000, wall_}), What::acknowledge));
}

// Given silence, then the hello is repeated over a new socket to the next rater in turn.
TEST_F(LinkStateTest, silence_moves_on_to_the_next_rater) {
  link_.start(now_);
  EXPECT_TRUE(expire().empty());
  EXPECT_EQ(expire(), (LinkEffects{{What::connect, 1}, {What::hello}}));
  hear(welcome());
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  link_.sent(1, 10, now_);
  Ns sent = now_;
  while (link_.phase() == LinkPhase::connected) expire();
  EXPECT_EQ(now_ - sent, times_.answer);
  EXPECT_EQ(expire(), (LinkEffects{{What::connect, 0}, {What::hello}}));
}

// Given nothing to send, then heartbeats go out, and a rater that answers them stays connected.
TEST_F(LinkStateTest, heartbeats_while_idle) {
  connect();
  int beats = 0;
  Ns end = now_ + kMinute;
  while (now_ < end) {
    if (has(expire(), What::heartbeat)) {
      beats++;
      hear(wire::Ack{0, {}, 1000, wall_ + 2 * kSecond});
    }
  }
  EXPECT_EQ(beats, 12);
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  EXPECT_EQ(link_.clock_offset(), 2 * kSecond);
}

// Given each refusal, then it is answered as its meaning asks: hello again, wait, or a new
// incarnation; and its words are shown.
TEST_F(LinkStateTest, answers_each_refusal) {
  struct Case {
    Refusal why;
    LinkPhase phase;
    Ns wait;
  };
  for (const Case& c : {Case{Refusal::no_session, LinkPhase::disconnected, times_.retry_min},
                        Case{Refusal::out_of_order, LinkPhase::disconnected, times_.retry_min},
                        Case{Refusal::malformed, LinkPhase::disconnected, times_.retry_min},
                        Case{Refusal::busy, LinkPhase::disconnected, times_.busy},
                        Case{Refusal::fenced, LinkPhase::refused, times_.refused},
                        Case{Refusal::other_ledger, LinkPhase::refused, times_.refused},
                        Case{Refusal::revoked, LinkPhase::refused, times_.refused},
                        Case{Refusal::other_agent, LinkPhase::refused, times_.refused},
                        Case{Refusal::pending, LinkPhase::refused, times_.pending}}) {
    link_ = LinkState(1, times_);
    connect();
    EXPECT_TRUE(hear(wire::Refused{c.why, "the reason", 0, {}}).empty());
    EXPECT_EQ(link_.phase(), c.phase);
    EXPECT_EQ(link_.timer() - now_, c.wait);
    EXPECT_NE(link_.why().find("the reason"), std::string::npos);
    EXPECT_EQ(expire(), LinkEffects{{What::hello}});
  }
}

// Given a rater of another ledger, or a welcome without a token, then nothing is sent to it.
TEST_F(LinkStateTest, another_ledger_gets_nothing) {
  facts_.ledger = 12;
  link_.start(now_);
  EXPECT_TRUE(hear(welcome()).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::refused);
  facts_.ledger = 0;
  expire();
  wire::Welcome bare = welcome();
  bare.token = 0;
  EXPECT_TRUE(hear(bare).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::disconnected);
}

// Given an agent that somebody moved here from the ledger it belongs to, and that has batches which
// the other one acknowledged, then a new incarnation begins and says hello, and only then token and
// ledger are held; one that was moved from elsewhere gets nothing.
TEST_F(LinkStateTest, a_move_begins_a_new_incarnation) {
  facts_.ledger = 12;
  facts_.acknowledged = 4;
  link_.start(now_);
  wire::Welcome here = welcome();
  here.moved_from = 12;
  const LinkEffects first = hear(here);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].what, What::new_incarnation);
  EXPECT_FALSE(link_.may_send(1));
  facts_.acknowledged = 0;
  EXPECT_EQ(expire(), LinkEffects{{What::hello}});
  EXPECT_EQ(hear(here), (LinkEffects{{What::hold, 11, 5}, {What::definitions, 1}, {What::send}}));
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  link_ = LinkState(1, times_);
  link_.start(now_);
  here.moved_from = 13;
  EXPECT_TRUE(hear(here).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::refused);
}

// Given a rater that holds less than it acknowledged before, then that is told, and stays told.
TEST_F(LinkStateTest, a_restored_ledger_is_told) {
  facts_.acknowledged = 7;
  link_.start(now_);
  hear(welcome(7));
  EXPECT_TRUE(link_.note().empty());
  expire();
  link_ = LinkState(1, times_);
  link_.start(now_);
  hear(welcome(3));
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  EXPECT_NE(link_.note().find("restored"), std::string::npos) << link_.note();
}

// Given a rater that refuses and another one in the list, then the other one is asked next.
TEST_F(LinkStateTest, a_refusal_moves_on_to_the_next_rater) {
  link_.start(now_);
  EXPECT_TRUE(hear(wire::Refused{Refusal::revoked, "", 0, {}}).empty());
  EXPECT_EQ(expire(), (LinkEffects{{What::connect, 1}, {What::hello}}));
}

// Given a hello that the network doubled, then the later token is taken over, what was sent under
// the earlier one is sent again, and its refusals do not end the session.
TEST_F(LinkStateTest, a_doubled_hello_settles_on_the_later_token) {
  connect();
  facts_.token = 5;
  link_.sent(1, 10, now_);
  wire::Welcome later = welcome();
  later.token = 6;
  EXPECT_EQ(hear(later), (LinkEffects{{What::hold, 11, 6}, {What::definitions, 1}, {What::send}}));
  EXPECT_EQ(link_.sent_up_to(), 0U);
  facts_.token = 6;
  link_.sent(1, 10, now_);
  EXPECT_TRUE(hear(wire::Refused{Refusal::no_session, "superseded", 0, {}}).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  EXPECT_TRUE(has(hear(wire::Ack{1, {}, 1000, wall_}), What::acknowledge));
  EXPECT_TRUE(hear(later).empty()) << "the same welcome again";
  now_ += times_.answer;
  hear(wire::Refused{Refusal::no_session, "lost", 0, {}});
  EXPECT_EQ(link_.phase(), LinkPhase::disconnected);
}

// Given answers that come when none is awaited, then they change nothing.
TEST_F(LinkStateTest, stale_answers_are_ignored) {
  link_.start(now_);
  EXPECT_TRUE(hear(wire::Ack{5, {}, 1, 1}).empty());
  EXPECT_EQ(link_.phase(), LinkPhase::greeting);
  hear(welcome());
  facts_.token = 5;
  EXPECT_TRUE(hear(welcome(9)).empty());
  EXPECT_EQ(link_.sent_up_to(), 0U);
}

// Given an agent that may compress, then it does when the welcome grants it, and no longer once the
// connection is lost.
TEST_F(LinkStateTest, packs_when_the_rater_grants_it) {
  wire::Welcome granting = welcome();
  granting.can = 0xff;
  connect();
  hear(granting);
  EXPECT_EQ(link_.asks(), 0U);
  EXPECT_FALSE(link_.may_pack()) << "granted, and not asked for";
  link_ = LinkState(1, times_, wire::kPackedBatches);
  link_.start(now_);
  EXPECT_EQ(link_.asks(), wire::kPackedBatches);
  EXPECT_FALSE(link_.may_pack());
  hear(granting);
  EXPECT_TRUE(link_.may_pack());
  hear(wire::Refused{Refusal::no_session, "", 0, {}});
  EXPECT_FALSE(link_.may_pack());
  expire();
  hear(welcome());
  EXPECT_EQ(link_.phase(), LinkPhase::connected);
  EXPECT_FALSE(link_.may_pack()) << "asked for, and not granted";
}

// Given a rater that calls a hello with a wish, or a packed batch, malformed, then the next hello
// wishes nothing and batches go plain; a new connection may be to another rater and is asked again.
TEST_F(LinkStateTest, an_old_rater_gets_what_it_knows) {
  wire::Welcome granting = welcome();
  granting.can = wire::kPackedBatches;
  for (const bool greeted : {false, true}) {
    link_ = LinkState(1, times_, wire::kPackedBatches);
    link_.start(now_);
    if (greeted) hear(granting);
    EXPECT_EQ(link_.may_pack(), greeted);
    hear(wire::Refused{Refusal::malformed, "unknown type", 0, {}});
    EXPECT_EQ(expire(), LinkEffects{{What::hello}});
    EXPECT_EQ(link_.asks(), 0U);
    hear(granting);
    EXPECT_EQ(link_.phase(), LinkPhase::connected);
    EXPECT_FALSE(link_.may_pack());
    link_.sent(1, 100, now_);
    while (link_.phase() == LinkPhase::connected) expire();
    EXPECT_EQ(expire(), (LinkEffects{{What::connect, 0}, {What::hello}}));
    EXPECT_EQ(link_.asks(), wire::kPackedBatches);
  }
}

// Given a rater that calls the same batch malformed each time, then after three times the link is
// refused, names the batch, and is tried slowly; once the batch is taken all is well.
TEST_F(LinkStateTest, a_batch_nobody_can_read_is_told) {
  connect();
  for (int i = 1; i <= 4; i++) {
    link_.sent(1, 100, now_);
    hear(wire::Refused{Refusal::malformed, "bad page", 0, {}});
    EXPECT_EQ(link_.phase(), i < 3 ? LinkPhase::disconnected : LinkPhase::refused);
    if (i >= 3) {
      EXPECT_NE(link_.why().find("batch 1 "), std::string::npos) << link_.why();
      EXPECT_NE(link_.why().find("bad page"), std::string::npos) << link_.why();
      EXPECT_EQ(link_.timer(), now_ + times_.refused);
    }
    expire();
    hear(welcome());
    ASSERT_EQ(link_.phase(), LinkPhase::connected);
  }
  link_.sent(1, 100, now_);
  hear(wire::Ack{1, {}, 1000, wall_});
  link_.sent(2, 100, now_);
  hear(wire::Refused{Refusal::malformed, "bad page", 1, {}});
  EXPECT_EQ(link_.phase(), LinkPhase::disconnected);
}

}  // namespace
}  // namespace tallyman::agent
