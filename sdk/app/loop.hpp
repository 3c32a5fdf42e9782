#pragma once
// The event loop both daemons run on their main thread: descriptors, ZeroMQ sockets, timers and
// signals over one zmq_poll. Everything here is called on the loop's own thread.

#include <cstdint>
#include <functional>
#include <memory>

#include "app/socket.hpp"
#include "base/clock.hpp"

namespace tallyman::app {

/// Readiness of a descriptor.
struct Ready {
  bool readable = false;
  bool writable = false;
  bool broken = false;  ///< hung up or in error
};

using WatchId = std::uint64_t;  ///< never reused; 0 = none
using TimerId = std::uint64_t;

class EventLoop {
 public:
  explicit EventLoop(const Clock& clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Calls back while the descriptor is ready (level-triggered). The caller keeps the descriptor
  /// and unwatches it before closing it. A handler may watch, unwatch (itself too) and stop.
  WatchId watch(int fd, bool read, bool write, std::function<void(Ready)> handler);
  void change(WatchId id, bool read, bool write);
  /// Calls back while the socket has a message to receive.
  WatchId watch(MessageSocket& socket, std::function<void()> handler);
  void unwatch(WatchId id);

  /// Calls back once when the boot clock reaches `at`.
  TimerId at(Ns boot, std::function<void()> handler);
  TimerId after(Ns delay, std::function<void()> handler);
  void cancel(TimerId id);

  /// Calls back on the loop when the signal arrives; blocks it for the process, so call it before
  /// any thread is started.
  void on_signal(int signal, std::function<void()> handler);

  void run();   ///< until stop()
  void stop();  ///< run() returns after the current handlers
  [[nodiscard]] const Clock& clock() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tallyman::app
