// Sessions of agents that come over CURVE: who may send is decided by the key, on every message.

#include <gtest/gtest.h>

#include "app/key.hpp"
#include "app/log.hpp"
#include "rater/intake/session_table.hpp"
#include "stream_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::StreamMaker;

const Bytes kPeer{1, 0, 0, 1}, kOther{1, 0, 0, 2};
const Decision kBy{"alice", "asked its owner"};

class KeyedSessions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::start(log::Level::error); }

  std::vector<wire::RaterMessage> send(const std::vector<app::Message>& messages) {
    std::vector<wire::RaterMessage> out;
    for (const app::Message& answer : table.handle(messages)) {
      out.push_back(*wire::decode_rater_message(answer.body));
    }
    return out;
  }
  std::vector<wire::RaterMessage> send(const Bytes& peer, const std::string& key,
                                       const wire::AgentMessage& message) {
    return send({{peer, wire::encode(message), key}});
  }
  template <typename T>
  T only(const std::vector<wire::RaterMessage>& answers) {
    EXPECT_EQ(answers.size(), 1U);
    if (answers.empty() || !std::holds_alternative<T>(answers[0])) {
      ADD_FAILURE() << "another answer";
      return {};
    }
    return std::get<T>(answers[0]);
  }
  wire::Hello hello(const StreamMaker& of, wire::Token token = 0) const {
    return {of.agent(), of.life(), token, 0, of.last(), clock.wall(), "test 1"};
  }
  wire::Refusal refusal(const std::vector<wire::RaterMessage>& answers) {
    return only<wire::Refused>(answers).why;
  }
  std::int64_t changes() {
    auto row = ledger->database().prepare("SELECT total_changes()");
    EXPECT_TRUE(row.step().ok());
    return row.integer(0);
  }

  FakeClock clock{kNoon + kHour, kHour};
  std::unique_ptr<Ledger> ledger = *Ledger::open(":memory:", clock);
  std::unique_ptr<Intake> intake = *Intake::open(*ledger, clock);
  std::unique_ptr<KeyTable> keys = *KeyTable::open(*ledger, *intake, clock);
  SessionTable table{*ledger, *intake, *keys, 10 * kSecond, {.need_key = true}, clock};
  const std::string mine = app::new_key_pair().public_key, yours = app::new_key_pair().public_key;
  StreamMaker maker;
};

// Given an unknown key, then its hello waits and is told the command that lets it in, its batches
// are not looked at, and nothing is written; once approved it goes on, until it is revoked in
// mid-stream.
TEST_F(KeyedSessions, ApprovedThenRevoked) {
  const std::int64_t before = changes();
  const auto waits = only<wire::Refused>(send(kPeer, mine, hello(maker)));
  EXPECT_EQ(waits.why, wire::Refusal::pending);
  EXPECT_NE(waits.text.find("agent approve stor-01"), std::string::npos) << waits.text;
  StreamMaker early = maker;
  EXPECT_TRUE(send(kPeer, mine, wire::BatchMessage{1, early.next(1).bytes}).empty());
  EXPECT_EQ(changes(), before);
  EXPECT_TRUE(intake->streams()->empty());
  EXPECT_TRUE(table.links().empty()) << "its name is only what it says";

  ASSERT_TRUE(keys->approve("stor-01", "", kBy).ok());
  const wire::Token token = only<wire::Welcome>(send(kPeer, mine, hello(maker))).token;
  EXPECT_EQ(only<wire::Ack>(send(kPeer, mine, wire::BatchMessage{token, maker.next(1).bytes})).mark,
            1U);
  ASSERT_TRUE(keys->revoke("stor-01", kBy).ok());
  const Bytes second = maker.next(2).bytes;
  const auto told = only<wire::Refused>(send(kPeer, mine, wire::BatchMessage{token, second}));
  EXPECT_EQ(told.why, wire::Refusal::revoked);
  EXPECT_TRUE(send(kPeer, mine, wire::BatchMessage{token, second}).empty());
  EXPECT_TRUE(send(kPeer, mine, wire::Heartbeat{token, clock.wall(), 2}).empty());
  EXPECT_EQ(refusal(send(kPeer, mine, hello(maker, token))), wire::Refusal::revoked);
  EXPECT_EQ(intake->stream(1)->mark, 1U);
  EXPECT_EQ(table.links().at(0).refused.rfind("revoked", 0), 0U);
}

// Given a valid key, then it says nothing in another agent's name, neither in a hello nor in a
// batch; the agent itself is not disturbed.
TEST_F(KeyedSessions, AKeyHasOneAgent) {
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  ASSERT_TRUE(keys->approve(yours, "stor-02", kBy).ok());
  const wire::Token token = only<wire::Welcome>(send(kPeer, mine, hello(maker))).token;
  const auto told = only<wire::Refused>(send(kOther, yours, hello(maker)));
  EXPECT_EQ(told.why, wire::Refusal::other_agent);
  StreamMaker own("stor-02");
  const wire::Token evil = only<wire::Welcome>(send(kOther, yours, hello(own))).token;
  const Bytes stolen = maker.next(1).bytes;
  EXPECT_EQ(refusal(send(kOther, yours, wire::BatchMessage{evil, stolen})),
            wire::Refusal::malformed);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, mine, wire::BatchMessage{token, stolen})).mark, 1U);
  EXPECT_EQ(intake->stream("stor-02", own.life())->value().mark, 0U);
}

