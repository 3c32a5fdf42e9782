#include "rater/control.hpp"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace tallyman::rater {
namespace {

using Json = nlohmann::json;

constexpr unsigned kSocketMode = 0660;
constexpr std::size_t kMaxFollowers = 64;

std::string text_of(const Json& request, const char* key) {
  const auto it = request.find(key);
  return it != request.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Result<std::string> dispatch(const StatusParts& parts, const Clock& clock, const Json& request) {
  const std::string command = text_of(request, "command");
  const std::string period = text_of(request, "period");
  Billing& billing = parts.billing;
  if (command == "status") return status_json(parts, clock);
  if (command == "usage") return billing.usage_json(text_of(request, "customer"), period);
  if (command == "close") return billing.close(period);
  if (command == "release") return billing.release(period);
  if (command == "review") return billing.review(period);
  if (command == "periods") return billing.periods_json();
  if (command == "records") return billing.records_json(period);
  if (command == "outbox") return billing.outbox_json();
  return Error{"unknown command '" + command.substr(0, 64) + "'", "",
               "use the tallyman-rater that belongs to this daemon"};
}

}  // namespace

Result<std::unique_ptr<Control>> Control::open(app::EventLoop& loop, const std::string& path,
                                               StatusParts parts) {
  std::unique_ptr<Control> control(new Control(loop, std::move(parts)));
  auto server = app::ControlServer::listen(
      loop, path, kSocketMode,
      [raw = control.get()](std::shared_ptr<app::ControlSession> session,
                            std::string_view request) { raw->answer(session, request); });
  if (!server.ok()) return server.error();
  control->server_ = std::move(*server);
  return control;
}

Control::~Control() {
  loop_.cancel(timer_);
  for (const auto& follower : followers_) follower->close();
}

void Control::answer(const std::shared_ptr<app::ControlSession>& session,
                     std::string_view request) {
  const Json json = Json::parse(request, nullptr, false);
  if (!json.is_object()) {
    session->fail({"the request is not a JSON object", "", ""});
    return;
  }
  const auto answer = dispatch(parts_, loop_.clock(), json);
  if (!answer.ok()) {
    session->fail(answer.error());
    return;
  }
  session->send(*answer);
  const auto follows = json.find("follow");
  if (text_of(json, "command") == "status" && follows != json.end() && *follows == true) {
    if (followers_.size() >= kMaxFollowers) {
      session->fail({"too many clients follow already", "", "end one of them"});
      return;
    }
    followers_.push_back(session);
    if (timer_ == 0) timer_ = loop_.after(kSecond, [this] { follow(); });
    return;
  }
  session->close();
}

void Control::follow() {
  timer_ = 0;
  std::erase_if(followers_, [](const auto& follower) { return !follower->open(); });
  if (followers_.empty()) return;
  const auto status = status_json(parts_, loop_.clock());
  for (const auto& follower : followers_) {
    if (status.ok()) follower->send(*status);
    if (!status.ok()) follower->fail(status.error());
  }
  timer_ = loop_.after(kSecond, [this] { follow(); });
}

}  // namespace tallyman::rater
