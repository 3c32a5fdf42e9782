#include "rater/intake/session_table.hpp"

#include <gtest/gtest.h>

#include <random>

#include "app/log.hpp"
#include "stream_maker.hpp"
#include "wire/pack.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::StreamMaker;

const Bytes kPeer{1, 0, 0, 1}, kOther{1, 0, 0, 2};

class Sessions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::start(log::Level::error); }

  std::vector<wire::RaterMessage> send(const std::vector<app::Message>& messages) {
    std::vector<wire::RaterMessage> out;
    to.clear();
    for (const app::Message& answer : table.handle(messages)) {
      auto decoded = wire::decode_rater_message(answer.body);
      EXPECT_TRUE(decoded.ok());
      out.push_back(*decoded);
      to.push_back(answer.peer);
    }
    EXPECT_FALSE(ledger->database().in_transaction());
    return out;
  }
  std::vector<wire::RaterMessage> send(const Bytes& peer, const wire::AgentMessage& message) {
    return send({{peer, wire::encode(message)}});
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
  wire::Hello hello(const StreamMaker& maker, wire::Token token = 0) const {
    return {maker.agent(), maker.life(), token, 0, maker.last(), clock.wall(), "test 1"};
  }
  wire::Token welcome(const Bytes& peer, const StreamMaker& maker, wire::Token token = 0) {
    return only<wire::Welcome>(send(peer, hello(maker, token))).token;
  }
  Bytes content() {
    Bytes out;
    const auto stored = intake->batches_after(1, 0, 1000);
    for (const StoredBatch& batch : *stored) {
      out.insert(out.end(), batch.bytes.begin(), batch.bytes.end());
    }
    return out;
  }
  std::int64_t pages() {
    auto row = ledger->database().prepare("PRAGMA page_count");
    EXPECT_TRUE(row.step().ok());
    return row.integer(0);
  }

  FakeClock clock{kNoon + kHour, kHour};
  std::unique_ptr<Ledger> ledger = *Ledger::open(":memory:", clock);
  std::unique_ptr<Intake> intake = *Intake::open(*ledger, clock);
  std::unique_ptr<KeyTable> keys = *KeyTable::open(*ledger, *intake, clock);
  SessionTable table{*ledger, *intake, *keys, 10 * kSecond, {}, clock};
  std::vector<Bytes> to;
};

// Given a first hello and batches after it, then the welcome says ledger, token and slot, and one
// cumulative acknowledgement answers all batches of a turn.
TEST_F(Sessions, HelloThenBatches) {
  StreamMaker maker;
  const auto welcomed = only<wire::Welcome>(send(kPeer, hello(maker)));
  EXPECT_EQ(welcomed.ledger, ledger->id());
  EXPECT_EQ(welcomed.mark, 0U);
  EXPECT_EQ(welcomed.slot, 10 * kSecond);
  EXPECT_EQ(welcomed.wall, clock.wall());
  std::vector<app::Message> turn;
  for (int i = 0; i < 5; ++i) {
    turn.push_back({kPeer, wire::encode(wire::BatchMessage{welcomed.token, maker.next(1).bytes})});
  }
  const auto ack = only<wire::Ack>(send(turn));
  EXPECT_EQ(ack.mark, 5U);
  EXPECT_EQ(ack.mark_hash, maker.hash());
  EXPECT_EQ(table.applied(), 5U);
  const auto beat =
      only<wire::Ack>(send(kPeer, wire::Heartbeat{welcomed.token, clock.wall() + 2 * kSecond, 5}));
  EXPECT_EQ(beat.mark, 5U);
  ASSERT_EQ(table.links().size(), 1U);
  EXPECT_EQ(table.links()[0].clock_offset, 2 * kSecond);
  EXPECT_TRUE(table.links()[0].in_session);
  const auto again = only<wire::Welcome>(send(kPeer, hello(maker, welcomed.token)));
  EXPECT_EQ(again.mark, 5U);
  EXPECT_EQ(again.mark_hash, maker.hash());
  EXPECT_EQ(again.highest_definition, 5U);
  EXPECT_EQ(again.token, welcomed.token + 1);
}

