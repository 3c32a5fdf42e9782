#include "agent/cli/status_view.hpp"

#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

constexpr const char* kWell = R"({"agent":"stor-01","incarnation":"ab12","version":"0.1.0","pid":7,
"time":"2026-11-22T15:05:00Z","uptime_seconds":90,
"plugins":[{"instance":"netif","plugin":"netif","state":"running","pid":12,"uptime_seconds":80,
"restarts":1,"last_cause":"crash: killed by signal 6","last_poll":"2026-11-22T15:04:58Z",
"notes":"recycled 2 times","last_poll_ms":2,"readings":500,"series":16,"gaps":3}],
"spool":{"directory":"/s","bytes":2048,"limit_bytes":1048576,"batches":0,"last_durable":"2026-11-22T15:04:59Z"},
"link":{"rater":"tcp://127.0.0.1:5580","state":"connected","last_ack":"2026-11-22T15:04:59Z",
"unacknowledged_batches":0,"unacknowledged_bytes":0,"clock_offset_ms":0}})";

// Given a status, then the screen names each plugin's state, counts and last cause, spool and link.
TEST(StatusView, shows_plugins_spool_and_link) {
  const std::string text = status_text(kWell, false);
  for (const char* part :
       {"agent stor-01", "netif", "running", "2s ago", "500",
        "last: crash: killed by signal 6; recycled 2 times", "spool  well, 2.0 KiB of 1.0 MiB",
        "link   connected, rater tcp://127.0.0.1:5580"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

// Given all well, then the check is one line that says OK; given a failed plugin, a troubled spool
// and a lost link, then it names all three.
TEST(StatusView, checks_health) {
  const Health well = health_of(kWell);
  EXPECT_TRUE(well.well);
  EXPECT_EQ(well.line, "OK: 1 plugins running, 0 batches waiting");
  const Health ill = health_of(
      R"({"plugins":[{"instance":"ceph","state":"failed","why":"hang"}],"spool":{"trouble":"disk full"},)"
      R"("link":{"state":"disconnected","why":"no answer"}})");
  EXPECT_FALSE(ill.well);
  EXPECT_EQ(
      ill.line,
      "CRITICAL: plugin ceph is failed (hang); spool: disk full; link is disconnected (no answer)");
}

// Given a document that is empty, broken or from another version, then something is shown and
// nothing breaks.
TEST(StatusView, survives_any_document) {
  for (const char* odd : {"", "null", "[]", "{", "{}", R"({"plugins":5,"spool":[],"link":null})",
                          R"({"plugins":[{"pid":"x","restarts":null}]})"}) {
    EXPECT_FALSE(status_text(odd, true).empty()) << odd;
    EXPECT_FALSE(health_of(odd).well) << odd;
    static_cast<void>(event_line(odd, false));
    static_cast<void>(plugin_table(odd, false));
    static_cast<void>(status_lines(odd));
  }
}

// Given an event, then it is one line with its time, plugin and words.
TEST(StatusView, words_events) {
  EXPECT_EQ(event_line(R"({"event":{"time":"T","plugin":"netif","what":"restarted"}})", false),
            "T netif restarted");
  EXPECT_EQ(event_line(R"({"event":{"time":"T","what":"link connected"}})", false),
            "T agent link connected");
}

}  // namespace
}  // namespace tallyman::cli
