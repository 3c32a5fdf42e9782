#pragma once
// The agent's status as people read it: a JSON document in, text out. Pure.

#include <string>
#include <string_view>

namespace tallyman::cli {

/// The whole screen: heading, plugins, spool, link.
[[nodiscard]] std::string status_text(std::string_view json, bool colour);

/// One line a part, as `status -f` begins when piped: "2026-…Z netif running".
[[nodiscard]] std::string status_lines(std::string_view json);

/// {"event":…} as one line: "2026-…Z netif restarted: crash: killed by signal 6".
[[nodiscard]] std::string event_line(std::string_view json, bool colour);

/// The answer to "reexec", as a line.
[[nodiscard]] std::string reexec_text(std::string_view json);

/// For Icinga and its kind: one line, and whether all is well: every plugin runs, the spool takes
/// pages, the rater acknowledges.
struct Health {
  bool well = false;
  std::string line;
};
[[nodiscard]] Health health_of(std::string_view json);

/// The answer to "plugin list" as a table.
[[nodiscard]] std::string plugin_table(std::string_view json, bool colour);

}  // namespace tallyman::cli
