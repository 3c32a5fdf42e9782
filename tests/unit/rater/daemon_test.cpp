#include "rater/daemon.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/control.hpp"
#include "app/log.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::StreamMaker;
using Json = nlohmann::json;

class DaemonTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { log::start(log::Level::error); }

  void start(const std::string& more = {}) {
    std::ofstream(folder.file("rater.toml")) << more
                                             << "ledger = \"l.db\"\nsocket = \"r.sock\"\n"
                                                "listen = \"tcp://127.0.0.1:*\"\nslot = \"1s\"\n"
                                                "[bus]\nfile = \"usage.jsonl\"\n";
    app::ConfigErrors errors;
    const RaterConfig config = load_config(folder.file("rater.toml"), errors);
    ASSERT_TRUE(errors.empty()) << errors.text();
    auto opened = Daemon::open(loop, config);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    daemon = std::move(*opened);
  }

  /// Asks as the command line does, from another thread, while the loop runs; at most `lines`.
  std::vector<std::string> ask(const std::string& request, std::size_t lines, Status& status) {
    std::vector<std::string> out;
    std::atomic<bool> over = false;
    std::thread client([&] {
      status = app::control_call(folder.file("r.sock"), request, [&](std::string_view line) {
        out.emplace_back(line);
        return out.size() < lines;
      });
      over = true;
    });
    run_until([&] { return over.load(); });
    client.join();
    return out;
  }
  Json ask(const std::string& request) {
    Status status;
    const auto lines = ask(request, 1, status);
    EXPECT_TRUE(status.ok()) << status.error().text();
    return lines.empty() ? Json() : Json::parse(lines[0]);
  }

  /// Says hello for an agent and has its next batch, of one poll, acknowledged.
  void deliver(StreamMaker& maker, app::MessageSocket& client) {
    wire::Token token = 0;
    std::uint64_t mark = 0;
    const auto watch = loop.watch(client, [&] {
      while (auto message = client.receive()) {
        const auto answer = wire::decode_rater_message(message->body);
        ASSERT_TRUE(answer.ok());
        if (const auto* welcome = std::get_if<wire::Welcome>(&*answer)) token = welcome->token;
        if (const auto* ack = std::get_if<wire::Ack>(&*answer)) mark = ack->mark;
      }
    });
    const wire::Hello hello{maker.agent(), maker.life(), 0, 0, 0, clock.wall() - 40 * kSecond,
                            "t 1"};
    bool said = false;
    run_until([&] {
      if (!said) said = client.send({{}, wire::encode(hello)});
      return token != 0;
    });
    EXPECT_NE(token, 0U);
    EXPECT_TRUE(client.send({{}, wire::encode(wire::BatchMessage{token, maker.next(1).bytes})}));
    run_until([&] { return mark == 1; });
    loop.unwatch(watch);
  }

  void run_until(const std::function<bool()>& done) {
    const Ns limit = clock.boot() + 20 * kSecond;
    std::function<void()> look = [&] {
      if (done() || clock.boot() > limit) {
        loop.stop();
      } else {
        loop.after(kMillisecond, look);
      }
    };
    look();
    loop.run();
  }

  const RealClock clock{};
  const testing::TempFolder folder;
  app::EventLoop loop{clock};
  std::unique_ptr<Daemon> daemon;
};

// Given a daemon that nobody has spoken to, then status says where it listens, its ledger and no
// agents, and a wrong command and a wrong line are errors in words.
TEST_F(DaemonTest, AnswersTheCommandLine) {
  start();
  const Json status = ask(R"({"command":"status"})");
  EXPECT_EQ(status["listen"], daemon->endpoint());
  EXPECT_EQ(status["ledger"]["path"], folder.file("l.db"));
  EXPECT_EQ(status["slot"], "1s");
  EXPECT_TRUE(status["agents"].empty());
  EXPECT_TRUE(status["billing"].is_object());
  EXPECT_EQ(ask(R"({"command":"periods"})")["periods"], Json::array());
  for (const char* wrong : {"{}", "[]", "nonsense", R"({"command":7})", R"({"command":"fly"})"}) {
    Status failed;
    EXPECT_TRUE(ask(wrong, 1, failed).empty()) << wrong;
    EXPECT_FALSE(failed.ok()) << wrong;
  }
}