// Given two copies of a batch from a foreign client, then the second changes nothing and is
// acknowledged; the same number with other content is refused as diverged and changes nothing.
TEST_F(Sessions, CopiesAndDivergence) {
  StreamMaker maker, fork;
  const wire::Token token = welcome(kPeer, maker);
  const Bytes batch = maker.next(1).bytes;
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, batch})).mark, 1U);
  const Bytes before = content();
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, batch})).mark, 1U);
  EXPECT_EQ(content(), before);
  const auto refused =
      only<wire::Refused>(send(kPeer, wire::BatchMessage{token, fork.next(2).bytes}));
  EXPECT_EQ(refused.why, wire::Refusal::diverged);
  EXPECT_EQ(refused.mark, 1U);
  EXPECT_EQ(refused.mark_hash, maker.hash());
  EXPECT_EQ(content(), before);
  EXPECT_EQ(table.links()[0].refused.rfind("diverged", 0), 0U);
  // A new incarnation of the same agent, with its current token, goes on.
  StreamMaker next("stor-01", 2);
  const wire::Token fresh = welcome(kPeer, next, token);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{fresh, next.next(9).bytes})).mark, 1U);
  EXPECT_EQ(intake->streams()->size(), 2U);
}

// Given a hello that asks for packed batches and for what this rater does not know, then only those
// are granted; what comes packed is held as the batch it was; damage of a frame is refused, and so
// is a packed batch without a session or with another's token, unpacked or not.
TEST_F(Sessions, PackedBatches) {
  StreamMaker maker;
  EXPECT_EQ(only<wire::Welcome>(send(kPeer, hello(maker))).can, 0U);
  const auto asking = [&](wire::Token token) {
    wire::Hello out = hello(maker, token);
    out.asks = 0xff;
    const auto welcomed = only<wire::Welcome>(send(kPeer, out));
    EXPECT_EQ(welcomed.can, wire::kPackedBatches);
    return welcomed.token;
  };
  wire::Token token = asking(1);
  const Bytes batch = maker.next(1).bytes, second = maker.next(2).bytes;
  const Bytes frame = wire::pack(batch);
  ASSERT_FALSE(frame.empty());
  EXPECT_EQ(only<wire::Refused>(send(kOther, wire::PackedBatch{token, frame})).why,
            wire::Refusal::no_session);
  EXPECT_EQ(only<wire::Refused>(send(kPeer, wire::PackedBatch{token - 1, {1, 2, 3}})).why,
            wire::Refusal::no_session)
      << "a foreign token is told before the frame is looked at";
  token = asking(token);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::PackedBatch{token, frame})).mark, 1U);
  EXPECT_EQ(content(), batch);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, batch})).mark, 1U);
  EXPECT_EQ(table.applied(), 1U);
  Bytes torn = wire::pack(second);
  torn.resize(torn.size() - 1);
  const auto refused = only<wire::Refused>(send(kPeer, wire::PackedBatch{token, torn}));
  EXPECT_EQ(refused.why, wire::Refusal::malformed);
  EXPECT_EQ(refused.mark, 1U);
  token = asking(token);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, second})).mark, 2U);
}

// Given a hello that arrived twice, and a batch that was sent under the first answer's token, then
// that batch is refused, and what comes under the second answer's token is taken.
TEST_F(Sessions, AHelloThatArrivedTwice) {
  StreamMaker maker;
  const wire::Token first = welcome(kPeer, maker), second = welcome(kPeer, maker);
  ASSERT_NE(first, second);
  const Bytes batch = maker.next(1).bytes;
  for (int copies = 0; copies < 2; ++copies) {
    EXPECT_EQ(only<wire::Refused>(send(kPeer, wire::BatchMessage{first, batch})).why,
              wire::Refusal::no_session);
  }
  EXPECT_EQ(only<wire::Refused>(send(kPeer, wire::Heartbeat{first, clock.wall(), 0})).why,
            wire::Refusal::no_session);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{second, batch})).mark, 1U);
  EXPECT_EQ(content(), batch);
  EXPECT_FALSE(welcome(kOther, maker, second) == second);
  EXPECT_EQ(only<wire::Refused>(send(kPeer, wire::BatchMessage{second, batch})).why,
            wire::Refusal::no_session);
  EXPECT_TRUE(send(kPeer, wire::BatchMessage{second, batch}).empty()) << "told once";
}

