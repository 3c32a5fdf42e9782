// Given a broker that confirms, refuses, blocks or goes away, then each message is where it
// belongs, and the state says what is wrong.

#include "rater/bus/publisher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = BrokerEvent::Kind;

class Publishing : public ::testing::Test {
 protected:
  void open() {
    ASSERT_TRUE(publisher_.node_to_try(now_));
    publisher_.opened(now_);
  }
  void submit(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) publisher_.submit({id, "v1.record.m.c", "{}"});
  }
  /// As the thread does; what is wanted is submitted again, as the outbox does.
  std::vector<std::string> send() {
    std::vector<std::string> out;
    (void)publisher_.has_to_send(now_);
    submit(publisher_.wanted(100));
    while (const BusMessage* message = publisher_.next_to_send(now_)) out.push_back(message->id);
    return out;
  }
  void take(Kind kind, std::uint64_t tag, bool multiple = false) {
    const auto wrong = publisher_.take({kind, tag, multiple, {}, {}}, now_);
    EXPECT_FALSE(wrong) << wrong->error.text();
  }
  void give_back(const std::string& id) {
    EXPECT_FALSE(publisher_.take({Kind::returned, 0, false, id, "312 NO_ROUTE"}, now_));
  }
  void lose(const std::string& why, bool refused = false) {
    publisher_.lost({{why, "", ""}, refused}, now_);
  }
  std::string state() { return publisher_.state(now_).name; }

  Ns now_ = kHour;
  Publisher publisher_{{.nodes = 2, .most = 4}};
};

TEST_F(Publishing, ConfirmsOutOfOrderAreToldOnce) {
  open();
  submit({"a", "b", "c"});
  EXPECT_THAT(send(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(publisher_.state(now_).in_flight, 3U);
  EXPECT_EQ(publisher_.state_of("b"), "in flight");
  take(Kind::acked, 3);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("c"));
  take(Kind::acked, 3);
  EXPECT_THAT(publisher_.take_confirmed(), IsEmpty());
  take(Kind::acked, 2, true);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("a", "b"));
  EXPECT_EQ(publisher_.state_of("b"), "");
}

TEST_F(Publishing, HoldsNoMoreThanItMay) {
  EXPECT_EQ(publisher_.room(), 4U);
  submit({"a", "b", "c", "d"});
  EXPECT_EQ(publisher_.room(), 0U);
  submit({"d"});
  open();
  EXPECT_THAT(send(), ElementsAre("a", "b", "c", "d")) << "the same id is the same message";
  take(Kind::acked, 0, true);
  EXPECT_EQ(publisher_.room(), 4U);
  Publisher small({.most = 4, .most_bytes = 3});
  small.submit({"a", "k", "1234"});
  EXPECT_EQ(small.room(), 0U);
}

TEST_F(Publishing, WhatIsReturnedIsNotConfirmedByTheAckThatFollows) {
  open();
  submit({"a", "b"});
  send();
  give_back("a");
  take(Kind::acked, 2, true);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("b"));
  EXPECT_EQ(state(), "returned");
  EXPECT_EQ(publisher_.state(now_).detail, "returned: 312 NO_ROUTE");
  EXPECT_EQ(publisher_.state_of("a"), "returned: 312 NO_ROUTE");
  EXPECT_THAT(send(), IsEmpty());
  now_ = publisher_.next_at();
  EXPECT_THAT(send(), ElementsAre("a"));
  EXPECT_EQ(state(), "returned") << "until it was taken";
  take(Kind::acked, 3);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("a"));
  EXPECT_EQ(state(), "connected");
}

TEST_F(Publishing, WhatIsNackedGoesAgainLaterOrWhenAsked) {
  open();
  submit({"a"});
  send();
  take(Kind::nacked, 1);
  EXPECT_EQ(state(), "nacked");
  EXPECT_THAT(send(), IsEmpty());
  const Ns first = publisher_.next_at() - now_;
  publisher_.retry(now_);
  EXPECT_THAT(send(), ElementsAre("a"));
  take(Kind::nacked, 2);
  EXPECT_EQ(publisher_.next_at() - now_, 2 * first) << "the pause grows";
}

TEST_F(Publishing, ALostConnectionSendsAgainWhatNobodyConfirmed) {
  open();
  submit({"a", "b", "c"});
  send();
  give_back("c");
  take(Kind::acked, 2);
  lose("connection reset");
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("b"));
  EXPECT_EQ(state(), "down");
  EXPECT_EQ(publisher_.state(now_).detail, "connection reset");
  submit({"d"});
  EXPECT_THAT(send(), IsEmpty());
  EXPECT_EQ(publisher_.node_to_try(now_), 1U) << "the other node, at once";
  publisher_.opened(now_);
  EXPECT_EQ(state(), "connected");
  EXPECT_EQ(publisher_.state_of("a"), "sent, and not answered");
  EXPECT_EQ(publisher_.state_of("d"), "waiting");
  EXPECT_THAT(send(), ElementsAre("a", "c", "d")) << "in their old places";
  EXPECT_EQ(publisher_.state(now_).repeated, 2U);
  take(Kind::acked, 0, true);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("a", "c", "d"))
      << "returned on the lost link says nothing of this one";
}

