#include "agent/control/requests.hpp"

#include <nlohmann/json.hpp>

namespace tallyman::agent {
namespace {

using nlohmann::json;

constexpr const char* kCommands = "the commands are status, readings and plugin list";

Error bad(const std::string& what, const std::string& todo = kCommands) {
  return {what, "request", todo};
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
  json document = json::parse(line, nullptr, false);
  if (!document.is_object()) return bad("the request is no JSON object");
  Request request;
  bool named = false;
  for (const auto& [key, value] : document.items()) {
    if (key == "command" && value.is_string()) {
      const auto& command = value.get_ref<const std::string&>();
      named = true;
      if (command == "status") {
        request.command = Request::Command::status;
      } else if (command == "readings") {
        request.command = Request::Command::readings;
      } else if (command == "plugin list") {
        request.command = Request::Command::plugin_list;
      } else {
        return bad("unknown command `" + command.substr(0, 80) + "`");
      }
    } else if (key == "follow" && value.is_boolean()) {
      request.follow = value.get<bool>();
    } else if (key == "plugin" && value.is_string()) {
      request.plugin = value.get<std::string>();
    } else {
      return bad("unknown or mistyped member `" + key.substr(0, 80) + "`",
                 "members are command, follow and plugin");
    }
  }
  if (!named) return bad("the request names no command");
  return request;
}

}  // namespace tallyman::agent