// Given a routing id that another connection takes over, under another key, then the session of
// the first is not the second's.
TEST_F(KeyedSessions, ARoutingIdIsNobody) {
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  ASSERT_TRUE(keys->approve(yours, "stor-02", kBy).ok());
  const wire::Token token = only<wire::Welcome>(send(kPeer, mine, hello(maker))).token;
  const wire::AgentMessage batch = wire::BatchMessage{token, maker.next(1).bytes};
  EXPECT_EQ(refusal(send(kPeer, yours, batch)), wire::Refusal::no_session);
  EXPECT_EQ(refusal(send(kPeer, "", batch)), wire::Refusal::no_session);
  EXPECT_EQ(intake->stream(1)->mark, 0U);
}

// Given software that calls itself by lines of a log, then it is shown as one line of plain text.
TEST_F(KeyedSessions, NobodyWritesLinesIntoTheLog) {
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  wire::Hello odd = hello(maker);
  odd.software = "x\n2026 error \x1b[31m\xff";
  only<wire::Welcome>(send(kPeer, mine, odd));
  EXPECT_EQ(table.links().at(0).software, "x?2026 error ?[31m?");
}

// Given a message before any hello that is longer than a hello can be, then it is answered once,
// whatever it is; and a hello without a key is none.
TEST_F(KeyedSessions, WhatIsNoHelloIsAnsweredOnce) {
  const Bytes large(1U << 20U, 3);
  EXPECT_EQ(refusal(send({{kPeer, large, mine}})), wire::Refusal::no_session);
  EXPECT_TRUE(send({{kPeer, large, mine}, {kPeer, {}, mine}}).empty());
  EXPECT_EQ(refusal(send(kOther, "", hello(maker))), wire::Refusal::malformed);
  EXPECT_EQ(refusal(send(kPeer, mine, hello(StreamMaker("no id")))), wire::Refusal::malformed);
  EXPECT_TRUE(keys->list().empty());
}

// Given an agent of another ledger, then it is refused with the command that lets it in; then its
// welcome says where it comes from, until its data came.
TEST_F(KeyedSessions, AMoveStandsUntilDataCame) {
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  wire::Hello moved = hello(maker, 7);
  moved.ledger = 99;
  const auto told = only<wire::Refused>(send(kPeer, mine, moved));
  EXPECT_EQ(told.why, wire::Refusal::other_ledger);
  EXPECT_NE(told.text.find("agent move stor-01"), std::string::npos) << told.text;
  ASSERT_TRUE(keys->move("stor-01", kBy).ok());
  for (int i = 0; i < 2; ++i) {
    const auto welcome = only<wire::Welcome>(send(kPeer, mine, moved));
    EXPECT_EQ(welcome.moved_from, 99U);
    EXPECT_GT(welcome.token, 7U);
    moved.token = welcome.token;
    moved.incarnation = maker.life();
  }
  EXPECT_EQ(
      only<wire::Ack>(send(kPeer, mine, wire::BatchMessage{moved.token, maker.next(1).bytes})).mark,
      1U);
  EXPECT_TRUE(keys->moves()->empty());
  EXPECT_EQ(refusal(send(kPeer, mine, moved)), wire::Refusal::other_ledger);
  EXPECT_EQ(only<wire::Welcome>(send(kPeer, mine, hello(maker, moved.token))).moved_from, 0U);
}

// Given a host restored from an old copy of its state, then it is fenced with the command that
// resolves it; replaced, its next hello is taken, and the newer copy is the one that is fenced.
TEST_F(KeyedSessions, AReplacedHostGoesOn) {
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  const wire::Token old = only<wire::Welcome>(send(kPeer, mine, hello(maker))).token;
  const wire::Token newer = only<wire::Welcome>(send(kPeer, mine, hello(maker, old))).token;
  EXPECT_EQ(only<wire::Ack>(send(kPeer, mine, wire::BatchMessage{newer, maker.next(1).bytes})).mark,
            1U);
  const StreamMaker restored("stor-01", 1);
  const auto told = only<wire::Refused>(send(kOther, mine, hello(restored, old)));
  EXPECT_EQ(told.why, wire::Refusal::fenced);
  EXPECT_NE(told.text.find("agent replace stor-01"), std::string::npos) << told.text;
  ASSERT_EQ(table.links().size(), 1U);
  EXPECT_TRUE(table.links()[0].in_session) << "the newer copy goes on";
  EXPECT_EQ(table.links()[0].note.rfind("fenced", 0), 0U);
  ASSERT_TRUE(keys->replace("stor-01", "", kBy).ok());
  const wire::Token fresh = only<wire::Welcome>(send(kOther, mine, hello(restored, old))).token;
  StreamMaker next("stor-01", 2);
  const wire::Token used = only<wire::Welcome>(send(kOther, mine, hello(next, fresh))).token;
  EXPECT_EQ(only<wire::Ack>(send(kOther, mine, wire::BatchMessage{used, next.next(1).bytes})).mark,
            1U);
  EXPECT_EQ(refusal(send(kPeer, mine, hello(maker, newer))), wire::Refusal::fenced);
}

}  // namespace
}  // namespace tallyman::rater
