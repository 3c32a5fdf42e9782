#include "agent/host/channel.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tallyman::host {
namespace {

constexpr std::size_t kBuffer = 32U << 10U;

}  // namespace

bool Channel::send(const FromHost& frame) {
  const Bytes bytes = encode_frame(frame);
  if (bytes.size() > kMaxFrame) return false;
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  if (out_.size() >= kBuffer) flush();
  return true;
}

void Channel::flush() {
  for (std::size_t done = 0; done < out_.size() && !hung_up_;) {
    const ssize_t n = ::send(socket_, out_.data() + done, out_.size() - done, MSG_NOSIGNAL);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      hung_up_ = true;
    }
  }
  out_.clear();
}

Result<std::optional<ToHost>> Channel::receive() {
  std::array<std::uint8_t, 4096> buffer{};
  for (;;) {
    Result<std::optional<Bytes>> body = in_.next();
    if (!body) return body.error();
    if (*body) {
      Result<ToHost> frame = decode_to_host(**body);
      if (!frame) return frame.error();
      return std::optional<ToHost>(std::move(*frame));
    }
    const ssize_t n = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != ECONNRESET) {
      return errno_error("cannot read from the agent", "descriptor " + std::to_string(socket_),
                         errno, "this program is started by tallyman-agent");
    }
    if (n <= 0) return std::optional<ToHost>();
    in_.feed({buffer.data(), static_cast<std::size_t>(n)});
  }
}

}  // namespace tallyman::host
