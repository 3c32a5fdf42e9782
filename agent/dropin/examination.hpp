#pragma once
// What a plugin declares, asked of it in a child: its static constructors may do anything.

#include <functional>
#include <memory>
#include <string>

#include "agent/host_protocol.hpp"
#include "agent/instance/host_process.hpp"
#include "agent/instance/limits.hpp"
#include "app/loop.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

constexpr Ns kExaminationDeadline = 10 * kSecond;

/// One look at one plugin. Owned by whoever waits for it; main thread. Destroying it ends the child
/// and calls nobody back.
class Examination {
 public:
  /// The declaration, or in words why there is none: no plugin, another ABI, a crash, a hang. Comes
  /// in a later turn of the loop, when the child is gone; the examination may be destroyed within.
  using Done = std::function<void(const Result<Described>&)>;

  /// Loads `path` in a host under `limits`, confined; it is killed when it has not declared itself
  /// within the deadline.
  Examination(app::EventLoop& loop, const std::string& plugin_host, const std::string& path,
              const Limits& limits, Result<Confinement> confined, Done done);
  ~Examination();
  Examination(const Examination&) = delete;
  Examination& operator=(const Examination&) = delete;

 private:
  void on_frame(FromHost& frame);
  void judge(Result<Described> verdict);
  void finish();

  app::EventLoop& loop_;
  Done done_;
  std::unique_ptr<HostProcess> process_;
  bool judged_ = false;
  Result<Described> verdict_{Error{}};
  app::TimerId timer_ = 0;
};

}  // namespace tallyman::agent
