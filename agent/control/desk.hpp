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
  };
  static Result<std::unique_ptr<Desk>> open(app::EventLoop& loop, const std::string& path,
                                            Handlers handlers);
  ~Desk();

  /// To everybody who follows status.
  void event(const std::string& line);
  /// To everybody who follows readings, of this instance.
  [[nodiscard]] bool anybody_reads() const { return !readers_.empty(); }
  void reading(const std::string& plugin, const std::string& line);

 private:
  Desk(app::EventLoop& loop, Handlers handlers);
  void handle(const std::shared_ptr<app::ControlSession>& session, std::string_view line);
  void tick();

  app::EventLoop& loop_;
  Handlers handlers_;
  std::unique_ptr<app::ControlServer> server_;
  struct Follower {
    std::shared_ptr<app::ControlSession> session;
    std::string plugin;
  };
  std::vector<Follower> watchers_;
  std::vector<Follower> readers_;
  app::TimerId tick_ = 0;
};

}  // namespace tallyman::agent
