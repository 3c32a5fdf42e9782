#pragma once
// ZeroMQ sockets as both programs use them: single-frame messages, never blocking, bounded queues.
// zmq.hpp is included by socket.cpp and loop.cpp only.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "app/key.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

namespace tallyman::app {

/// A message and, at a router, whose it is or is for.
struct Message {
  Bytes peer;  ///< routing id the ROUTER gave; empty at a dealer
  Bytes body;
  std::string key{};  ///< the public key that CURVE proved to a router; empty without CURVE
};

struct SocketOptions {
  std::size_t max_message = 8U << 20U;  ///< larger ones cut the peer's connection
  int queue = 8;                        ///< high-water mark of either direction, per peer
  /// With a pair the socket speaks CURVE and nothing else: a router refuses plain peers, a dealer
  /// any server but the one of `server_key`.
  KeyPair own{};
  std::string server_key{};  ///< the router's public key; a dealer's only
};

/// A DEALER or ROUTER. Lives on one thread. libzmq keeps all frames of a message until the last one
/// is there, and counts them for one: a peer that got through the handshake can make this process
/// grow. Over CURVE that takes the router's public key: give it to agents only.
/// Closing never waits for a peer (linger 0).
class MessageSocket {
 public:
  /// Connects in the background, and again for ever after a loss.
  static Result<MessageSocket> dealer(const std::string& endpoint, const SocketOptions& options);
  /// Binds; port "*" or 0 lets the kernel choose: see endpoint().
  static Result<MessageSocket> router(const std::string& endpoint, const SocketOptions& options);
  MessageSocket(MessageSocket&&) noexcept;
  MessageSocket& operator=(MessageSocket&&) noexcept;
  ~MessageSocket();

  /// False when the queue is full or the peer is gone: the message was not taken.
  [[nodiscard]] bool send(const Message& message);
  /// The next message that waits, if any. One of several frames comes as one without a body, which
  /// is no message to anybody, and is counted.
  [[nodiscard]] std::optional<Message> receive();
  [[nodiscard]] bool encrypted() const;  ///< it speaks CURVE: every message received has a key
  [[nodiscard]] const std::string& endpoint() const;  ///< as bound, with the real port
  [[nodiscard]] std::uint64_t malformed() const;
  [[nodiscard]] void* handle() const;  ///< for zmq_poll

 private:
  struct State;
  explicit MessageSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// True for tcp://127.…, tcp://[::1], tcp://localhost, ipc:// and inproc://.
[[nodiscard]] bool is_loopback(const std::string& endpoint);

}  // namespace tallyman::app
