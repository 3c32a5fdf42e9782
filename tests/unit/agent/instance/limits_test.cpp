#include "agent/instance/limits.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <vector>

#include "agent/instance/host_output.hpp"
#include "agent/instance/measure.hpp"

namespace tallyman::agent {
namespace {

constexpr std::uint64_t kMib = 1U << 20U;

// Given what is within the limits, then nothing is said; given one over, then it is named with how
// much it is and how much is allowed.
TEST(Limits, names_what_is_broken) {
  const Limits limits;
  EXPECT_EQ(over_limit(limits, {128 * kMib, 63, 8, 5 * kSecond}), "");
  EXPECT_EQ(over_limit(limits, {0, 64, 1, 0}), "descriptors: 64 are open, 64 are allowed");
  EXPECT_EQ(over_limit(limits, {0, 3, 9, 0}), "processes: 9 run, 8 are allowed");
  EXPECT_EQ(over_limit(limits, {0, 3, kMostProcesses + 1, 0}),
            "processes: over 256 run, 8 are allowed");
  EXPECT_EQ(over_limit(limits, {0, 3, 1, 5010 * kMillisecond}),
            "cpu: it used 5s10ms for a poll or between two, 5s are allowed");
  if (!kMemoryIsLimited) return;
  EXPECT_EQ(over_limit(limits, {130 * kMib, 3, 1, 0}),
            "memory: it holds 130.0 MiB, 128.0 MiB are allowed");
}

// Given growth, then it is told from 80 % of a limit on; what took as much from the start does not
// leak, however near the limit it is.
TEST(Limits, tells_growth_from_size) {
  const Limits limits;
  EXPECT_EQ(grown(limits, {0, 3, 1, 0}, {0, 51, 1, 0}), "");
  EXPECT_EQ(grown(limits, {0, 3, 1, 0}, {0, 52, 1, 0}), "descriptors grew to 52 of 64");
  EXPECT_EQ(grown(limits, {0, 50, 1, 0}, {0, 55, 1, 0}), "");
  EXPECT_EQ(grown(limits, {0, 60, 1, 0}, {0, 55, 1, 0}), "");
  if (!kMemoryIsLimited) return;
  EXPECT_EQ(grown(limits, {10 * kMib, 3, 1, 0}, {110 * kMib, 3, 1, 0}),
            "memory grew to 110.0 MiB of 128.0 MiB");
  EXPECT_EQ(grown(limits, {100 * kMib, 3, 1, 0}, {110 * kMib, 3, 1, 0}), "");
  EXPECT_EQ(died_of_memory(limits, 100 * kMib, "killed"), "");
  EXPECT_EQ(died_of_memory(limits, 120 * kMib, "killed"),
            "memory: it held 120.0 MiB, 128.0 MiB are allowed; killed");
}

// Given a tree of processes that hold memory and descriptors, then all of them are measured, the
// first one only if it is no namespace's; when it is gone there is nothing to measure.
TEST(Limits, measures_a_tree_of_processes) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t leader = fork();
  ASSERT_GE(leader, 0);
  if (leader == 0) {
    setpgid(0, 0);
    const bool child = fork() == 0;
    if (child) {
      for (int i = 0; i < 20; i++) (void)open("/dev/null", O_RDONLY);
      const std::size_t size = 32 * kMib;
      void* held = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (std::size_t i = 0; i < size; i += 4096) static_cast<char*>(held)[i] = 1;
      (void)!write(ready[1], "x", 1);
    }
    for (;;) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const auto all = measure(leader, false, 0), without = measure(leader, true, 0);
  ASSERT_TRUE(all && without);
  EXPECT_EQ(all->processes, 2U);
  EXPECT_EQ(all->plugin, leader);
  EXPECT_NE(without->plugin, leader);
  EXPECT_EQ(without->processes, 1U);
  EXPECT_GE(without->memory, 32 * kMib);
  EXPECT_GT(all->memory, without->memory);
  EXPECT_GE(without->descriptors, 22U);
  EXPECT_EQ(all->descriptors, without->descriptors);
  kill(-leader, SIGKILL);
  waitpid(leader, nullptr, 0);
  EXPECT_FALSE(measure(leader, false, 0));
  close(ready[0]);
  close(ready[1]);
}

// Given any pieces of any bytes, then the lines are those of the whole, each cut at its longest,
// and what is in no line is counted.
TEST(OutputLines, cuts_the_same_lines_however_it_comes) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; round++) {
    std::string text;
    while (text.size() < 8000) {
      text += std::string(random() % 3 == 0 ? random() % 3000 : random() % 40, 'a');
      text += '\n';
    }
    text += "rest";
    std::vector<std::string> want(1);
    std::uint64_t dropped = 0;
    for (char c : text) {
      if (c == '\n') {
        want.emplace_back();
      } else if (want.back().size() < OutputLines::kLongestLine) {
        want.back() += c;
      } else {
        dropped++;
      }
    }
    OutputLines lines;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = std::min<std::size_t>(random() % 700, text.size() - at);
      for (std::string& line : lines.feed(std::string_view(text).substr(at, n))) {
        got.push_back(std::move(line));
      }
      at += n;
    }
    for (std::string& line : lines.finish()) got.push_back(std::move(line));
    ASSERT_EQ(got, want) << "round " << round;
    ASSERT_EQ(lines.dropped(), dropped);
  }
}

// Given more than a second's share, then nothing more is wanted until the next second.
TEST(OutputLines, wants_only_so_much_a_second) {
  OutputLines lines;
  EXPECT_EQ(lines.wanted(kSecond), OutputLines::kBytesPerSecond);
  (void)lines.feed(std::string(OutputLines::kBytesPerSecond - 10, '\n'));
  EXPECT_EQ(lines.wanted(kSecond + kMillisecond), 10U);
  (void)lines.feed(std::string(10, '\n'));
  EXPECT_EQ(lines.wanted(2 * kSecond - 1), 0U);
  lines.skipped(1000);
  EXPECT_EQ(lines.dropped(), 1000U);
  EXPECT_EQ(lines.wanted(2 * kSecond), OutputLines::kBytesPerSecond);
}

// Given a poll that gives more readings or bytes than are allowed, then it is told what was
// broken; at the limit nothing is.
TEST(PollLimits, readings_and_bytes) {
  Limits limits;
  limits.readings = 10;
  limits.bytes = 1U << 20U;
  EXPECT_EQ(over_readings(limits, 10), "");
  EXPECT_EQ(over_bytes(limits, 1U << 20U), "");
  EXPECT_EQ(over_readings(limits, 11), "readings: over 10 in a poll");
  EXPECT_EQ(over_bytes(limits, 2U << 20U),
            "bytes: it sent 2.0 MiB in a poll or between two, 1.0 MiB are allowed");
}

// Given what is in force and what is not to be had, then the words name both, and nothing as weaker
// where nothing is.
TEST(IsolationText, names_what_is_weaker) {
  const std::string strong = isolation_text({}, true, "uid 70000", "");
  EXPECT_NE(strong.find("own PID namespace, uid 70000, no new privileges"), std::string::npos);
  EXPECT_EQ(strong.find("weaker") == std::string::npos, kMemoryIsLimited) << strong;
  const std::string weak = isolation_text({}, false, "", "no cgroup (no reason)");
  EXPECT_NE(weak.find("; weaker: no cgroup (no reason), no PID namespace"), std::string::npos);
}

}  // namespace
}  // namespace tallyman::agent
