#include "agent/control/requests.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/instance/steering.hpp"
#include "agent/utf8.hpp"

namespace tallyman::agent {
namespace {

using nlohmann::json;

constexpr const char* kCommands =
    "the commands are status, readings, plugin list, disable, enable, restart, reset and rollback, "
    "and reexec";
constexpr std::array<const char*, 9> kNames{
    "status",         "readings",     "plugin list",     "plugin disable", "plugin enable",
    "plugin restart", "plugin reset", "plugin rollback", "reexec",
};

Error bad(const std::string& what, const std::string& todo = kCommands) {
  return {what, "request", todo};
}

Status check(const Request& request) {
  if (request.steers_plugin() && request.plugin.empty()) {
    return bad("the request names no plugin instance", "`tallyman plugin list` shows them");
  }
  const bool fit = request.why.size() <= kMaxReasonBytes && is_plain_text(request.why);
  const bool disable = request.command == Request::Command::plugin_disable;
  if (!fit || (disable && request.why.empty())) {
    return bad(disable ? "a plugin is disabled for a reason" : "the reason is no plain text",
               "say --why in 1 to " + std::to_string(kMaxReasonBytes) + " bytes of plain text");
  }
  return {};
}

}  // namespace

const char* command_name(Request::Command command) {
  return kNames[static_cast<std::size_t>(command)];
}

std::string request_line(const Request& request) {
  json document{{"command", command_name(request.command)}};
  if (request.follow) document["follow"] = true;
  if (!request.plugin.empty()) document["plugin"] = request.plugin;
  if (!request.why.empty()) document["why"] = request.why;
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Request> parse_request(std::string_view line) {
  json document = json::parse(line, nullptr, false);
  if (!document.is_object()) return bad("the request is no JSON object");
  Request request;
  bool named = false;
  for (const auto& [key, value] : document.items()) {
    if (key == "command" && value.is_string()) {
      const auto& command = value.get_ref<const std::string&>();
      named = true;
      const auto at = std::find(kNames.begin(), kNames.end(), command);
      if (at == kNames.end()) return bad("unknown command `" + command.substr(0, 80) + "`");
      request.command = static_cast<Request::Command>(at - kNames.begin());
    } else if (key == "follow" && value.is_boolean()) {
      request.follow = value.get<bool>();
    } else if (key == "plugin" && value.is_string()) {
      request.plugin = value.get<std::string>();
    } else if (key == "why" && value.is_string()) {
      request.why = value.get<std::string>();
    } else {
      return bad("unknown or mistyped member `" + key.substr(0, 80) + "`",
                 "members are command, follow, plugin and why");
    }
  }
  if (!named) return bad("the request names no command");
  if (Status fit = check(request); !fit.ok()) return fit.error();
  return request;
}

}  // namespace tallyman::agent
