#include "rater/cli/client.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "app/control.hpp"
#include "app/exit.hpp"
#include "app/table.hpp"
#include "rater/cli/answer_view.hpp"
#include "rater/cli/progress.hpp"
#include "rater/cli/status_view.hpp"

namespace tallyman::rater::cli {

namespace {

/// True when the line is a mistake in what was given: told on stderr, as it is.
bool tell_mistake(std::string_view line) {
  if (line.rfind("{\"mistake\":", 0) != 0) return false;
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json["mistake"].is_string()) return false;
  std::fprintf(stderr, "%s\n", json["mistake"].get<std::string>().c_str());
  return true;
}

/// True when the line tells how far the daemon has come.
bool tell_progress(std::string_view line, ProgressTeller& teller) {
  if (line.rfind("{\"progress\":", 0) != 0) return false;
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json["progress"].is_object()) return false;
  const nlohmann::json& at = json["progress"];
  const auto number = [&](const char* name) -> std::uint64_t {
    const auto it = at.find(name);
    return it != at.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
  };
  const auto what = at.find("what");
  if (what == at.end() || !what->is_string()) return false;
  teller.tell(what->get<std::string>(), number("done"), number("total"));
  return true;
}

nlohmann::json request_of(const std::string& command, const Fields& fields) {
  nlohmann::json request = {{"command", command}};
  for (const auto& [key, value] : fields) request[key] = value;
  return request;
}

/// `wrong`: the status when lines of what was given had mistakes.
int ask(const Target& target, const nlohmann::json& request, int wrong) {
  bool understood = true, answered = false;
  int failed = app::kFound;
  ProgressTeller progress;
  const auto show = [&](std::string_view line) {
    if (tell_progress(line, progress)) return true;
    progress.wipe();
    if (tell_mistake(line)) {
      failed = wrong;
      return true;
    }
    answered = true;
    const std::string text = target.json ? std::string(line) + "\n"
                                         : answer_text(line, app::stdout_has_colour(), understood);
    std::fputs(text.c_str(), stdout);
    return true;
  };
  const std::string line = request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  Status called = app::control_call(target.socket, line, show);
  progress.wipe();
  if (called.ok() && !answered) {
    called = Error{"the rater ended before it was done", target.socket, "ask it again"};
  }
  if (called.ok() && !understood) called = Error{"the answer is not JSON", target.socket, ""};
  if (called.ok()) return app::kDone;
  app::complain("tallyman-rater", called.error());
  return failed;
}

}  // namespace

Result<std::string> call(const std::string& socket, const std::string& command,
                         const Fields& fields) {
  std::string last;
  const std::string request =
      request_of(command, fields).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const Status called = app::control_call(socket, request, [&](std::string_view line) {
    last = std::string(line);
    return true;
  });
  if (!called.ok()) return called.error();
  return last;
}

int ask(const Target& target, const std::string& command, const Fields& fields) {
  return ask(target, request_of(command, fields), app::kFound);
}

int ask_with(const Target& target, const std::string& command, const Fields& fields,
             const std::vector<CatalogueFile>& files, bool adjust) {
  nlohmann::json request = request_of(command, fields);
  request["adjust"] = adjust;
  for (const CatalogueFile& file : files) {
    request["files"].push_back({{"name", file.name}, {"text", file.text}});
  }
  return ask(target, request, app::kUsage);
}

int status(const Target& target, bool follow) {
  const bool screen = app::stdout_is_terminal();
  const bool colour = app::stdout_has_colour();
  std::string before;
  const auto show = [&](std::string_view line) {
    if (target.json) {
      std::fputs((std::string(line) + "\n").c_str(), stdout);
    } else if (!follow) {
      std::fputs(status_screen(line, colour).c_str(), stdout);
    } else if (screen) {
      // Home, the screen, and nothing left of the one before.
      std::fputs(("\033[H\033[J" + status_screen(line, colour)).c_str(), stdout);
    } else {
      for (const std::string& event : status_events(before, line)) {
        std::fputs((event + "\n").c_str(), stdout);
      }
      before = line;
    }
    return std::fflush(stdout) == 0;
  };
  const char* request =
      follow ? R"({"command":"status","follow":true})" : R"({"command":"status"})";
  const Status called = app::control_call(target.socket, request, show);
  if (called.ok()) return app::kDone;
  app::complain("tallyman-rater", called.error());
  return app::kFound;
}

}  // namespace tallyman::rater::cli
