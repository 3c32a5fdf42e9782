// The service manager is a socket of the test's own.

#include "app/notify.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

namespace tallyman::app {
namespace {

/// Listens where NOTIFY_SOCKET says.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_[0] == '@') address.sun_path[0] = '\0';
    socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  }
  ~Manager() {
    if (name_[0] == '/') unlink(name_.c_str());
  }
  [[nodiscard]] int fd() const { return socket_.get(); }
  std::optional<std::string> take() {
    std::array<char, 4096> buffer{};
    const ssize_t n = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(n));
  }

 private:
  std::string name_;
  Fd socket_;
};

std::string path() { return "/tmp/tallyman-notify-" + std::to_string(getpid()); }
std::string abstract_name() { return "@tallyman-notify-" + std::to_string(getpid()); }

/// The environment as a service manager sets it; as it was at the end.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& values) {
    for (const char* name : kNames) {
      unsetenv(name);
      if (values.contains(name)) setenv(name, values.at(name).c_str(), 1);
    }
  }
  ~Environment() {
    for (const char* name : kNames) unsetenv(name);
  }

 private:
  static constexpr std::array kNames{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
};

// Given a manager at a path or at an abstract name, then it is told of readiness, a reload with its
// instant, words and the end, one datagram each.
TEST(Notify, tells_what_happens) {
  for (const std::string& name : {path(), abstract_name()}) {
    Manager manager(name);
    const RealClock clock;
    EventLoop loop(clock);
    Notifier notifier(loop, {name, 0});
    notifier.ready();
    EXPECT_EQ(manager.take(), "READY=1");
    notifier.status("two plugins\nrun");
    notifier.status("two plugins\nrun");
    EXPECT_EQ(manager.take(), "STATUS=two plugins run");
    notifier.reloading();
    const std::string reload = manager.take().value_or("");
    const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
    EXPECT_EQ(reload.substr(0, begin.size()), begin);
    EXPECT_GT(std::stoull(reload.substr(begin.size())), 0U);
    notifier.stopping();
    EXPECT_EQ(manager.take(), "STOPPING=1");
    EXPECT_EQ(manager.take(), std::nullopt);
  }
}

// Given a watchdog, then the loop gives signs of life once ready, and while it is held up, none.
TEST(Notify, the_loop_itself_gives_the_signs_of_life) {
  Manager manager(abstract_name());
  FakeClock clock;
  EventLoop loop(clock);
  Notifier notifier(loop, {abstract_name(), 10 * kSecond});
  const auto turn = [&] {
    loop.after(0, [&] { loop.stop(); });
    loop.run();
  };
  turn();
  clock.advance(kMinute);
  turn();
  EXPECT_EQ(manager.take(), std::nullopt) << "it is not ready yet";
  notifier.ready();
  EXPECT_EQ(manager.take(), "READY=1");
  EXPECT_EQ(manager.take(), "WATCHDOG=1");
  for (int i = 0; i < 20; i++) {
    clock.advance(5 * kSecond - 1);
    turn();
    EXPECT_EQ(manager.take(), std::nullopt);
    clock.advance(1);
    EXPECT_EQ(manager.take(), std::nullopt) << "nobody but the loop may say it";
    turn();
    EXPECT_EQ(manager.take(), "WATCHDOG=1");
  }
}

// Given a manager that does not read, then nothing blocks, and once it reads it is told what
// happened, in order.
TEST(Notify, what_cannot_be_said_now_is_said_later) {
  Manager manager(abstract_name());
  const RealClock clock;
  EventLoop loop(clock);
  Notifier notifier(loop, {abstract_name(), 0});
  // Words differ each time: they fill the queue, and those that do not fit are not kept.
  for (int i = 0; i < 5000; i++) notifier.status(std::to_string(i));
  notifier.ready();
  notifier.reloading();
  notifier.stopping();
  std::vector<std::string> heard;
  loop.watch(manager.fd(), true, false, [&](Ready) {
    while (auto message = manager.take()) heard.push_back(*message);
    if (heard.back() == "STOPPING=1") loop.stop();
  });
  loop.after(kMinute, [&] { loop.stop(); });
  loop.run();
  ASSERT_GE(heard.size(), 4U);
  EXPECT_EQ(heard[heard.size() - 3], "READY=1");
  EXPECT_EQ(heard[heard.size() - 2].substr(0, 11), "RELOADING=1");
  EXPECT_EQ(heard[heard.size() - 1], "STOPPING=1");
}

// Given no manager, or one that has gone, then nothing happens.
TEST(Notify, nobody_listens) {
  const RealClock clock;
  EventLoop loop(clock);
  for (const char* socket : {"", "relative", "@", "@tallyman-nobody-there", "/nowhere/at/all"}) {
    Notifier notifier(loop, {socket, kSecond});
    notifier.ready();
    notifier.status("fine");
    notifier.stopping();
  }
}

// Given words beyond the limit, then they are cut between two characters.
TEST(Notify, words_are_cut_between_characters) {
  Manager manager(abstract_name());
  const RealClock clock;
  EventLoop loop(clock);
  Notifier notifier(loop, {abstract_name(), 0});
  std::string words = "x";
  for (int i = 0; i < 400; i++) words += "ö";
  notifier.status(words);
  const std::string told = manager.take().value_or("");
  EXPECT_EQ(told, "STATUS=" + words.substr(0, 511));
}

// Given the environment in all its shapes, then a watchdog of another process is none of ours, and
// nonsense is absence.
TEST(Notify, reads_the_environment) {
  const std::string own = std::to_string(getpid());
  const auto read = [](const std::map<std::string, std::string>& values) {
    const Environment environment(values);
    return NotifySettings::of_environment();
  };
  EXPECT_EQ(read({}).socket, "");
  EXPECT_EQ(read({}).watchdog, 0);
  EXPECT_EQ(read({{"NOTIFY_SOCKET", "/run/x"}}).socket, "/run/x");
  EXPECT_EQ(read({{"NOTIFY_SOCKET", "vsock:2:1234"}}).socket, "");
  EXPECT_EQ(read({{"NOTIFY_SOCKET", "@" + std::string(200, 'x')}}).socket, "");
  EXPECT_EQ(read({{"WATCHDOG_USEC", "3000000"}}).watchdog, 3 * kSecond);
  EXPECT_EQ(read({{"WATCHDOG_USEC", "3000000"}, {"WATCHDOG_PID", own}}).watchdog, 3 * kSecond);
  EXPECT_EQ(read({{"WATCHDOG_USEC", "3000000"}, {"WATCHDOG_PID", "1"}}).watchdog, 0);
  EXPECT_EQ(read({{"WATCHDOG_USEC", "3000000"}, {"WATCHDOG_PID", "x"}}).watchdog, 0);
  for (const char* wrong : {"0", "-5", "3s", "", "99999999999999999999", "18446744073709551615"}) {
    EXPECT_EQ(read({{"WATCHDOG_USEC", wrong}}).watchdog, 0) << wrong;
  }
}

// Given an assignment, then the three variables are told from all others.
TEST(Notify, knows_its_variables) {
  for (const char* ours : {"NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=", "WATCHDOG_PID"})
    EXPECT_TRUE(is_notify_variable(ours)) << ours;
  for (const char* other : {"NOTIFY_SOCKETS=/x", "PATH=NOTIFY_SOCKET", "", "=", "watchdog_pid=1"})
    EXPECT_FALSE(is_notify_variable(other)) << other;
}

}  // namespace
}  // namespace tallyman::app
