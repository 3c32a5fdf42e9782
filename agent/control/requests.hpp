#pragma once
// What a line on the control socket asks for.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace tallyman::agent {

struct Request {
  enum class Command {
    status,
    readings,
    plugin_list,
    plugin_disable,
    plugin_enable,
    plugin_restart,
    plugin_reset,
    plugin_rollback,
    reexec
  };
  Command command = Command::status;
  bool follow = false;
  std::string plugin;  ///< of this instance only; empty = all
  std::string why;     ///< an operator's reason, of plugin disable and rollback

  /// Whether it changes something: root and the agent's own user may ask for it, nobody else.
  [[nodiscard]] bool steers() const { return command >= Command::plugin_disable; }
  /// Whether it does so to one plugin instance, which it must name.
  [[nodiscard]] bool steers_plugin() const { return steers() && command != Command::reexec; }
};

/// "status", "plugin disable" …
[[nodiscard]] const char* command_name(Request::Command command);

/// The line that parse_request() reads as this.
[[nodiscard]] std::string request_line(const Request& request);

/// {"command":…,"follow":bool,"plugin":…,"why":…}; whatever else stands there is an error that
/// names it, and so is a steering command without a plugin, or a disable without a plain reason.
[[nodiscard]] Result<Request> parse_request(std::string_view line);

}  // namespace tallyman::agent