// Given an agent that says hello and sends a batch, then status follows it: state, batch,
// watermark.
TEST_F(DaemonTest, StatusFollowsAnAgent) {
  start();
  auto client = *app::MessageSocket::dealer(daemon->endpoint(), {});
  StreamMaker maker;
  deliver(maker, client);
  Status status;
  const auto lines = ask(R"({"command":"status","follow":true})", 2, status);
  ASSERT_EQ(lines.size(), 2U);
  for (const std::string& line : lines) {
    const Json agent = Json::parse(line)["agents"].at(0);
    EXPECT_EQ(agent["agent"], "stor-01");
    EXPECT_EQ(agent["state"], "connected");
    EXPECT_EQ(agent["mark"], 1);
    EXPECT_EQ(agent["batches"], 1);
    EXPECT_EQ(agent["clock"], "wrong");
    EXPECT_EQ(agent["software"], "t 1");
  }
}

// Given periods that closed by themselves, when the daemon has gone and its loop goes on, then none
// of its ticks comes any more: each work that began of itself once left one behind (a use after
// free, for the sanitizer).
TEST_F(DaemonTest, GoneWithAllItsTicks) {
  std::ofstream(folder.file("c.toml")) << "[billing]\nperiod = \"1h\"\n";
  start("catalogue = \"c.toml\"\nclose.automatic = true\nclose.grace = \"0s\"\n");
  auto client = *app::MessageSocket::dealer(daemon->endpoint(), {});
  StreamMaker maker;
  deliver(maker, client);
  const Ns limit = clock.boot() + 20 * kSecond;
  const auto closed = [&] { return ask(R"({"command":"periods"})")["periods"].size(); };
  while (closed() < 3 && clock.boot() < limit) {
  }
  EXPECT_GE(closed(), 3U);
  daemon.reset();
  loop.after(kSecond + kMillisecond, [&] { loop.stop(); });
  loop.run();
}

// Given a FIFO that nobody writes, a device that never ends, a link, a folder and a file beyond the
// bound, when they are imported, then each is refused in words at once and the rater goes on.
TEST_F(DaemonTest, ImportsRegularFilesOnly) {
  start();
  ASSERT_EQ(mkfifo(folder.file("fifo").c_str(), 0600), 0);
  std::ofstream(folder.file("wrong")) << "\nnonsense\n";
  ASSERT_EQ(symlink("wrong", folder.file("link").c_str()), 0);
  std::ofstream(folder.file("large")) << "x";
  ASSERT_EQ(truncate(folder.file("large").c_str(), (off_t{1} << 30U) + 1), 0);
  const std::string device = "/dev/zero";
  for (const std::string& file : {folder.file("fifo"), device, folder.file("link"), folder.file(""),
                                  folder.file("large"), folder.file("none")}) {
    Status failed;
    EXPECT_TRUE(
        ask(Json{{"command", "import"}, {"file", file}, {"why", "try"}}.dump(), 1, failed).empty())
        << file;
    ASSERT_FALSE(failed.ok()) << file;
    EXPECT_EQ(failed.error().where, file) << failed.error().text();
  }
  Status failed;
  const auto lines =
      ask(Json{{"command", "import"}, {"file", folder.file("wrong")}, {"why", "try"}}.dump(), 9,
          failed);
  EXPECT_FALSE(failed.ok());
  ASSERT_EQ(lines.size(), 1U);
  const std::string mistake = Json::parse(lines[0])["mistake"];
  EXPECT_EQ(mistake.rfind(folder.file("wrong") + ":2:2: ", 0), 0U) << mistake;
}

