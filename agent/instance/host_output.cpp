#include "agent/instance/host_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace tallyman::agent {
namespace {

// One turn of the loop takes at most this much from one host.
constexpr std::size_t kTakePerTurn = 1U << 20U;

}  // namespace

std::size_t OutputLines::wanted(Ns boot) {
  if (std::exchange(second_, boot / kSecond) != boot / kSecond) left_ = kBytesPerSecond;
  return left_;
}

std::vector<std::string> OutputLines::feed(std::string_view text) {
  left_ -= std::min(left_, text.size());
  std::vector<std::string> whole;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::size_t kept = std::min(end, kLongestLine - line_.size());
    line_.append(text.substr(0, kept));
    dropped_ += end - kept;
    if (end < text.size()) whole.push_back(std::exchange(line_, {}));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return whole;
}

std::vector<std::string> OutputLines::finish() {
  if (line_.empty()) return {};
  return {std::exchange(line_, {})};
}

HostOutput::HostOutput(app::EventLoop& loop, Fd pipe, std::function<void(const std::string&)> line)
    : loop_(loop), pipe_(std::move(pipe)), line_(std::move(line)) {
  if (pipe_.valid())
    watch_ = loop_.watch(pipe_.get(), true, false, [this](app::Ready) { take(kTakePerTurn); });
}

HostOutput::~HostOutput() { hang_up(); }

void HostOutput::hang_up() {
  if (watch_ != 0) loop_.unwatch(std::exchange(watch_, 0));
  pipe_.reset();
}

void HostOutput::close() {
  take(kTakePerTurn);
  hang_up();
  for (const std::string& line : lines_.finish()) line_(line);
}

void HostOutput::take(std::size_t limit) {
  std::array<char, 4096> buffer;
  for (std::size_t taken = 0; taken < limit && pipe_.valid();) {
    const std::size_t wanted = std::min(lines_.wanted(loop_.clock().boot()), buffer.size());
    ssize_t n = 0;
    if (wanted > 0) {
      n = ::read(pipe_.get(), buffer.data(), wanted);
    } else {
      if (!sink_.valid()) sink_ = Fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
      n = ::splice(pipe_.get(), nullptr, sink_.get(), nullptr, limit - taken, SPLICE_F_NONBLOCK);
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return hang_up();
    taken += static_cast<std::size_t>(n);
    if (wanted == 0) {
      lines_.skipped(static_cast<std::uint64_t>(n));
      continue;
    }
    for (const std::string& line : lines_.feed({buffer.data(), static_cast<std::size_t>(n)})) {
      line_(line);
    }
  }
}

}  // namespace tallyman::agent
