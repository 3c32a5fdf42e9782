// What peers can do to a socket, in this process.

#include "app/socket.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "app/loop.hpp"

namespace tallyman::app {
namespace {

constexpr std::size_t kBody = 64U << 10U;
constexpr Ns kFilled = 500 * kMillisecond;  // that nothing was taken for: both queues are full
constexpr Ns kNextBeat = 6 * kSecond;       // libzmq's, had it any, would fall due before this

// Given a router that is too busy to read, and a peer that fills its queue and leaves, then the
// router lives on and reads what came: libzmq's own heartbeats would have ended the process.
TEST(Socket, outlives_a_peer_that_left_while_its_queue_was_full) {
  const RealClock clock;
  EventLoop loop(clock);
  SocketOptions small;
  small.queue = 1;
  char folder[] = "/tmp/tallyman-test-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  auto router = MessageSocket::router("ipc://" + std::string(folder) + "/link", small);
  ASSERT_TRUE(router.ok()) << router.error().text();
  std::optional<Result<MessageSocket>> dealer = MessageSocket::dealer(router->endpoint(), small);
  ASSERT_TRUE(dealer->ok()) << dealer->error().text();
  Ns taken = 0;
  const std::function<void()> fill = [&] {
    while ((*dealer)->send({{}, Bytes(kBody, 7)})) taken = clock.boot();
    if (taken == 0 || clock.boot() - taken < kFilled) return (void)loop.after(kMillisecond, fill);
    dealer.reset();
  };
  fill();
  loop.after(kNextBeat, [&] { loop.stop(); });
  loop.run();
  ASSERT_FALSE(dealer) << "the queue never filled";
  const auto message = router->receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->body.size(), kBody);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tallyman::app
