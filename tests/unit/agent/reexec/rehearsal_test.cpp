#include "agent/reexec/rehearsal.hpp"

#include <gtest/gtest.h>

namespace tallyman::agent {
namespace {

// Given the line of a program that takes this state, then it is its version; given anything else,
// then words that say what is wrong with it.
TEST(Rehearsal, the_ready_line) {
  const std::string mine = "ready " + std::to_string(kStateVersion) + " ";
  EXPECT_EQ(*ready_version(mine + "0.2.0\n"), "0.2.0");
  for (const char* line :
       {"", "\n", "ready", "ready \n", "ready x 1\n", "Ready 1 1\n", "ready 1 1"}) {
    EXPECT_FALSE(ready_version(line).ok()) << line;
  }
  EXPECT_FALSE(ready_version(mine + "0.2.0\nready\n").ok());
  EXPECT_FALSE(ready_version(mine + "0.2\x1b[2J\n").ok());
  for (const std::uint32_t other : {0U, kStateVersion + 1}) {
    const auto version = ready_version("ready " + std::to_string(other) + " 0.2.0\n");
    ASSERT_FALSE(version.ok());
    EXPECT_NE(version.error().what.find("of version " + std::to_string(other)), std::string::npos);
  }
}

// Given a shell's words in place of a program, then what it printed to stderr, and how it ended, is
// the reason for the refusal, bounded and on one line; the state is its descriptor 3.
TEST(Rehearsal, a_child_is_judged) {
  const RealClock clock;
  const auto judged = [&](const std::string& words) {
    app::EventLoop loop(clock);
    const Result<Fd> state = store_state(as_bytes("the state"));
    std::string outcome;
    auto rehearsal = Rehearsal::start(loop, "/bin/sh", {"-c", words}, *state,
                                      [&](const Result<std::string>& version) {
                                        outcome = version ? *version : version.error().text();
                                        loop.stop();
                                      });
    EXPECT_TRUE(rehearsal.ok());
    loop.run();
    return outcome;
  };
  const std::string ready = "echo ready " + std::to_string(kStateVersion) + " 7.7 >&4";
  EXPECT_EQ(judged(ready), "7.7");
  EXPECT_EQ(judged("test \"$(cat <&3)\" = 'the state' && " + ready), "7.7");
  EXPECT_EQ(judged("(sleep 600) & " + ready), "7.7");
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(contains(judged(ready + "; exit 2"), "status 2"));
  EXPECT_TRUE(contains(judged("echo one >&2; echo two >&2; exit 1"), "one two; this one goes on"));
  EXPECT_LT(judged("yes no >&2").size(), 8000U);
  EXPECT_TRUE(contains(judged("kill -6 $$"), "signal 6"));
}

}  // namespace
}  // namespace tallyman::agent
