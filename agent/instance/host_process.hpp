#pragma once
// One plugin host process and its frames: non-blocking, bounded, on the event loop.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/host_protocol.hpp"
#include "agent/instance/host_output.hpp"
#include "agent/instance/spawn.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// A running host as values, for this process after it executed itself anew. Descriptors are
/// numbers, −1 = closed.
struct HostState {
  pid_t pid = -1;
  bool pid_namespace = false;
  int exit_notice = -1, socket = -1, output = -1, report = -1;
  Bytes partial;  ///< of frames: read, and not whole yet
  Bytes unsent;
  bool garbled = false;
  bool killed = false;
  OutputLines::Saved printed;
  std::uint64_t received = 0;
  std::string group;  ///< the folder of its cgroup; empty = it has none
  Confined confined;

  [[nodiscard]] std::vector<int> descriptors() const;
};

/// Owned by an Instance; main thread. Destroying it kills the process group and waits for nothing:
/// the loop reaps it whenever it ends.
class HostProcess {
 public:
  struct Handlers {
    std::function<void(FromHost&)> frame;
    /// What it sent does not decode: it is to be killed. No frame follows.
    std::function<void(const Error&)> garbage;
    /// A line it printed, of any bytes; bounded (host_output.hpp).
    std::function<void(const std::string&)> printed;
    /// It ended and is reaped; every frame it sent before was given. The process object may be
    /// destroyed within.
    std::function<void(const Ended&)> ended;
  };

  static Result<std::unique_ptr<HostProcess>> start(app::EventLoop& loop,
                                                    const std::string& program,
                                                    const std::vector<std::string>& arguments,
                                                    const Limits& limits, Confinement confinement,
                                                    Handlers handlers);
  /// Takes over a host of this process's former program, with its descriptors.
  static std::unique_ptr<HostProcess> adopt(app::EventLoop& loop, const HostState& state,
                                            Handlers handlers);
  /// Changes nothing: the descriptors stay this object's. Only while alive().
  [[nodiscard]] HostState save() const;
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  /// Another owner goes on with it; a handler may do that, and is not called again.
  void hand_over(Handlers handlers) { handlers_ = std::move(handlers); }
  /// Queues a frame; a host that does not read is cut off by its deadlines.
  void send(const ToHost& frame);
  /// Gives the frames that wait unread, now.
  void take_in();
  void kill();
  [[nodiscard]] pid_t pid() const { return spawned_.pid; }
  [[nodiscard]] bool alive() const { return spawned_.pid > 0; }
  /// What its processes take; nothing when it has ended.
  [[nodiscard]] std::optional<Usage> usage() const;
  [[nodiscard]] bool pid_namespace() const { return spawned_.pid_namespace; }
  [[nodiscard]] const Confined& confined() const { return confined_; }
  /// Bytes it sent so far.
  [[nodiscard]] std::uint64_t received() const { return received_; }
  /// Bytes it printed that were not let through.
  [[nodiscard]] std::uint64_t output_dropped() const { return output_.dropped(); }

 private:
  HostProcess(app::EventLoop& loop, Spawned spawned, Handlers handlers);
  void on_socket(app::Ready ready);
  void on_exit();
  void read_some(std::size_t limit);
  void write_some();
  void hang_up();

  app::EventLoop& loop_;
  Spawned spawned_;
  Handlers handlers_;
  HostOutput output_;
  app::WatchId socket_watch_ = 0;
  app::WatchId exit_watch_ = 0;
  FrameCutter cutter_;
  Bytes out_;
  std::size_t written_ = 0;
  std::uint64_t received_ = 0;
  Confined confined_;
  bool garbled_ = false;
  bool killed_ = false;
};

}  // namespace tallyman::agent
