#pragma once
// The host's end of the socketpair: blocking, buffered, one thread.

#include <optional>

#include "agent/host_protocol.hpp"
#include "base/result.hpp"

namespace tallyman::host {

/// Owned by main. Does not own the descriptor: it is the process's, and ends with it.
class Channel {
 public:
  explicit Channel(int socket) : socket_(socket) {}

  /// Buffers a frame; writes the buffer out when it is large. A frame over kMaxFrame is not sent,
  /// and false: nothing the host says is that large by design.
  bool send(const FromHost& frame);
  /// Writes out what is buffered. When the agent is gone, hung_up() is true from then on.
  void flush();
  [[nodiscard]] bool hung_up() const { return hung_up_; }

  /// The next frame; nothing at the end of the stream.
  [[nodiscard]] Result<std::optional<ToHost>> receive();

 private:
  int socket_;
  Bytes out_;
  FrameCutter in_;
  bool hung_up_ = false;
};

}  // namespace tallyman::host
