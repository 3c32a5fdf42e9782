#include "agent/instance/host_process.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "agent/instance/measure.hpp"

namespace tallyman::agent {
namespace {

// One turn of the loop takes at most this much from one host, so that none starves the others.
constexpr std::size_t kReadPerTurn = 1U << 20U;
// What a host may have left behind in its socket when it ended.
constexpr std::size_t kReadAtEnd = 16U << 20U;

}  // namespace

Result<std::unique_ptr<HostProcess>> HostProcess::start(
    app::EventLoop& loop, const std::string& program, const std::vector<std::string>& arguments,
    const Limits& limits, Confinement confinement, Handlers handlers) {
  Confined confined = confinement.told;
  Result<Spawned> spawned = spawn_host(program, arguments, limits, std::move(confinement));
  if (!spawned) return spawned.error();
  std::unique_ptr<HostProcess> host(
      new HostProcess(loop, std::move(*spawned), std::move(handlers)));
  host->confined_ = std::move(confined);
  return host;
}

HostProcess::HostProcess(app::EventLoop& loop, Spawned spawned, Handlers handlers)
    : loop_(loop),
      spawned_(std::move(spawned)),
      handlers_(std::move(handlers)),
      output_(loop, std::move(spawned_.output),
              [this](const std::string& line) { handlers_.printed(line); }) {
  if (spawned_.socket.valid()) {
    socket_watch_ = loop_.watch(spawned_.socket.get(), true, false,
                                [this](app::Ready ready) { on_socket(ready); });
  }
  exit_watch_ =
      loop_.watch(spawned_.exit_notice.get(), true, false, [this](app::Ready) { on_exit(); });
}

HostProcess::~HostProcess() {
  hang_up();
  if (exit_watch_ != 0) loop_.unwatch(exit_watch_);
  if (!alive()) return;
  kill();
  auto left = std::make_shared<Spawned>(std::move(spawned_));
  auto watch = std::make_shared<app::WatchId>(0);
  *watch = loop_.watch(left->exit_notice.get(), true, false, [&loop = loop_, left, watch](auto) {
    (void)reap(*left);
    loop.unwatch(*watch);
  });
}

void HostProcess::hang_up() {
  if (socket_watch_ != 0) loop_.unwatch(std::exchange(socket_watch_, 0));
  spawned_.socket.reset();
}

void HostProcess::send(const ToHost& frame) {
  if (!spawned_.socket.valid()) return;
  Bytes bytes = encode_frame(frame);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  write_some();
}

void HostProcess::take_in() { read_some(kReadPerTurn); }

void HostProcess::kill() {
  if (!alive()) return;
  killed_ = true;
  kill_group(spawned_.pid);
  if (spawned_.group) spawned_.group->kill();
}

void HostProcess::write_some() {
  while (written_ < out_.size()) {
    ssize_t n =
        ::send(spawned_.socket.get(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written_ += static_cast<std::size_t>(n);
  }
  bool more = written_ < out_.size();
  if (!more) {
    out_.clear();
    written_ = 0;
  }
  loop_.change(socket_watch_, true, more);
}

void HostProcess::on_socket(app::Ready ready) {
  if (ready.writable) write_some();
  if (ready.readable || ready.broken) read_some(kReadPerTurn);
}

void HostProcess::read_some(std::size_t limit) {
  std::array<std::uint8_t, 64U << 10U> buffer;
  for (std::size_t taken = 0; taken < limit && spawned_.socket.valid();) {
    ssize_t n = ::recv(spawned_.socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      hang_up();
      return;
    }
    taken += static_cast<std::size_t>(n);
    received_ += static_cast<std::size_t>(n);
    if (garbled_ || killed_) continue;
    cutter_.feed({buffer.data(), static_cast<std::size_t>(n)});
    while (!garbled_ && !killed_) {
      Result<std::optional<Bytes>> body = cutter_.next();
      if (body && !body->has_value()) break;
      Result<FromHost> frame = body ? decode_from_host(**body) : Result<FromHost>(body.error());
      // Copies: a handler may hand the process over to others.
      if (!frame) {
        garbled_ = true;
        const auto garbage = handlers_.garbage;
        garbage(frame.error());
      } else {
        const auto handle = handlers_.frame;
        handle(*frame);
      }
    }
  }
}

void HostProcess::on_exit() {
  read_some(kReadAtEnd);
  hang_up();
  loop_.unwatch(std::exchange(exit_watch_, 0));
  kill_group(spawned_.pid);
  output_.close();
  const Ended end = reap(spawned_);
  spawned_.pid = -1;
  spawned_.group.reset();
  auto ended = handlers_.ended;
  ended(end);
}

std::optional<Usage> HostProcess::usage() const {
  if (!alive()) return std::nullopt;
  return measure(spawned_.pid, spawned_.pid_namespace, loop_.clock().boot());
}

}  // namespace tallyman::agent
