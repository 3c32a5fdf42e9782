// CURVE between real sockets in this process.

#include <gtest/gtest.h>

#include <string>

#include "app/loop.hpp"
#include "app/socket.hpp"
#include "app/zap.hpp"

namespace tallyman::app {
namespace {

const Bytes kHello{1, 2, 3};

class Curve : public testing::Test {
 protected:
  SocketOptions server() {
    SocketOptions out;
    out.own = server_;
    return out;
  }
  SocketOptions client(const KeyPair& own) {
    SocketOptions out;
    out.own = own;
    out.server_key = server_.public_key;
    return out;
  }
  static MessageSocket take(Result<MessageSocket> socket) {
    EXPECT_TRUE(socket.ok()) << socket.error().text();
    return std::move(*socket);
  }
  void run(Ns limit) {
    const TimerId end = loop_.after(limit, [this] { loop_.stop(); });
    loop_.run();
    loop_.cancel(end);
  }
  /// Sends once the connection stands.
  void send(MessageSocket& socket) {
    if (!socket.send({{}, kHello})) loop_.after(kMillisecond, [this, &socket] { send(socket); });
  }
  /// Sends from all, until `wanted` messages came; those that came.
  std::vector<Message> hear(MessageSocket& router, std::vector<MessageSocket*> clients,
                            std::size_t wanted) {
    std::vector<Message> heard;
    const WatchId watch = loop_.watch(router, [&] {
      while (auto message = router.receive()) heard.push_back(std::move(*message));
      if (heard.size() >= wanted) loop_.stop();
    });
    for (MessageSocket* each : clients) send(*each);
    run(10 * kSecond);
    loop_.unwatch(watch);
    return heard;
  }

  const RealClock clock_{};
  EventLoop loop_{clock_};
  const KeyPair server_ = new_key_pair(), mine_ = new_key_pair(), yours_ = new_key_pair();
};

// Given two clients with keys of their own, then each message carries its sender's proved key, and
// an answer comes back.
TEST_F(Curve, names_every_message_by_its_key) {
  auto router = take(MessageSocket::router("tcp://127.0.0.1:*", server()));
  auto mine = take(MessageSocket::dealer(router.endpoint(), client(mine_)));
  auto yours = take(MessageSocket::dealer(router.endpoint(), client(yours_)));
  EXPECT_TRUE(router.encrypted());
  const auto heard = hear(router, {&mine, &yours}, 2);
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_NE(heard[0].key, heard[1].key);
  for (const Message& each : heard) {
    EXPECT_TRUE(each.key == mine_.public_key || each.key == yours_.public_key);
    EXPECT_EQ(each.body, kHello);
    EXPECT_TRUE(router.send(each));
  }
  std::size_t answers = 0;
  for (MessageSocket* each : {&mine, &yours}) {
    loop_.watch(*each, [&, each] {
      EXPECT_EQ(each->receive().value_or(Message{}).body, kHello);
      if (++answers == 2) loop_.stop();
    });
  }
  run(10 * kSecond);
  EXPECT_EQ(answers, 2U);
}

// Given a plain client, one that expects another server, and a good one, then the server hears the
// good one alone; and a plain server hears nothing of a client that wants CURVE.
TEST_F(Curve, refuses_who_cannot_prove_a_key) {
  auto router = take(MessageSocket::router("tcp://127.0.0.1:*", server()));
  auto plain_router = take(MessageSocket::router("tcp://127.0.0.1:*", {}));
  auto plain = take(MessageSocket::dealer(router.endpoint(), {}));
  SocketOptions elsewhere = client(yours_);
  elsewhere.server_key = mine_.public_key;
  auto lost = take(MessageSocket::dealer(router.endpoint(), elsewhere));
  auto strict = take(MessageSocket::dealer(plain_router.endpoint(), client(yours_)));
  bool leaked = false;
  loop_.watch(plain_router, [&] { leaked = true, loop_.stop(); });
  auto good = take(MessageSocket::dealer(router.endpoint(), client(mine_)));
  for (int i = 0; i < 5; ++i) {
    const auto heard = hear(router, {&plain, &lost, &strict, &good}, 1);
    ASSERT_EQ(heard.size(), 1U);
    EXPECT_EQ(heard[0].key, mine_.public_key);
  }
  EXPECT_FALSE(leaked);
}

// Given servers that come and go, then each finds a handler for its keys.
TEST_F(Curve, servers_come_and_go) {
  for (int i = 0; i < 20; ++i) {
    auto router = take(MessageSocket::router("tcp://127.0.0.1:*", server()));
    auto second = take(MessageSocket::router("tcp://127.0.0.1:*", server()));
    if (i % 10 != 0) continue;
    auto mine = take(MessageSocket::dealer(second.endpoint(), client(mine_)));
    EXPECT_EQ(hear(second, {&mine}, 1).size(), 1U);
  }
}

// Given a dealer with a key and none for the server, or a pair that is none, then it is an error
// in words.
TEST_F(Curve, bad_keys_are_errors) {
  SocketOptions options;
  options.own = mine_;
  EXPECT_FALSE(MessageSocket::dealer("tcp://127.0.0.1:1", options).ok());
  options.server_key = "short";
  EXPECT_FALSE(MessageSocket::dealer("tcp://127.0.0.1:1", options).ok());
  options.own = {"short", "short"};
  EXPECT_FALSE(MessageSocket::router("tcp://127.0.0.1:*", options).ok());
}

// Given requests as libzmq asks them, and any others, then a proved key is let in under its own
// name, and nothing else is let in.
TEST(Zap, lets_in_proved_keys_alone) {
  const std::string raw(32, '\1');
  std::vector<std::string> request{"1.0", "7", "agents", "10.0.0.1", "", "CURVE", raw};
  const auto yes = zap_answer(request);
  ASSERT_EQ(yes.size(), 6U);
  EXPECT_EQ(yes[1], "7");
  EXPECT_EQ(yes[2], "200");
  EXPECT_TRUE(is_key(yes[4]));
  const auto refused = [](const std::vector<std::string>& other) {
    const auto no = zap_answer(other);
    EXPECT_EQ(no.size(), 6U);
    EXPECT_EQ(no[2], "400");
    EXPECT_TRUE(no[4].empty());
  };
  refused({});
  refused({"1.0"});
  for (const auto& [at, wrong] : std::vector<std::pair<std::size_t, std::string>>{
           {0, "2.0"}, {5, "NULL"}, {5, "PLAIN"}, {6, ""}, {6, raw + "x"}}) {
    auto other = request;
    other[at] = wrong;
    refused(other);
  }
  request.push_back("more");
  refused(request);
}

}  // namespace
}  // namespace tallyman::app
