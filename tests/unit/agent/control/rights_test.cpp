#include "agent/control/rights.hpp"

#include <gtest/gtest.h>

#include "agent/control/requests.hpp"

namespace tallyman::agent {
namespace {

// Given root and the agent's own user, then they may steer; others, and whom the kernel does not
// vouch for, get an error that says who, what and whom to ask.
TEST(Rights, root_and_the_own_user_steer) {
  EXPECT_TRUE(may_steer({0, {0}, "root"}, 900, "plugin disable").ok());
  EXPECT_TRUE(may_steer({900, {900}, "tallyman"}, 900, "plugin reset").ok());
  const Status refused = may_steer({1001, {1001, 0, 900}, "bob"}, 900, "plugin disable");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().text().find("user bob may not plugin disable"), std::string::npos);
  EXPECT_NE(refused.error().todo.find("root"), std::string::npos);
  EXPECT_FALSE(may_steer({~0U, {}, "unknown"}, 900, "plugin disable").ok());
}

// Given a request for a re-exec, then it steers, and names no plugin.
TEST(Rights, a_reexec_steers_without_a_plugin) {
  Request request;
  request.command = Request::Command::reexec;
  const auto read = parse_request(request_line(request));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->command, Request::Command::reexec);
  EXPECT_TRUE(read->steers());
  EXPECT_FALSE(read->steers_plugin());
}

// Given steering requests, then what the command line writes is what the agent reads, and one
// without an instance or without a plain reason is refused.
TEST(Rights, steering_requests) {
  using Command = Request::Command;
  for (Command command : {Command::plugin_disable, Command::plugin_enable, Command::plugin_restart,
                          Command::plugin_reset, Command::plugin_rollback}) {
    Request request;
    request.command = command;
    request.plugin = "netif";
    request.why = "a \"quoted\" reason\\";
    auto read = parse_request(request_line(request));
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_TRUE(read->steers());
    EXPECT_EQ(read->command, command);
    EXPECT_EQ(read->plugin, "netif");
    EXPECT_EQ(read->why, request.why);
    request.plugin.clear();
    EXPECT_FALSE(parse_request(request_line(request)));
  }
  Request request;
  request.command = Command::plugin_disable;
  request.plugin = "netif";
  for (const std::string& why : {std::string(), std::string("two\nlines"), std::string(513, 'x')}) {
    request.why = why;
    EXPECT_FALSE(parse_request(request_line(request))) << why;
  }
  EXPECT_FALSE(parse_request(R"({"command":"status"})")->steers());
}

}  // namespace
}  // namespace tallyman::agent
