#include "rater/bus/amqp_bus.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

namespace tallyman::rater {

namespace {

constexpr Ns kLongestWait = kSecond;      ///< heartbeats are sent meanwhile
constexpr std::size_t kMostAtOnce = 128;  ///< messages sent before answers are looked for

PublisherOptions publisher_of(const BrokerBusOptions& options) {
  PublisherOptions out = options.publisher;
  out.nodes = std::max<std::size_t>(options.nodes.size(), 1);
  return out;
}

void signal_event(const Fd& fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd.get(), &one, sizeof one);
}

void clear_event(const Fd& fd) {
  std::uint64_t count = 0;
  (void)!::read(fd.get(), &count, sizeof count);
}

}  // namespace

Result<std::unique_ptr<AmqpBus>> AmqpBus::start(BrokerBusOptions options, Connector connect,
                                                const Clock& clock) {
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Fd news(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid() || !news.valid()) {
    return errno_error("cannot make an eventfd", options.name, errno);
  }
  return std::unique_ptr<AmqpBus>(
      new AmqpBus(std::move(options), std::move(connect), clock, std::move(wake), std::move(news)));
}

AmqpBus::AmqpBus(BrokerBusOptions options, Connector connect, const Clock& clock, Fd wake, Fd news)
    : options_(std::move(options)),
      connect_(std::move(connect)),
      clock_(clock),
      wake_(std::move(wake)),
      news_(std::move(news)),
      publisher_(publisher_of(options_)) {
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

AmqpBus::~AmqpBus() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    // Sending may wait for a broker that reads nothing; whatever was sent is not lost.
    if (link_) link_->cut();
  }
  wake_thread();
  thread_.join();
}

void AmqpBus::wake_thread() const { signal_event(wake_); }

Status AmqpBus::submit(const BusMessage& message) {
  {
    const std::lock_guard lock(mutex_);
    publisher_.submit(message);
  }
  wake_thread();
  return {};
}

Result<std::vector<std::string>> AmqpBus::confirmed() {
  clear_event(news_);
  const std::lock_guard lock(mutex_);
  return publisher_.take_confirmed();
}

Result<std::vector<std::string>> AmqpBus::recover(std::span<const std::string> /*unconfirmed*/) {
  const std::lock_guard lock(mutex_);
  publisher_.forget_all();
  return std::vector<std::string>{};
}

std::size_t AmqpBus::room() const {
  const std::lock_guard lock(mutex_);
  return publisher_.room();
}

BusState AmqpBus::state() const {
  const std::lock_guard lock(mutex_);
  BusState out = publisher_.state(clock_.boot());
  if (!options_.nodes.empty()) out.node = options_.nodes[publisher_.node()];
  return out;
}

std::string AmqpBus::state_of(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return publisher_.state_of(id);
}

std::vector<std::string> AmqpBus::wanted(std::size_t most) {
  const std::lock_guard lock(mutex_);
  return publisher_.wanted(most);
}

void AmqpBus::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  publisher_.forget(id);
}

void AmqpBus::retry() {
  {
    const std::lock_guard lock(mutex_);
    publisher_.retry(clock_.boot());
  }
  wake_thread();
}

void AmqpBus::run() {
  while (turn()) wait();
  const std::lock_guard lock(mutex_);
  link_.reset();
}

bool AmqpBus::turn() {
  std::optional<std::size_t> node;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return false;
    node = publisher_.node_to_try(clock_.boot());
  }
  if (node) connect(*node);
  if (!link_) return true;
  if (const auto fault = exchange()) lose(*fault);
  return true;
}

void AmqpBus::connect(std::size_t node) {
  LinkOrFault made = connect_(node);
  const std::lock_guard lock(mutex_);
  if (const auto* fault = std::get_if<BrokerFault>(&made)) {
    publisher_.lost(*fault, clock_.boot());
    return;
  }
  link_ = std::move(std::get<std::unique_ptr<BrokerLink>>(made));
  publisher_.opened(clock_.boot());
}

std::optional<BrokerFault> AmqpBus::exchange() {
  if (auto fault = receive()) return fault;
  if (auto fault = send()) return fault;
  const std::lock_guard lock(mutex_);
  return publisher_.check(clock_.boot());
}

std::optional<BrokerFault> AmqpBus::receive() {
  std::vector<BrokerEvent> events;
  auto fault = link_->receive(events);
  const Ns now = clock_.boot();
  const std::lock_guard lock(mutex_);
  if (heard_ || !events.empty()) publisher_.heard(now);
  heard_ = false;
  // What came before the end of a connection still counts.
  for (const BrokerEvent& event : events) {
    if (auto nonsense = publisher_.take(event, now)) return nonsense;
  }
  if (!events.empty()) tell_loop();
  return fault;
}

std::optional<BrokerFault> AmqpBus::send() {
  sending_ = false;
  for (std::size_t n = 0; n < kMostAtOnce; ++n) {
    BusMessage message;
    {
      const std::lock_guard lock(mutex_);
      const bool has = publisher_.has_to_send(clock_.boot());
      if (!publisher_.wanted(1).empty()) tell_loop();
      if (stop_ || !has) return std::nullopt;
      if (link_->can_send()) {
        message = *publisher_.next_to_send(clock_.boot());
      } else {
        sending_ = true;
        return std::nullopt;
      }
    }
    if (auto fault = link_->publish(message)) return fault;
  }
  sending_ = true;
  return std::nullopt;
}

void AmqpBus::lose(const BrokerFault& why) {
  const std::unique_ptr<BrokerLink> ended = [&] {
    const std::lock_guard lock(mutex_);
    publisher_.lost(why, clock_.boot());
    return std::move(link_);
  }();
  sending_ = heard_ = false;
  tell_loop();
}

void AmqpBus::wait() {
  Ns next = 0;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return;
    next = publisher_.next_at();
  }
  const Ns pause = std::clamp<Ns>(next - clock_.boot(), 0, kLongestWait);
  pollfd watched[2] = {{wake_.get(), POLLIN, 0}, {-1, 0, 0}};
  if (link_) {
    watched[1].fd = link_->descriptor();
    watched[1].events = static_cast<short>(sending_ ? POLLIN | POLLOUT : POLLIN);
  }
  // Rounded up: a millisecond early would be a turn for nothing.
  (void)::poll(watched, 2, static_cast<int>((pause + kMillisecond - 1) / kMillisecond));
  heard_ = (watched[1].revents & POLLIN) != 0;
  clear_event(wake_);
}

void AmqpBus::tell_loop() { signal_event(news_); }

}  // namespace tallyman::rater
