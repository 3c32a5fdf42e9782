#include "agent/control/desk.hpp"

#include <unistd.h>

#include <utility>

#include "agent/control/rights.hpp"

namespace tallyman::agent {
namespace {

constexpr std::size_t kMaxFollowers = 64;

}  // namespace

Result<std::unique_ptr<Desk>> Desk::open(app::EventLoop& loop, const std::string& path,
                                         Handlers handlers) {
  std::unique_ptr<Desk> desk(new Desk(loop, std::move(handlers)));
  auto server = app::ControlServer::listen(loop, path, 0660, desk->handler());
  if (!server) return server.error();
  desk->server_ = std::move(*server);
  return desk;
}

Result<std::unique_ptr<Desk>> Desk::adopt(app::EventLoop& loop, const std::string& path,
                                          Handlers handlers, Fd listener, Fd asker) {
  std::unique_ptr<Desk> desk(new Desk(loop, std::move(handlers)));
  auto server = app::ControlServer::adopt(loop, path, std::move(listener), desk->handler());
  if (!server) return open(loop, path, std::move(desk->handlers_));
  desk->server_ = std::move(*server);
  if (asker.valid()) desk->asker_ = desk->server_->adopt(std::move(asker));
  return desk;
}

app::ControlServer::Handler Desk::handler() {
  return [this](const std::shared_ptr<app::ControlSession>& session, std::string_view line) {
    handle(session, line);
  };
}

void Desk::answer_asker(const std::string& line) {
  const auto asker = std::exchange(asker_, nullptr);
  if (!asker) return;
  asker->send(line);
  asker->close();
}

Desk::Desk(app::EventLoop& loop, Handlers handlers) : loop_(loop), handlers_(std::move(handlers)) {}

Desk::~Desk() { loop_.cancel(tick_); }

void Desk::handle(const std::shared_ptr<app::ControlSession>& session, std::string_view line) {
  Result<Request> request = parse_request(line);
  if (!request) return session->fail(request.error());
  if (request->follow && watchers_.size() + readers_.size() >= kMaxFollowers) {
    return session->fail({"too many follow already", "agent", "end one of them"});
  }
  switch (request->command) {
    case Request::Command::plugin_list:
      session->send(handlers_.plugins());
      return session->close();
    case Request::Command::status:
      session->send(handlers_.status());
      if (!request->follow) return session->close();
      watchers_.push_back({session, {}});
      if (tick_ == 0) tick_ = loop_.after(kSecond, [this] { tick(); });
      return;
    case Request::Command::readings: {
      auto lines = handlers_.readings(request->plugin);
      if (!lines) return session->fail(lines.error());
      if (request->follow) {
        readers_.push_back({session, request->plugin});
        if (tick_ == 0) tick_ = loop_.after(kSecond, [this] { tick(); });
        return;
      }
      for (const std::string& reading : *lines) session->send(reading);
      return session->close();
    }
    case Request::Command::plugin_disable:
    case Request::Command::plugin_enable:
    case Request::Command::plugin_restart:
    case Request::Command::plugin_reset:
    case Request::Command::plugin_rollback: {
      const Status may = may_steer(session->peer(), ::geteuid(), command_name(request->command));
      if (!may.ok()) return session->fail(may.error());
      return handlers_.steer(*request, session->peer().user, [session](const Status& done) {
        if (!done.ok()) return session->fail(done.error());
        session->close();
      });
    }
    case Request::Command::reexec: {
      const Status may = may_steer(session->peer(), ::geteuid(), command_name(request->command));
      if (!may.ok()) return session->fail(may.error());
      return handlers_.reexec(session);
    }
  }
}

void Desk::tick() {
  tick_ = 0;
  auto gone = [](const Follower& follower) { return !follower.session->open(); };
  std::erase_if(watchers_, gone);
  std::erase_if(readers_, gone);
  if (!watchers_.empty()) event(handlers_.status());
  if (!watchers_.empty() || !readers_.empty()) tick_ = loop_.after(kSecond, [this] { tick(); });
}

void Desk::event(const std::string& line) {
  for (const Follower& follower : watchers_) follower.session->send(line);
}

void Desk::reading(const std::string& plugin, const std::string& line) {
  for (const Follower& follower : readers_) {
    if (follower.plugin.empty() || follower.plugin == plugin) follower.session->send(line);
  }
}

}  // namespace tallyman::agent
