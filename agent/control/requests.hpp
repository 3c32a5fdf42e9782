#pragma once
// What a line on the control socket asks for.

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace tallyman::agent {

struct Request {
  enum class Command { status, readings, plugin_list };
  Command command = Command::status;
  bool follow = false;
  std::string plugin;  ///< of this instance only; empty = all
};

/// {"command":…,"follow":bool,"plugin":…}; whatever else stands there is an error that names it.
[[nodiscard]] Result<Request> parse_request(std::string_view line);

}  // namespace tallyman::agent
