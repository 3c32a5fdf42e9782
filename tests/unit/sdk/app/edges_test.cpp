// The event loop, the control socket and the ZeroMQ sockets, each against its real peer in this
// process.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

#include "app/control.hpp"
#include "app/loop.hpp"
#include "app/socket.hpp"
#include "base/fd.hpp"

namespace tallyman::app {
namespace {

struct TempDirectory {
  std::string path;
  TempDirectory() {
    char name[] = "/tmp/tallyman-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempDirectory() { std::filesystem::remove_all(path); }
};

/// Ends a loop whose condition never comes, so that a broken test fails instead of hanging.
void give_up_after(EventLoop& loop, Ns delay) {
  loop.after(delay, [&loop] {
    ADD_FAILURE() << "the condition did not come";
    loop.stop();
  });
}

// Given timers set out of order, when the loop runs, then they fire in the order of their instants,
// a cancelled one never.
TEST(Loop, fires_timers_in_order) {
  const RealClock clock;
  EventLoop loop(clock);
  std::string order;
  loop.after(3 * kMillisecond, [&] { order += "c", loop.stop(); });
  loop.after(1 * kMillisecond, [&] { order += "a"; });
  const TimerId cancelled = loop.after(2 * kMillisecond, [&] { order += "x"; });
  loop.after(2 * kMillisecond, [&] { order += "b"; });
  loop.cancel(cancelled);
  loop.run();
  EXPECT_EQ(order, "abc");
}

// Given a readable pipe, when its handler unwatches itself, then it is called once and nothing
// breaks.
TEST(Loop, lets_a_handler_unwatch_itself) {
  const RealClock clock;
  EventLoop loop(clock);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  int calls = 0;
  WatchId id = 0;
  id = loop.watch(read_end.get(), true, false, [&](Ready ready) {
    EXPECT_TRUE(ready.readable);
    ++calls;
    loop.unwatch(id);
    loop.after(5 * kMillisecond, [&] { loop.stop(); });
  });
  ASSERT_EQ(write(write_end.get(), "x", 1), 1);
  loop.run();
  EXPECT_EQ(calls, 1);
}

// Given a handled signal, when it is raised, then its handler runs on the loop.
TEST(Loop, hands_signals_to_handlers) {
  const RealClock clock;
  EventLoop loop(clock);
  give_up_after(loop, 10 * kSecond);
  bool seen = false;
  loop.on_signal(SIGUSR1, [&] { seen = true, loop.stop(); });
  ASSERT_EQ(kill(getpid(), SIGUSR1), 0);
  loop.run();
  EXPECT_TRUE(seen);
}

// Given a dealer and a router, when a message goes each way, then bodies arrive whole and the
// router knows whose it is.
TEST(Socket, carries_messages_both_ways) {
  const RealClock clock;
  EventLoop loop(clock);
  give_up_after(loop, 10 * kSecond);
  auto router = MessageSocket::router("tcp://127.0.0.1:*", {});
  ASSERT_TRUE(router.ok()) << router.error().text();
  auto dealer = MessageSocket::dealer(router->endpoint(), {});
  ASSERT_TRUE(dealer.ok());
  const Bytes hello{1, 2, 3};
  std::function<void()> ask = [&] {
    if (!dealer->send({{}, hello})) loop.after(kMillisecond, ask);
  };
  loop.watch(*router, [&] {
    auto message = router->receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->body, hello);
    message->body.push_back(4);
    EXPECT_TRUE(router->send(*message));
  });
  Bytes answer;
  loop.watch(*dealer, [&] {
    answer = dealer->receive().value_or(Message{}).body;
    loop.stop();
  });
  ask();
  loop.run();
  EXPECT_EQ(answer, (Bytes{1, 2, 3, 4}));
  EXPECT_FALSE(router->send({{9, 9, 9}, hello})) << "an unknown peer is a failed send, not a loss";
}

// Given an endpoint in use or not an endpoint, then the error names it and what to do.
TEST(Socket, refuses_bad_endpoints_in_words) {
  auto first = MessageSocket::router("tcp://127.0.0.1:*", {});
  ASSERT_TRUE(first.ok());
  const auto second = MessageSocket::router(first->endpoint(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().text().find("another program listens there"), std::string::npos);
  EXPECT_FALSE(MessageSocket::dealer("not an endpoint", {}).ok());
  EXPECT_TRUE(is_loopback("tcp://127.0.0.1:5580"));
  EXPECT_FALSE(is_loopback("tcp://0.0.0.0:5580"));
  EXPECT_FALSE(is_loopback("tcp://localhostile.example:1"));
}

/// A daemon on a thread of its own, answering with `handler`.
class Daemon {
 public:
  Daemon(const std::string& path, ControlServer::Handler handler) : loop_(clock_) {
    auto server = ControlServer::listen(loop_, path, 0600, std::move(handler));
    EXPECT_TRUE(server.ok()) << server.error().text();
    server_ = std::move(*server);
    // Woken through a pipe: the loop itself belongs to its thread.
    EXPECT_EQ(pipe(ends_.data()), 0);
    loop_.watch(ends_[0], true, false, [this](Ready) { loop_.stop(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Daemon() {
    EXPECT_EQ(write(ends_[1], "x", 1), 1);
    thread_.join();
    server_.reset();
    close(ends_[0]);
    close(ends_[1]);
  }

 private:
  RealClock clock_;
  EventLoop loop_;
  std::unique_ptr<ControlServer> server_;
  std::array<int, 2> ends_{};
  std::thread thread_;
};

// Given a daemon, when a client asks, then it gets the lines, the daemon knows who asks, and an
// error answer becomes the client's error.
TEST(Control, answers_lines_and_errors) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  const Daemon daemon(path, [](const auto& session, std::string_view request) {
    if (request == "bad") return session->fail({"no such thing", "here", "ask for another"});
    EXPECT_EQ(session->peer().uid, getuid());
    for (int i = 0; i < 1000; ++i) session->send(std::string(request) + std::to_string(i));
    session->close();
  });
  std::vector<std::string> lines;
  const Status status = control_call(path, "n", [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  EXPECT_TRUE(status.ok()) << status.error().text();
  ASSERT_EQ(lines.size(), 1000U);
  EXPECT_EQ(lines.back(), "n999");
  const Status bad = control_call(path, "bad", [](std::string_view) { return true; });
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().text(), "here: no such thing; ask for another");
}

// Given an answer of many MiB in one line, then it comes whole; one beyond 64 MiB is an error in
// its place, and an answer of no lines is none.
TEST(Control, brings_long_answers_whole) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  const Daemon daemon(path, [](const auto& session, std::string_view request) {
    if (request == "long") session->send(std::string(20U << 20U, 'x'));
    if (request == "too long") session->send(std::string((64U << 20U) + 1, 'x'));
    session->close();
  });
  std::size_t lines = 0;
  std::size_t bytes = 0;
  const auto count = [&](std::string_view line) {
    ++lines;
    bytes += line.size();
    return true;
  };
  const Status whole = control_call(path, "long", count);
  EXPECT_TRUE(whole.ok()) << whole.error().text();
  EXPECT_EQ(lines, 1U);
  EXPECT_EQ(bytes, 20U << 20U);
  const Status longer = control_call(path, "too long", count);
  ASSERT_FALSE(longer.ok());
  EXPECT_NE(longer.error().text().find("64 MiB"), std::string::npos);
  const Status nothing = control_call(path, "none", count);
  EXPECT_TRUE(nothing.ok()) << nothing.error().text();
  EXPECT_EQ(lines, 1U);
}

// Given a client that does not read what it follows, then the daemon keeps a bounded queue, and the
// client is told that it was cut off.
TEST(Control, cuts_off_who_does_not_read_and_says_so) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  std::promise<void> sent;
  const Daemon daemon(path, [&](const auto& session, std::string_view) {
    for (int i = 0; i < 100; ++i) session->send(std::string(1U << 20U, 'x'));
    EXPECT_FALSE(session->open());
    sent.set_value();
  });
  std::size_t lines = 0;
  const Status status = control_call(path, "follow", [&](std::string_view) {
    if (++lines == 1) sent.get_future().wait();
    return true;
  });
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().text().find("cut off"), std::string::npos);
  EXPECT_LT(lines, 10U);
}

// Given clients that begin long requests and go on with neither, then who sends one is answered all
// the same: of those that stand still the one that does for longest is told no.
TEST(Control, bounds_what_clients_send_together) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  const Daemon daemon(path, [](const auto& session, std::string_view request) {
    session->send(std::to_string(request.size()));
    session->close();
  });
  std::string told;
  const auto ask = [&](std::size_t bytes) {
    told.clear();
    return control_call(path, std::string(bytes, 'x'), [&](std::string_view line) {
      told = line;
      return true;
    });
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const std::string half(kMaxRequest - 8, 'x');
  std::array<Fd, 2> slow;
  for (Fd& each : slow) {
    each = Fd(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(connect(each.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    for (std::size_t sent = 0; sent < half.size();) {
      const ssize_t n = ::send(each.get(), half.data() + sent, half.size() - sent, MSG_NOSIGNAL);
      ASSERT_GT(n, 0);
      sent += static_cast<std::size_t>(n);
    }
  }
  for (const std::size_t bytes : {kShortRequest - 1, kMaxRequest - 1, kMaxRequest / 2}) {
    const Status status = ask(bytes);
    EXPECT_TRUE(status.ok()) << status.error().text();
    EXPECT_EQ(told, std::to_string(bytes));
  }
  std::string said;
  std::array<char, 512> part{};
  for (ssize_t n = 0; (n = recv(slow[0].get(), part.data(), part.size(), 0)) > 0;) {
    said.append(part.data(), static_cast<std::size_t>(n));
  }
  EXPECT_NE(said.find("2 MiB together"), std::string::npos) << said;
  EXPECT_EQ(recv(slow[1].get(), part.data(), part.size(), MSG_DONTWAIT), -1) << "it may go on";
}

// Given a daemon that goes away before its answer, or inside a line of it, then that is an error.

TEST(Control, an_answer_that_breaks_off_is_an_error) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const Fd server(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(server.get(), 4), 0);
  for (const char* answer : {"", "half a li", "one\nhalf a li"}) {
    std::thread daemon([&] {
      const Fd client(accept(server.get(), nullptr, nullptr));
      std::array<char, 64> request{};
      EXPECT_GT(recv(client.get(), request.data(), request.size(), 0), 0);
      const auto size = static_cast<ssize_t>(std::strlen(answer));
      EXPECT_EQ(::send(client.get(), answer, std::strlen(answer), 0), size);
    });
    const Status status = control_call(path, "x", [](std::string_view) { return true; });
    daemon.join();
    ASSERT_FALSE(status.ok()) << answer;
    EXPECT_NE(status.error().text().find("broke off"), std::string::npos);
  }
}

// Given a client that asked one server, whose sockets are then another's, then the other answers
// it; what does not listen is not taken.
TEST(Control, goes_on_with_sockets_handed_over) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  const RealClock clock;
  EventLoop before(clock);
  Fd client;
  auto first = ControlServer::listen(before, path, 0600, [&](const auto& session, auto) {
    client = Fd(dup(session->descriptor()));
    before.stop();
  });
  ASSERT_TRUE(first.ok());
  std::vector<std::string> lines;
  Status status = Error{};
  std::thread asker([&] {
    status = control_call(path, "who", [&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    });
  });
  before.run();
  EventLoop after(clock);
  const auto nothing = [](const auto&, std::string_view) {};
  auto second = ControlServer::adopt(after, path, Fd(dup((*first)->descriptor())), nothing);
  ASSERT_TRUE(second.ok()) << second.error().text();
  const auto session = (*second)->adopt(std::move(client));
  EXPECT_EQ(session->peer().uid, getuid());
  session->send("the other one");
  session->close();
  first->reset();
  asker.join();
  EXPECT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(lines, std::vector<std::string>{"the other one"});
  EXPECT_FALSE(ControlServer::adopt(after, path, Fd(dup(0)), nothing).ok());
  EXPECT_FALSE(ControlServer::adopt(after, path, Fd(), nothing).ok());
}

// Given a live daemon, then a second one is refused; given the file of a dead one, then it is
// replaced.
TEST(Control, replaces_a_dead_socket_never_a_live_one) {
  const TempDirectory temp;
  const std::string path = temp.path + "/c.sock";
  const RealClock clock;
  EventLoop loop(clock);
  const auto nothing = [](const auto&, std::string_view) {};
  {
    auto first = ControlServer::listen(loop, path, 0600, nothing);
    ASSERT_TRUE(first.ok());
    const auto second = ControlServer::listen(loop, path, 0600, nothing);
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().text().find("another daemon"), std::string::npos);
  }
  EXPECT_FALSE(control_call(path, "x", [](std::string_view) { return true; }).ok());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  {
    const Fd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_TRUE(ControlServer::listen(loop, path, 0600, nothing).ok());
}

}  // namespace
}  // namespace tallyman::app
