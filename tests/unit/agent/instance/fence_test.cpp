// The fence with real processes, children of the test, and what the kernel says of them.

#include "agent/instance/fence.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <random>

#include "agent/instance/kernel_wait.hpp"
#include "base/fake_files.hpp"

namespace tallyman::agent {
namespace {

constexpr const char* kBoot = "0123456789abcdef0123456789abcdef";

/// A process that waits for ever, until it is killed; reaped at the end.
class Waiting {
 public:
  explicit Waiting(const std::function<void()>& how = [] { pause(); }) : pid_(fork()) {
    if (pid_ != 0) return;
    for (;;) how();
  }
  ~Waiting() { end(); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint64_t started() const { return start_time(pid_).value_or(0); }
  /// Whether SIGKILL came from somebody else.
  [[nodiscard]] bool was_killed() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0 &&
           info.si_status == SIGKILL;
  }
  [[nodiscard]] bool lives() const { return start_time(pid_).has_value(); }
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

std::string host_line(const std::string& name, const Waiting& process) {
  return "host " + name + " " + std::to_string(process.pid()) + " " +
         std::to_string(process.started()) + "\n";
}

std::string header(const std::string& boot, pid_t agent, std::uint64_t started) {
  return "boot " + boot + "\nagent " + std::to_string(agent) + " " + std::to_string(started) + "\n";
}

class FenceTest : public testing::Test {
 protected:
  FenceTest() { EXPECT_TRUE(files_.make_directories("/state").ok()); }
  void put(const std::string& text) {
    ASSERT_TRUE(write_file_atomically(files_, path_, as_bytes(text), Durable::no).ok());
  }
  std::string file() {
    auto bytes = read_file(files_, path_);
    return bytes ? std::string(as_text(*bytes)) : "";
  }
  std::unique_ptr<Fence> open() {
    return std::make_unique<Fence>(loop_, files_, path_, kBoot, [this](const std::string& name) {
      ended_ += name + " ";
      loop_.stop();
    });
  }

