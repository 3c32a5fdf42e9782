#pragma once
// Hosts that are of no further use, until they have ended: what they still say is not heard.

#include <functional>
#include <memory>
#include <vector>

#include "agent/instance/host_process.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// Owned by an Instance; main thread. Destroying it kills what is left.
class RetiredHosts {
 public:
  struct Handlers {
    std::function<void(pid_t)> killed;
    std::function<void(pid_t)> ended;  ///< it is none of these any more
  };
  RetiredHosts(app::EventLoop& loop, Handlers handlers);
  ~RetiredHosts();
  RetiredHosts(const RetiredHosts&) = delete;
  RetiredHosts& operator=(const RetiredHosts&) = delete;

  /// Tells it to stop, and kills it if it has not ended after `patience`.
  void retire(std::unique_ptr<HostProcess> host, Ns patience);
  /// Kills it. Neither waits for its end; both may be called by a handler of the host.
  void kill(std::unique_ptr<HostProcess> host);

  [[nodiscard]] std::size_t size() const { return hosts_.size(); }

 private:
  struct Host {
    std::unique_ptr<HostProcess> process;
    pid_t pid = 0;
    app::TimerId timer = 0;
  };
  Host* add(std::unique_ptr<HostProcess> host);
  void kill(const Host* host);
  void remove(const Host* host);

  app::EventLoop& loop_;
  Handlers handlers_;
  std::vector<std::unique_ptr<Host>> hosts_;
};

}  // namespace tallyman::agent
