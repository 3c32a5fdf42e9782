#include "rater/intake/receiver.hpp"

#include <gtest/gtest.h>

#include "app/log.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::StreamMaker;

/// A rater's receiver on a loop, and a foreign client's DEALER on the same one.
class ReceiverTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::start(log::Level::error); }

  void SetUp() override {
    ReceiverOptions options;
    options.endpoint = "tcp://127.0.0.1:*";
    auto opened = Receiver::open(loop, *ledger, *intake, *keys, options, [this] { ++commits; });
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    receiver = std::move(*opened);
  }

  app::MessageSocket connect() {
    auto socket = app::MessageSocket::dealer(receiver->endpoint(), {});
    EXPECT_TRUE(socket.ok());
    return std::move(*socket);
  }

  using Answers = std::vector<wire::RaterMessage>;

  /// Sends, and runs the loop until as many answers have come back.
  Answers talk(app::MessageSocket& client, const std::vector<Bytes>& send, std::size_t answers) {
    Answers out =
        talk_until(client, send, [&](const Answers& got) { return got.size() >= answers; });
    EXPECT_EQ(out.size(), answers);
    return out;
  }

  /// Sends, and runs the loop until the answers will do, or ten seconds have passed.
  Answers talk_until(app::MessageSocket& client, const std::vector<Bytes>& send,
                     const std::function<bool(const Answers&)>& done) {
    Answers out;
    std::size_t sent = 0;
    const auto push = [&] {
      while (sent < send.size() && client.send({{}, send[sent]})) ++sent;
    };
    const auto watch = loop.watch(client, [&] {
      while (auto message = client.receive()) {
        auto decoded = wire::decode_rater_message(message->body);
        EXPECT_TRUE(decoded.ok());
        if (decoded.ok()) out.push_back(*decoded);
      }
      if (done(out)) loop.stop();
    });
    std::function<void()> retry = [&] {
      push();
      pusher = loop.after(kMillisecond, retry);
    };
    retry();
    const auto limit = loop.after(10 * kSecond, [&] { loop.stop(); });
    loop.run();
    loop.cancel(limit);
    loop.cancel(pusher);
    loop.unwatch(watch);
    return out;
  }

  const RealClock clock{};
  const testing::TempFolder folder;
  app::EventLoop loop{clock};
  std::unique_ptr<Ledger> ledger = *Ledger::open(folder.file("ledger.db"), clock);
  std::unique_ptr<Intake> intake = *Intake::open(*ledger, clock);
  std::unique_ptr<KeyTable> keys = *KeyTable::open(*ledger, *intake, clock);
  std::unique_ptr<Receiver> receiver;
  app::TimerId pusher = 0;
  int commits = 0;
};

// Given a foreign client on a real socket that sends a batch twice, then one of other content under
// the same number, then the ledger holds the batch once and the last one is refused as diverged.
TEST_F(ReceiverTest, CopiesAndDivergenceOverTheWire) {
  auto client = connect();
  StreamMaker maker, fork;
  const wire::Hello hello{maker.agent(), maker.life(), 0, 0, 0, clock.wall(), "foreign 1"};
  const auto welcome = talk(client, {wire::encode(hello)}, 1);
  ASSERT_EQ(welcome.size(), 1U);
  const auto* welcomed = std::get_if<wire::Welcome>(&welcome[0]);
  ASSERT_NE(welcomed, nullptr);
  const Bytes batch = wire::encode(wire::BatchMessage{welcomed->token, maker.next(1).bytes});
  const auto first = talk(client, {batch}, 1);
  EXPECT_EQ(std::get<wire::Ack>(first.at(0)).mark, 1U);
  const auto second = talk(client, {batch}, 1);
  EXPECT_EQ(std::get<wire::Ack>(second.at(0)).mark, 1U);
  EXPECT_EQ(intake->batches_after(1, 0, 10)->size(), 1U);
  EXPECT_EQ(commits, 1);
  const auto third =
      talk(client, {wire::encode(wire::BatchMessage{welcomed->token, fork.next(2).bytes})}, 1);
  EXPECT_EQ(std::get<wire::Refused>(third.at(0)).why, wire::Refusal::diverged);
  EXPECT_EQ(intake->batches_after(1, 0, 10)->size(), 1U);
}

// Given a client that sends garbage again and again and then a hello, then it hears one refusal and
// the welcome.
TEST_F(ReceiverTest, GarbageIsAnsweredOnce) {
  auto client = connect();
  const wire::Hello hello{"stor-01", testing::incarnation(1), 0, 0, 0, clock.wall(), "foreign 1"};
  std::vector<Bytes> messages(50, Bytes{0xde, 0xad});
  messages.push_back(wire::encode(hello));
  const auto answers = talk(client, messages, 2);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(std::get<wire::Refused>(answers[0]).why, wire::Refusal::malformed);
  EXPECT_TRUE(std::holds_alternative<wire::Welcome>(answers[1]));
}

// Given a client that sends a thousand batches as fast as they are taken, then all are applied in
// order.
TEST_F(ReceiverTest, AThousandBatches) {
  auto client = connect();
  StreamMaker maker;
  const wire::Hello hello{maker.agent(), maker.life(), 0, 0, 0, clock.wall(), "foreign 1"};
  const auto welcome = talk(client, {wire::encode(hello)}, 1);
  const wire::Token token = std::get<wire::Welcome>(welcome.at(0)).token;
  std::vector<Bytes> batches;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    batches.push_back(wire::encode(wire::BatchMessage{token, maker.next(i).bytes}));
  }
  const auto answers = talk_until(client, batches, [](const Answers& got) {
    const auto* ack = got.empty() ? nullptr : std::get_if<wire::Ack>(&got.back());
    return ack == nullptr || ack->mark == 1000;
  });
  std::uint64_t mark = 0;
  for (const auto& answer : answers) {
    const std::uint64_t told = std::get<wire::Ack>(answer).mark;
    EXPECT_GT(told, mark);
    mark = told;
  }
  EXPECT_EQ(intake->stream(1)->mark, 1000U);
  EXPECT_EQ(intake->stream(1)->mark_hash, maker.hash());
}

}  // namespace
}  // namespace tallyman::rater