  RealClock clock_;
  app::EventLoop loop_{clock_};
  FakeFiles files_;
  const std::string path_ = "/state/hosts";
  std::string ended_;
};

// Given hosts that an agent which is gone left running, then they are killed, and are in their
// instances' way until they have ended; nobody else's are.
TEST_F(FenceTest, survivors_of_an_earlier_agent_are_held_until_they_have_ended) {
  Waiting netif;
  put(header(kBoot, 1, 12345) + host_line("netif", netif));
  auto fence = open();
  EXPECT_EQ(fence->in_the_way("netif"), netif.pid());
  EXPECT_EQ(fence->in_the_way("other"), 0);
  loop_.run();
  EXPECT_EQ(ended_, "netif ");
  EXPECT_EQ(fence->in_the_way("netif"), 0);
  EXPECT_TRUE(netif.was_killed());
}

// Given a process that only has a survivor's number, or the file of another boot, or of an agent
// that lives, then nothing is touched.
TEST_F(FenceTest, nobody_else_is_killed) {
  Waiting bystander;
  const std::string number = std::to_string(bystander.pid());
  const std::string started = std::to_string(bystander.started());
  const std::string gone = header(kBoot, 1, 12345);
  const std::string host = host_line("netif", bystander);
  for (const std::string& text :
       {gone + "host netif " + number + " " + std::to_string(bystander.started() + 1) + "\n",
        gone + "host netif " + number + "\n", gone + "host netif\n",
        gone + "host ../x " + number + " " + started + "\n", gone + "host netif -1 0\n",
        gone + "host netif 0 0\n",
        gone + "host netif 1 " + std::to_string(start_time(1).value_or(0)) + "\n",
        header("f123456789abcdef0123456789abcdef", 1, 12345) + host,
        header(kBoot, getpid(), start_time(getpid()).value_or(0)) + host}) {
    put(text);
    auto fence = open();
    EXPECT_EQ(fence->in_the_way("netif"), 0) << text;
    EXPECT_TRUE(bystander.lives()) << text;
  }
}

// Given bytes of any kind, then reading them ends, and harms nobody.
TEST_F(FenceTest, hostile_files) {
  Waiting bystander;
  const std::string good = header(kBoot, 1, 12345) + "host netif 99999999 5\n";
  std::mt19937_64 random(23);
  for (int round = 0; round < 3000; round++) {
    std::string bad = good;
    for (std::size_t n = 1 + random() % 8; n > 0; n--) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    put(bad.substr(0, random() % (bad.size() + 1)));
    EXPECT_EQ(open()->in_the_way("netif"), 0);
  }
  EXPECT_TRUE(bystander.lives());
}

// Given a host that was started, then the file names it with its agent, until it has ended; one
// that was killed is in the way until it is gone.
TEST_F(FenceTest, what_runs_stands_in_the_file) {
  auto fence = open();
  Waiting first, second;
  fence->started("a", first.pid());
  fence->started("b", second.pid());
  const std::string both = header(kBoot, getpid(), start_time(getpid()).value_or(0)) +
                           host_line("a", first) + host_line("b", second);
  EXPECT_EQ(file(), both);
  EXPECT_EQ(fence->in_the_way("a"), 0) << "it runs as it should";
  fence->hold("a", first.pid());
  fence->hold("a", first.pid());
  EXPECT_EQ(fence->in_the_way("a"), first.pid());
  kill(first.pid(), SIGKILL);
  loop_.run();
  EXPECT_EQ(ended_, "a ");
  EXPECT_EQ(fence->in_the_way("a"), 0);
  fence->ended(second.pid());
  Waiting third;
  fence->started("c", third.pid());
  EXPECT_EQ(file().find("host a"), std::string::npos);
  EXPECT_EQ(file().find("host b"), std::string::npos);
  EXPECT_NE(file().find(host_line("c", third)), std::string::npos);
}

// Given a disk that takes nothing, then hosts run all the same.
TEST_F(FenceTest, a_full_disk_stops_nobody) {
  auto fence = open();
  files_.fail(files_.calls(), 28, 1000);
  Waiting process;
  fence->started("a", process.pid());
  fence->hold("a", process.pid());
  EXPECT_EQ(fence->in_the_way("a"), process.pid());
}

// Given a process that waits for a pipe, then its state, call and descriptor are named; given none,
// then nothing is.
TEST(KernelWait, says_where_a_process_waits) {
  char folder[] = "/tmp/tallyman-wait-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string pipe = std::string(folder) + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const Fd both(::open(pipe.c_str(), O_RDWR | O_CLOEXEC));
  Waiting process([&] {
    char byte = 0;
    (void)!read(both.get(), &byte, 1);
  });
  std::optional<KernelWait> wait;
  do {
    wait = kernel_wait(process.pid());
    ASSERT_TRUE(wait);
  } while (wait->state != 'S');
  EXPECT_EQ(wait->pid, process.pid());
  EXPECT_EQ(wait->words.substr(0, 7), "state S");
  if (access(("/proc/" + std::to_string(process.pid()) + "/syscall").c_str(), R_OK) == 0) {
    EXPECT_NE(wait->words.find("system call read on " + pipe), std::string::npos) << wait->words;
  }
  const pid_t pid = process.pid();
  process.end();
  EXPECT_FALSE(kernel_wait(pid));
  EXPECT_FALSE(start_time(pid));
  unlink(pipe.c_str());
  rmdir(folder);
}

// Given a call that has no name here, then its number stands for it.
TEST(KernelWait, names_system_calls) {
  EXPECT_EQ(system_call_name(SYS_statx), "statx");
  EXPECT_EQ(system_call_name(SYS_fdatasync), "fdatasync");
  EXPECT_EQ(system_call_name(99'999), "system call 99999");
}

}  // namespace
}  // namespace tallyman::agent
