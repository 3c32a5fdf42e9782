#pragma once
// What a daemon tells the service manager that started it (sd_notify(3)): ready, reloading,
// stopping, how it is in words, and that its loop still turns.
//
// The protocol is one datagram of NAME=VALUE lines to the socket named by NOTIFY_SOCKET. It is
// spoken here rather than by libsystemd: that library would bring its relocations and four
// compression libraries into a process whose memory we bound, for one sendto().

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "app/loop.hpp"
#include "base/clock.hpp"
#include "base/fd.hpp"

namespace tallyman::app {

/// What the service manager asks for.
struct NotifySettings {
  std::string socket;  ///< a path, or an abstract name behind `@`; empty = nobody listens
  Ns watchdog = 0;     ///< it wants a sign of life so often; 0 = none
  /// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are left as they are, so that an
  /// exec of the same process finds them; what makes no sense is taken for absent. Children are not
  /// to inherit them: is_notify_variable().
  static NotifySettings of_environment();
};

/// Whether "NAME=VALUE" is one of those three.
[[nodiscard]] bool is_notify_variable(std::string_view assignment);

/// Owned by main; on the loop's thread. The loop outlives it. Never blocks: what the manager cannot
/// take now is sent again until it can, signs of life and words excepted, since newer ones follow.
class Notifier {
 public:
  Notifier(EventLoop& loop, const NotifySettings& settings);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// From now on the loop gives signs of life, at half the time between two that are wanted: a loop
  /// that hangs gives none.
  void ready();
  void reloading();  ///< follow it by ready()
  void stopping();
  /// One line in words, for `systemctl status`. Sent when it differs from the last.
  void status(std::string_view words);
  [[nodiscard]] bool heard() const { return socket_.valid(); }

 private:
  void say(const std::string& message);
  void send_waiting();
  void beat();
  [[nodiscard]] bool send(const std::string& message);  ///< false = not now

  EventLoop& loop_;
  NotifySettings settings_;
  Fd socket_;
  std::deque<std::string> waiting_;  ///< in order; bounded
  std::string status_;
  bool complained_ = false;  ///< that nobody is there
  TimerId retry_ = 0;
  TimerId beat_ = 0;
};

}  // namespace tallyman::app
