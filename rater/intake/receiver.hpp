#pragma once
// The rater's ROUTER: takes what waits in one turn of the loop, has it handled in one transaction,
// then answers. That is the group commit: the busier the agents, the more batches share an fsync.

#include <functional>
#include <memory>
#include <string>

#include "app/loop.hpp"
#include "app/socket.hpp"
#include "rater/intake/session_table.hpp"

namespace tallyman::rater {

struct ReceiverOptions {
  std::string endpoint = "tcp://127.0.0.1:5580";
  Ns slot = 5 * kMinute;
  std::size_t turn_messages = 256;      ///< at most, of all peers, in one transaction
  std::size_t turn_bytes = 16U << 20U;  ///< likewise; of packed batches, what they unpack to
  std::size_t max_message = wire::kMaxBatchBytes + (64U << 10U);
  app::KeyPair key{};  ///< of the rater: then agents come over CURVE, each by a key of its own
  SessionLimits limits{};
};

/// Owned by the daemon, on the loop's thread; loop, ledger, intake and keys outlive it.
class Receiver {
 public:
  /// `committed` is called after a turn that applied batches.
  static Result<std::unique_ptr<Receiver>> open(app::EventLoop& loop, Ledger& ledger,
                                                Intake& intake, KeyTable& keys,
                                                const ReceiverOptions& options,
                                                std::function<void()> committed);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] const SessionTable& sessions() const { return sessions_; }
  [[nodiscard]] const std::string& endpoint() const { return socket_.endpoint(); }
  [[nodiscard]] bool encrypted() const { return socket_.encrypted(); }

 private:
  Receiver(app::EventLoop& loop, app::MessageSocket socket, Ledger& ledger, Intake& intake,
           KeyTable& keys, const ReceiverOptions& options, std::function<void()> committed);
  void turn();
  void arm_expiry();

  app::EventLoop& loop_;
  app::MessageSocket socket_;
  const ReceiverOptions options_;
  std::function<void()> committed_;
  SessionTable sessions_;
  app::WatchId watch_ = 0;
  app::TimerId expiry_ = 0;
};

}  // namespace tallyman::rater