// Given an import of a host that is no more, then status tells it from an agent that is absent.
TEST_F(DaemonTest, StatusTellsImportsFromAgents) {
  start();
  std::ofstream(folder.file("readings"))
      << R"({"agent":"old","plugin":"p","instance":"p","source":"host:old","metric":"m_bytes_total",)"
      << R"("kind":"counter","unit":"bytes","time":"2026-11-21T12:00:00Z","epoch":"1","value":"5"})"
      << "\n";
  Json request{{"command", "import"}, {"file", folder.file("readings")}};
  Status failed;
  EXPECT_TRUE(ask(request.dump(), 1, failed).empty());
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().where, "--why");
  request["why"] = "its disk is dead";
  const Json done = ask(request.dump());
  EXPECT_EQ(done["readings"], 1);
  const Json noted = ask(R"({"command":"audit log"})")["decisions"].at(0);
  EXPECT_EQ(noted["kind"], "import");
  EXPECT_EQ(noted["why"], "its disk is dead");
  EXPECT_EQ(noted["what"]["readings"], 1);
  const Json agent = ask(R"({"command":"status"})")["agents"].at(0);
  EXPECT_EQ(agent["agent"], "old");
  EXPECT_EQ(agent["state"], "imported");
}

// Given an import that is done, then the rater keeps nothing of the file or of who asked.
TEST_F(DaemonTest, LetsGoOfWhatWasImported) {
  start();
  const std::string file = folder.file("readings");
  std::ofstream(file)
      << R"({"agent":"old","plugin":"p","instance":"p","source":"host:old","metric":"m_bytes_total",)"
      << R"("kind":"counter","unit":"bytes","time":"2026-11-21T12:00:00Z","epoch":"1","value":"5"})"
      << "\n";
  const auto descriptors = [&] {
    std::size_t all = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code none;
      EXPECT_NE(std::filesystem::read_symlink(each, none), std::filesystem::path(file));
      ++all;
    }
    return all;
  };
  const std::size_t before = descriptors();
  EXPECT_EQ(ask(Json{{"command", "import"}, {"file", file}, {"why", "try"}}.dump())["readings"], 1);
  EXPECT_EQ(descriptors(), before);
}

// Given a user who may connect but not decide, then close, release and import are refused with the
// user's name, and status is told.
TEST_F(DaemonTest, OthersLookButDoNotDecide) {
  if (geteuid() != 0) GTEST_SKIP() << "another user's client needs root";
  start();
  ASSERT_EQ(chmod(folder.file("").c_str(), 0755), 0);
  ASSERT_EQ(chmod(folder.file("r.sock").c_str(), 0666), 0);
  const auto as_nobody = [&](const std::string& request) {
    // A thread of its own with another user id: the kernel vouches for that one.
    std::atomic<bool> over = false;
    Status status;
    std::thread client([&] {
      EXPECT_EQ(syscall(SYS_setresuid, 65534, 65534, 65534), 0);
      status = app::control_call(folder.file("r.sock"), request, [](auto) { return false; });
      over = true;
    });
    run_until([&] { return over.load(); });
    client.join();
    return status;
  };
  EXPECT_TRUE(as_nobody(R"({"command":"status"})").ok());
  EXPECT_TRUE(as_nobody(R"({"command":"agent ls"})").ok());
  for (const char* command : {"close", "release", "import", "agent approve", "agent revoke",
                              "agent replace", "agent move", "catalogue apply"}) {
    const Status status = as_nobody(Json{{"command", command}, {"file", "/dev/null"}}.dump());
    ASSERT_FALSE(status.ok()) << command;
    EXPECT_NE(status.error().text().find(std::string("may not ") + command), std::string::npos)
        << status.error().text();
  }
}

// Given a rater whose socket and ledger are in use, then a second one is refused and the first goes
// on.
TEST_F(DaemonTest, OneAtATime) {
  start();
  app::ConfigErrors errors;
  const auto second = Daemon::open(loop, load_config(folder.file("rater.toml"), errors));
  EXPECT_FALSE(second.ok());
  EXPECT_TRUE(ask(R"({"command":"status"})").is_object());
}

}  // namespace
}  // namespace tallyman::rater