// Given garbage, a batch without a hello, and a hole in the numbers, then each peer is told once
// and not listened to until it says hello.
TEST_F(Sessions, OneErrorReplyThenSilence) {
  StreamMaker maker;
  EXPECT_EQ(only<wire::Refused>(send({{kOther, {9, 9, 9}}})).why, wire::Refusal::malformed);
  EXPECT_TRUE(send({{kOther, {9, 9, 9}}, {kOther, {}}}).empty());
  EXPECT_TRUE(send(kOther, wire::Heartbeat{}).empty());
  const Bytes stranger{7};
  EXPECT_EQ(only<wire::Refused>(send(stranger, wire::BatchMessage{1, maker.next(1).bytes})).why,
            wire::Refusal::no_session);
  const wire::Token token = welcome(kPeer, maker);
  const Bytes third = (maker.next(2), maker.next(3).bytes);
  const wire::AgentMessage late = wire::BatchMessage{token, third};
  EXPECT_EQ(
      only<wire::Refused>(send({{kPeer, wire::encode(late)}, {kPeer, wire::encode(late)}})).why,
      wire::Refusal::out_of_order);
  EXPECT_TRUE(send(kPeer, late).empty());
  EXPECT_EQ(welcome(kPeer, maker, token), token + 1);
  EXPECT_EQ(welcome(kOther, StreamMaker("stor-02")), 1U);
}

// Given a copy of an agent's state that says hello after the agent sent on, then it is fenced; and
// given one that takes over first, then the agent's connection is told to say hello, and is fenced.
TEST_F(Sessions, ClonesAreFenced) {
  StreamMaker maker;
  const wire::Token first = welcome(kPeer, maker);
  const StreamMaker copy = maker;
  const wire::Token second = welcome(kPeer, maker, first);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{second, maker.next(1).bytes})).mark, 1U);
  EXPECT_EQ(only<wire::Refused>(send(kOther, hello(copy, first))).why, wire::Refusal::fenced);
  const wire::Token third = welcome(kOther, maker, second);
  EXPECT_EQ(only<wire::Refused>(send(kPeer, wire::Heartbeat{second, 0, 0})).why,
            wire::Refusal::no_session);
  EXPECT_EQ(only<wire::Ack>(send(kOther, wire::BatchMessage{third, maker.next(2).bytes})).mark, 2U);
  EXPECT_EQ(only<wire::Refused>(send(kPeer, hello(copy, second))).why, wire::Refusal::fenced);
}

// Given a second host with the same agent id and no state, then it has to wait while the first one
// speaks, and is taken for one that lost its state once that has been quiet.
TEST_F(Sessions, LostStateWaitsForQuiet) {
  StreamMaker maker;
  const StreamMaker fresh("stor-01", 9);
  const wire::Token token = welcome(kPeer, maker);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, maker.next(1).bytes})).mark, 1U);
  EXPECT_EQ(only<wire::Refused>(send(kOther, hello(fresh))).why, wire::Refusal::busy);
  clock.advance(kQuietBeforeNewState);
  EXPECT_GT(welcome(kOther, fresh), token);
}

