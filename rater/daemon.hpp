#pragma once
// The rater as a process: everything it is made of, wired together on one thread.

#include <functional>
#include <memory>
#include <string>

#include "app/loop.hpp"
#include "base/clock.hpp"
#include "rater/billing.hpp"
#include "rater/config.hpp"
#include "rater/control.hpp"
#include "rater/intake/intake.hpp"
#include "rater/intake/key_table.hpp"
#include "rater/intake/receiver.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

/// Owned by main or a test, on the loop's thread. The loop outlives it. Agents are heard from the
/// moment it is open.
class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> open(app::EventLoop& loop, const RaterConfig& config);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Reads the catalogue again, and says when that is done; mistakes are logged, and the one in
  /// force stays.
  void reload_catalogue(const std::function<void()>& done);
  /// Where agents reach it, with the real port.
  [[nodiscard]] const std::string& endpoint() const { return receiver_->endpoint(); }

 private:
  explicit Daemon(app::EventLoop& loop) : loop_(loop) {}
  void tick();
  void tick_after(Ns delay);  ///< in place of the tick that is to come
  void watch_bus();

  app::EventLoop& loop_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<KeyTable> keys_;
  std::unique_ptr<Billing> billing_;
  std::unique_ptr<Receiver> receiver_;
  std::unique_ptr<Control> control_;
  app::TimerId timer_ = 0;
  app::WatchId bus_ = 0;
  bool has_catalogue_ = false;
};

/// Runs until SIGTERM or SIGINT; SIGHUP reads the catalogue again. The exit status; errors are told
/// on stderr.
[[nodiscard]] int run_daemon(const RaterConfig& config);

}  // namespace tallyman::rater