TEST_F(Publishing, EachNodeIsTriedInTurnWithPausesThatGrow) {
  EXPECT_EQ(state(), "connecting");
  Ns longest = 0;
  for (std::size_t n = 0; n < 40; ++n) {
    now_ = std::max(now_, publisher_.next_at());
    ASSERT_EQ(publisher_.node_to_try(now_), n % 2);
    ASSERT_EQ(publisher_.node_to_try(now_), std::nullopt) << "one at a time";
    lose("connection refused");
    longest = std::max(longest, publisher_.next_at() - now_);
  }
  EXPECT_EQ(state(), "down");
  EXPECT_EQ(longest, 30 * kSecond);
  publisher_.retry(now_);
  EXPECT_TRUE(publisher_.node_to_try(now_)) << "people need not wait";
}

/// Given a link that opens and dies before it confirms anything, then it is not tried without end.
TEST_F(Publishing, OnlyALinkThatDidItsWorkEndsThePauses) {
  Ns pause = 0;
  for (int n = 0; n < 20; ++n) {
    now_ = std::max(now_, publisher_.next_at());
    open();
    submit({"a"});
    send();
    lose("404 NOT_FOUND", true);
    EXPECT_EQ(state(), "refused");
    pause = publisher_.next_at() - now_;
  }
  EXPECT_GE(pause, 10 * kSecond);
  now_ = publisher_.next_at();
  open();
  send();
  take(Kind::acked, 1);
  lose("connection reset");
  EXPECT_EQ(publisher_.next_at(), now_) << "the other node, at once";
}

TEST_F(Publishing, NothingIsSentToABrokerThatBlocks) {
  open();
  submit({"a", "b"});
  ASSERT_NE(publisher_.next_to_send(now_), nullptr);
  EXPECT_FALSE(publisher_.take({Kind::blocked, 0, false, {}, "low on memory"}, now_));
  EXPECT_EQ(state(), "blocked");
  EXPECT_EQ(publisher_.state(now_).detail, "low on memory");
  EXPECT_THAT(send(), IsEmpty());
  now_ += kHour;
  publisher_.heard(now_);
  EXPECT_FALSE(publisher_.check(now_)) << "it may block for as long as it likes";
  take(Kind::acked, 1);
  EXPECT_FALSE(publisher_.take({Kind::unblocked, 0, false, {}, {}}, now_));
  EXPECT_THAT(send(), ElementsAre("b"));
}

/// Given more messages that nobody wants than may be in flight, then they take no room from the
/// others, and come back from the outbox when their time is there, in their old order.
TEST_F(Publishing, WhatIsHeldTakesNoRoom) {
  open();
  for (int round = 0; round < 10; ++round) {
    const std::string n = std::to_string(round);
    ASSERT_EQ(publisher_.room(), 4U) << round;
    submit({"a" + n, "b" + n, "c" + n});
    EXPECT_EQ(send().size(), 3U);
    give_back("a" + n);
    give_back("b" + n);
    take(Kind::acked, 0, true);
    EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("c" + n));
  }
  EXPECT_EQ(publisher_.state(now_).held, 20U);
  EXPECT_THAT(publisher_.wanted(100), IsEmpty());
  now_ += kMinute;
  publisher_.heard(now_);
  (void)publisher_.has_to_send(now_);
  EXPECT_THAT(publisher_.wanted(3), ElementsAre("a0", "b0", "a1"));
  submit({"b0", "a0"});
  EXPECT_EQ(publisher_.wanted(100).size(), 18U);
  std::vector<std::string> sent;
  while (const BusMessage* message = publisher_.next_to_send(now_)) {
    EXPECT_EQ(message->body, "{}");
    sent.push_back(message->id);
  }
  EXPECT_THAT(sent, ElementsAre("a0", "b0"));
  take(Kind::acked, 0, true);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("a0", "b0"));
  publisher_.forget("a1");
  EXPECT_EQ(publisher_.state(now_).held, 17U);
  Publisher full({.most = 4, .most_held = 1});
  full.submit({"a", "k", "b"});
  ASSERT_TRUE(full.node_to_try(now_));
  full.opened(now_);
  ASSERT_NE(full.next_to_send(now_), nullptr);
  ASSERT_FALSE(full.take({Kind::nacked, 1, false, {}, {}}, now_));
  EXPECT_EQ(full.room(), 0U);
}

