#pragma once
// Who asked what on the control socket, and the followers among them.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/control/requests.hpp"
#include "app/control.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// Owned by the Agent; main thread.
class Desk {
 public:
  struct Handlers {
    std::function<std::string()> status;  ///< one JSON line
    std::function<std::string()> plugins;
    /// The latest readings of an instance, or of all; an error for an unknown instance.
    std::function<Result<std::vector<std::string>>(const std::string& plugin)> readings;
    /// Does what the request of this user, who may, steers to, and calls back once it is done.
    std::function<void(const Request&, const std::string& user,
                       std::function<void(const Status&)> done)>
        steer;
    /// Has the agent replace itself by its new program. This client, who may, is answered by it, or
    /// told why not.
    std::function<void(const std::shared_ptr<app::ControlSession>&)> reexec;
  };
  static Result<std::unique_ptr<Desk>> open(app::EventLoop& loop, const std::string& path,
                                            Handlers handlers);
  /// Goes on at a socket that listens there already, with the client who asked for the re-exec, if
  /// any. Where that cannot be, as open().
  static Result<std::unique_ptr<Desk>> adopt(app::EventLoop& loop, const std::string& path,
                                             Handlers handlers, Fd listener, Fd asker);
  ~Desk();

  [[nodiscard]] int listener() const { return server_->descriptor(); }
  /// Tells the client who came over, if any, what the re-exec came to.
  void answer_asker(const std::string& line);

  /// To everybody who follows status.
  void event(const std::string& line);
  /// To everybody who follows readings, of this instance.
  [[nodiscard]] bool anybody_reads() const { return !readers_.empty(); }
  void reading(const std::string& plugin, const std::string& line);

 private:
  Desk(app::EventLoop& loop, Handlers handlers);
  app::ControlServer::Handler handler();
  void handle(const std::shared_ptr<app::ControlSession>& session, std::string_view line);
  void tick();

  app::EventLoop& loop_;
  Handlers handlers_;
  std::unique_ptr<app::ControlServer> server_;
  struct Follower {
    std::shared_ptr<app::ControlSession> session;
    std::string plugin;
  };
  std::shared_ptr<app::ControlSession> asker_;
  std::vector<Follower> watchers_;
  std::vector<Follower> readers_;
  app::TimerId tick_ = 0;
};

}  // namespace tallyman::agent
