#include "app/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "app/log.hpp"

namespace tallyman::app {
namespace {

constexpr Ns kRetry = 100 * kMillisecond;
constexpr Ns kLeastBeat = 10 * kMillisecond;
constexpr std::size_t kMaxWaiting = 16;
constexpr std::size_t kMaxWords = 512;
constexpr std::uint64_t kMostMicroseconds = 24ULL * 3600 * 1'000'000;

constexpr std::array<std::string_view, 3> kVariables{"NOTIFY_SOCKET", "WATCHDOG_USEC",
                                                     "WATCHDOG_PID"};

std::string variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? "" : value;
}

/// 0 when the text is no number.
std::uint64_t number_of(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

bool is_address(const std::string& socket) {
  return socket.size() > 1 && socket.size() < sizeof(sockaddr_un::sun_path) &&
         (socket[0] == '/' || socket[0] == '@');
}

}  // namespace

NotifySettings NotifySettings::of_environment() {
  NotifySettings settings;
  settings.socket = variable(kVariables[0]);
  if (!is_address(settings.socket)) settings.socket.clear();
  const std::string pid = variable(kVariables[2]);
  if (!pid.empty() && number_of(pid) != static_cast<std::uint64_t>(getpid())) return settings;
  const std::uint64_t wanted = number_of(variable(kVariables[1]));
  if (wanted <= kMostMicroseconds) settings.watchdog = static_cast<Ns>(wanted) * kMicrosecond;
  return settings;
}

bool is_notify_variable(std::string_view assignment) {
  const std::string_view name = assignment.substr(0, assignment.find('='));
  return std::find(kVariables.begin(), kVariables.end(), name) != kVariables.end();
}

Notifier::Notifier(EventLoop& loop, const NotifySettings& settings)
    : loop_(loop), settings_(settings) {
  if (!is_address(settings_.socket)) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.valid()) log::warning("cannot tell the service manager anything: no socket");
}

Notifier::~Notifier() {
  loop_.cancel(retry_);
  loop_.cancel(beat_);
}

void Notifier::ready() {
  say("READY=1");
  if (heard() && settings_.watchdog > 0 && beat_ == 0) beat();
}

void Notifier::reloading() {
  // The manager tells by it which reload is over; its clock is CLOCK_MONOTONIC.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const Ns monotonic = static_cast<Ns>(now.tv_sec) * kSecond + now.tv_nsec;
  say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic / kMicrosecond));
}

void Notifier::stopping() { say("STOPPING=1"); }

void Notifier::status(std::string_view words) {
  std::size_t end = std::min(words.size(), kMaxWords);
  // Not inside a character of UTF-8: the manager takes no such line.
  while (end < words.size() && end > 0 && (words[end] & 0xC0) == 0x80) --end;
  std::string line(words.substr(0, end));
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (!heard() || line == status_) return;
  if (waiting_.empty() && send("STATUS=" + line)) status_ = std::move(line);
}

void Notifier::say(const std::string& message) {
  if (!heard()) return;
  waiting_.push_back(message);
  if (waiting_.size() > kMaxWaiting) waiting_.pop_front();
  send_waiting();
}

void Notifier::send_waiting() {
  while (!waiting_.empty() && send(waiting_.front())) waiting_.pop_front();
  if (waiting_.empty() || retry_ != 0) return;
  retry_ = loop_.after(kRetry, [this] {
    retry_ = 0;
    send_waiting();
  });
}

void Notifier::beat() {
  beat_ = loop_.after(std::max(settings_.watchdog / 2, kLeastBeat), [this] { beat(); });
  (void)send("WATCHDOG=1");
}

bool Notifier::send(const std::string& message) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, settings_.socket.data(), settings_.socket.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + settings_.socket.size());
  const ssize_t sent = ::sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  if (sent >= 0) return true;
  if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return false;
  if (!std::exchange(complained_, true)) {
    log::warning("cannot tell the service manager at {} anything: {}", settings_.socket,
                 std::strerror(errno));
  }
  return true;  // it is not there: nothing is gained by trying again
}

}  // namespace tallyman::app
