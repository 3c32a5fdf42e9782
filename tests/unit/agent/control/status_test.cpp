#include "agent/control/status.hpp"

#include <gtest/gtest.h>

#include "agent/control/requests.hpp"

namespace tallyman::agent {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Given an agent's state, then the document has its parts, instants as RFC 3339 or null, and one
// line.
TEST(Status, document) {
  AgentStatus status;
  status.agent = "stor-01";
  status.time = 1700000000 * kSecond;
  PluginStatus plugin;
  plugin.instance = "netif";
  plugin.state = "running";
  plugin.interval = 200 * kMillisecond;
  plugin.last_poll_took = 1500 * kMicrosecond;
  plugin.readings = 18446744073709551615U;
  status.plugins.push_back(plugin);
  status.spool.batches = 3;
  status.link.clock_offset = -2500 * kMillisecond;
  std::string text = to_json(status);
  for (const char* part : {R"("agent":"stor-01")", R"("time":"2023-11-14T22:13:20.000000000Z")",
                           R"("instance":"netif")", R"("last_poll":null)", R"("last_poll_ms":1.5)",
                           R"("interval_seconds":0.2)", R"("readings":18446744073709551615)",
                           R"("unacknowledged_batches":3)", R"("clock_offset_ms":-2500)",
                           R"("rater":null)", R"("compression":"none")"}) {
    EXPECT_TRUE(contains(text, part)) << part << " in " << text;
  }
  EXPECT_FALSE(contains(text, "\n"));
}

// Given reasons with newlines, quotes and bytes that are no UTF-8, then the answer is still one
// line of JSON.
TEST(Status, survives_hostile_words) {
  std::string text = event_json(0, "p", "a\nb\"c\xff\xfe");
  EXPECT_FALSE(contains(text, "\n"));
  EXPECT_TRUE(contains(text, R"(a\nb\"c)")) << text;
}

// Given requests, then the known ones are understood and others are refused by name.
TEST(Requests, are_understood_or_refused) {
  EXPECT_EQ(parse_request(R"({"command":"status"})")->command, Request::Command::status);
  EXPECT_TRUE(parse_request(R"({"command":"status","follow":true})")->follow);
  EXPECT_EQ(parse_request(R"({"command":"readings","plugin":"netif"})")->plugin, "netif");
  EXPECT_EQ(parse_request(R"({"command":"plugin list"})")->command, Request::Command::plugin_list);
  for (const char* bad :
       {"", "null", "[]", "{", "{}", R"({"command":"explode"})", R"({"command":5})",
        R"({"command":"status","follow":1})", R"({"command":"status","extra":true})"}) {
    auto request = parse_request(bad);
    ASSERT_FALSE(request) << bad;
    EXPECT_FALSE(request.error().what.empty());
  }
  EXPECT_TRUE(contains(parse_request(R"({"command":"explode"})").error().text(), "explode"));
}

}  // namespace
}  // namespace tallyman::agent
