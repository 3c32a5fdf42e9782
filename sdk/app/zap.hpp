#pragma once
// The ZAP handler (RFC 27): libzmq asks it about every connection to a CURVE server. It lets every
// proved key in and names the connection by it ("User-Id"), so that each message carries its
// sender's key; who may do what is decided per message, where a refusal can be told in words.
// Without a handler libzmq lets connections in unnamed: MessageSocket then takes nothing of them.
//
// On a thread of its own, since a handshake waits for it: the owner's loop may be in a long
// transaction. It keeps no state.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"

namespace tallyman::app {

/// What one handler answers to one request's frames (RFC 27). Pure.
[[nodiscard]] std::vector<std::string> zap_answer(const std::vector<std::string>& request);

/// One a process at a time: shared by all servers of a context. Ends with its last owner.
class ZapHandler {
 public:
  /// The running one, or a new one. `context` is libzmq's, and outlives it. Any thread.
  static Result<std::shared_ptr<ZapHandler>> of(void* context);
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

 private:
  ZapHandler() = default;
  void serve(void* replies, void* ending);
  void* stop_ = nullptr;  ///< tells the thread to end; the owner's end of a pair
  std::thread thread_;
};

}  // namespace tallyman::app