/// Given a message that is held while the broker goes away, then nothing is due before the next try
/// to connect: the thread would spin.
TEST_F(Publishing, WhatIsHeldWakesNobodyWithoutALink) {
  open();
  submit({"a"});
  send();
  give_back("a");
  take(Kind::acked, 1);
  for (int n = 0; n < 8; ++n) {
    lose("gone");
    now_ += kHour;
    ASSERT_TRUE(publisher_.node_to_try(now_));
    EXPECT_EQ(publisher_.next_at(), kNever) << "while it tries";
  }
  lose("gone");
  EXPECT_GT(publisher_.next_at(), now_);
}

/// Given a broker that takes all and confirms nothing, then the state says so, before it is left
/// and as long as it is given more patience, which people can take away again.
TEST_F(Publishing, SaysThatNothingIsConfirmed) {
  open();
  submit({"a"});
  send();
  EXPECT_EQ(state(), "connected");
  const auto starve = [&] {
    while (!publisher_.check(now_)) {
      now_ += kSecond;
      publisher_.heard(now_);
    }
  };
  now_ += 11 * kSecond;
  publisher_.heard(now_);
  EXPECT_EQ(state(), "unconfirmed");
  starve();
  publisher_.lost(*publisher_.check(now_), now_);
  now_ += kMinute;
  open();
  send();
  EXPECT_EQ(state(), "unconfirmed") << "it did not confirm before";
  publisher_.retry(now_);
  const Ns began = now_;
  starve();
  EXPECT_LE(now_ - began, kMinute + 2 * kSecond);
  publisher_.lost(*publisher_.check(now_), now_);
  now_ += kMinute;
  open();
  send();
  take(Kind::acked, 0, true);
  EXPECT_EQ(state(), "connected");
}

/// Given a link that is lost, then the node that is told with the reason is the one it was to, and
/// a refusal names what it was about.
TEST_F(Publishing, TellsWhichNodeWasLostAndOverWhat) {
  open();
  submit({"a"});
  send();
  const std::size_t node = publisher_.node();
  lose("403 ACCESS_REFUSED", true);
  EXPECT_EQ(publisher_.node(), node);
  EXPECT_THAT(publisher_.state(now_).detail, HasSubstr("v1.record.m.c"));
  EXPECT_NE(*publisher_.node_to_try(now_), node);
}

TEST_F(Publishing, ASilentBrokerIsGivenUp) {
  open();
  now_ += 20 * kSecond;
  EXPECT_FALSE(publisher_.check(now_));
  EXPECT_LE(publisher_.next_at(), now_);
  now_ += 1;
  ASSERT_TRUE(publisher_.check(now_));
  EXPECT_THAT(publisher_.check(now_)->error.what, HasSubstr("two heartbeats"));
  publisher_.heard(now_);
  EXPECT_FALSE(publisher_.check(now_));
}

TEST_F(Publishing, ABrokerThatConfirmsNothingIsLeftWithMorePatienceEachTime) {
  Ns patience = 0;
  for (int n = 0; n < 10; ++n) {
    now_ = std::max(now_, publisher_.next_at());
    open();
    submit({"a"});
    send();
    const Ns began = now_;
    while (!publisher_.check(now_)) {
      now_ += kSecond;
      publisher_.heard(now_);
    }
    EXPECT_GE(now_ - began, patience);
    patience = now_ - began;
    publisher_.lost(*publisher_.check(now_), now_);
  }
  EXPECT_GE(patience, kHour);
}

TEST_F(Publishing, WhatIsForgottenIsNeitherSentNorTold) {
  submit({"a", "b", "c"});
  publisher_.forget("a");
  open();
  EXPECT_THAT(send(), ElementsAre("b", "c"));
  publisher_.forget("b");
  take(Kind::acked, 2, true);
  EXPECT_THAT(publisher_.take_confirmed(), ElementsAre("c"));
  submit({"b"});
  EXPECT_THAT(send(), ElementsAre("b"));
  publisher_.forget_all();
  take(Kind::acked, 3);
  EXPECT_THAT(publisher_.take_confirmed(), IsEmpty());
}

TEST_F(Publishing, ABrokerThatConfirmsWhatItNeverGotIsWrong) {
  open();
  submit({"a"});
  send();
  for (const auto& [tag, multiple] : std::vector<std::pair<std::uint64_t, bool>>{
           {2, false}, {2, true}, {~0ULL, true}, {0, false}}) {
    EXPECT_TRUE(publisher_.take({Kind::acked, tag, multiple, {}, {}}, now_)) << tag;
    EXPECT_TRUE(publisher_.take({Kind::nacked, tag, multiple, {}, {}}, now_)) << tag;
  }
  give_back("never seen");
  EXPECT_THAT(publisher_.take_confirmed(), IsEmpty());
  lose("gone");
  EXPECT_TRUE(publisher_.take({Kind::acked, 1, false, {}, {}}, now_));
}

}  // namespace
}  // namespace tallyman::rater