// Given a ledger that is full, then nothing is acknowledged, every writer is told to try later,
// status says so, and it goes on where it was once there is room.
TEST_F(Sessions, FullLedgerAcknowledgesNothing) {
  StreamMaker maker;
  const wire::Token token = welcome(kPeer, maker);
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, maker.next(1).bytes})).mark, 1U);
  const Bytes before = content();
  wire::Batch big{maker.head(), {}, {kNoon, 1}};
  for (wire::DefNo n = 6; n < 60; ++n) {
    big.entries.emplace_back(wire::Definition{n, wire::MetricDef{"m" + std::to_string(n),
                                                                 "bytes",
                                                                 std::string(1000, 'h'),
                                                                 wire::Kind::counter,
                                                                 0,
                                                                 {},
                                                                 {}}});
  }
  const Bytes bytes = maker.follow(big).bytes;
  ASSERT_TRUE(ledger->database().run("PRAGMA max_page_count=" + std::to_string(pages() + 2)).ok());
  const StreamMaker other("stor-02");
  const auto answers = send({{kOther, wire::encode(hello(other))},
                             {kPeer, wire::encode(wire::BatchMessage{token, bytes})}});
  ASSERT_FALSE(answers.empty());
  bool told = false;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_FALSE(std::holds_alternative<wire::Ack>(answers[i]));
    const auto* refused = std::get_if<wire::Refused>(&answers[i]);
    told = told || (refused != nullptr && refused->why == wire::Refusal::busy && to[i] == kPeer);
  }
  EXPECT_TRUE(told);
  EXPECT_FALSE(table.trouble().empty());
  EXPECT_EQ(content(), before);
  EXPECT_EQ(intake->stream(1)->highest_definition, 5U);
  ASSERT_TRUE(ledger->database().run("PRAGMA max_page_count=100000").ok());
  EXPECT_EQ(only<wire::Ack>(send(kPeer, wire::BatchMessage{token, bytes})).mark, 2U);
  EXPECT_TRUE(table.trouble().empty());
  const wire::Token given = welcome(kOther, other);
  EXPECT_EQ((*intake->fence("stor-02"))->issued, given);
}

// Given more strangers than may be remembered, then agents in session keep theirs; and given
// silence, then everybody is forgotten.
TEST_F(Sessions, StrangersPushNobodyOut) {
  SessionTable small(*ledger, *intake, *keys, kSecond,
                     {.credit = 1, .sessions = 8, .idle = kMinute}, clock);
  StreamMaker maker;
  ASSERT_EQ(small.handle({{kPeer, wire::encode(hello(maker))}}).size(), 1U);
  for (std::uint8_t i = 0; i < 200; ++i) {
    clock.advance(1);
    EXPECT_LE(small.handle({{Bytes{2, i}, {0xff}}}).size(), 1U);
  }
  EXPECT_TRUE(small.links()[0].in_session);
  const auto beat = small.handle({{kPeer, wire::encode(wire::Heartbeat{1, 0, 0})}});
  ASSERT_EQ(beat.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<wire::Ack>(*wire::decode_rater_message(beat[0].body)));
  clock.advance(2 * kMinute);
  small.expire();
  EXPECT_TRUE(small.links().empty());
}

// Given valid batches with random damage from one peer, while another sends in the same turns, then
// the ledger holds what the honest one sent, and of the hostile one at most the undamaged batch.
TEST_F(Sessions, HostileBytesChangeNothing) {
  std::mt19937 random(5);
  StreamMaker honest("stor-02"), evil("evil");
  const wire::Token token = welcome(kOther, honest);
  const StreamMaker life("evil");
  const Bytes batch = evil.next(1).bytes;
  wire::Token evil_token = 0;
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    evil_token = welcome(kPeer, life, evil_token);
    auto bytes = wire::encode(wire::AgentMessage(wire::BatchMessage{evil_token, batch}));
    for (unsigned flips = random() % 4 + 1; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1U << (random() % 8));
    }
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    const auto answers = send(
        {{kPeer, bytes}, {kOther, wire::encode(wire::BatchMessage{token, honest.next(1).bytes})}});
    for (const auto& answer : answers) refused += std::holds_alternative<wire::Refused>(answer);
  }
  EXPECT_GT(refused, 250);
  EXPECT_EQ((*intake->stream("stor-02", honest.life()))->mark, 300U);
  const auto stream = *intake->stream("evil", evil.life());
  const auto stored = intake->batches_after(stream->id, 0, 10);
  ASSERT_TRUE(stored.ok());
  for (const StoredBatch& held : *stored) EXPECT_EQ(held.bytes, batch);
}

}  // namespace
}  // namespace tallyman::rater
