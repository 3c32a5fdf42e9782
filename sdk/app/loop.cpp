#include "app/loop.hpp"

#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "base/fd.hpp"

namespace tallyman::app {
namespace {

struct Watch {
  void* socket = nullptr;
  int fd = -1;
  short events = 0;
  std::function<void(Ready)> handler;
};

short poll_events(bool read, bool write) {
  return static_cast<short>((read ? ZMQ_POLLIN : 0) | (write ? ZMQ_POLLOUT : 0));
}

}  // namespace

struct EventLoop::State {
  const Clock& clock;
  std::map<WatchId, std::shared_ptr<Watch>> watches{};
  std::multimap<Ns, std::pair<TimerId, std::function<void()>>> timers{};
  std::map<int, std::function<void()>> signals{};
  Fd signal_fd{};
  WatchId signal_watch = 0;
  std::uint64_t next_id = 1;
  bool stopping = false;

  [[nodiscard]] long timeout_ms() const {
    if (timers.empty()) return -1;
    const Ns left = timers.begin()->first - clock.boot();
    // Rounded up: waking early would only spin.
    return left <= 0 ? 0 : static_cast<long>((left + kMillisecond - 1) / kMillisecond);
  }

  void run_timers() {
    // Timers set meanwhile wait for the next turn, so that one that re-arms itself starves nobody.
    const Ns now = clock.boot();
    std::vector<TimerId> due;
    for (auto it = timers.begin(); it != timers.end() && it->first <= now; ++it) {
      due.push_back(it->second.first);
    }
    for (const TimerId id : due) {
      const auto it = std::find_if(timers.begin(), timers.end(),
                                   [id](const auto& timer) { return timer.second.first == id; });
      if (it == timers.end()) continue;
      const auto handler = std::move(it->second.second);
      timers.erase(it);
      handler();
      if (stopping) return;
    }
  }

  void dispatch(const std::vector<WatchId>& ids, const std::vector<zmq::pollitem_t>& items) {
    for (std::size_t i = 0; i < ids.size() && !stopping; ++i) {
      if (items[i].revents == 0) continue;
      const auto it = watches.find(ids[i]);
      if (it == watches.end()) continue;
      const auto watch = it->second;  // stays alive when its handler unwatches it
      watch->handler({(items[i].revents & ZMQ_POLLIN) != 0, (items[i].revents & ZMQ_POLLOUT) != 0,
                      (items[i].revents & ZMQ_POLLERR) != 0});
    }
  }

  void read_signals() {
    signalfd_siginfo info{};
    while (::read(signal_fd.get(), &info, sizeof info) == sizeof info) {
      const auto it = signals.find(static_cast<int>(info.ssi_signo));
      if (it != signals.end()) it->second();
    }
  }
};

EventLoop::EventLoop(const Clock& clock) : state_(new State{clock}) {}
EventLoop::~EventLoop() = default;

WatchId EventLoop::watch(int fd, bool read, bool write, std::function<void(Ready)> handler) {
  const WatchId id = state_->next_id++;
  state_->watches[id] =
      std::make_shared<Watch>(Watch{nullptr, fd, poll_events(read, write), std::move(handler)});
  return id;
}

void EventLoop::change(WatchId id, bool read, bool write) {
  const auto it = state_->watches.find(id);
  if (it != state_->watches.end()) it->second->events = poll_events(read, write);
}

WatchId EventLoop::watch(MessageSocket& socket, std::function<void()> handler) {
  const WatchId id = state_->next_id++;
  state_->watches[id] = std::make_shared<Watch>(
      Watch{socket.handle(), -1, ZMQ_POLLIN, [handler = std::move(handler)](Ready) { handler(); }});
  return id;
}

void EventLoop::unwatch(WatchId id) { state_->watches.erase(id); }

TimerId EventLoop::at(Ns boot, std::function<void()> handler) {
  const TimerId id = state_->next_id++;
  state_->timers.emplace(boot, std::pair(id, std::move(handler)));
  return id;
}

TimerId EventLoop::after(Ns delay, std::function<void()> handler) {
  return at(state_->clock.boot() + delay, std::move(handler));
}

void EventLoop::cancel(TimerId id) {
  std::erase_if(state_->timers, [id](const auto& timer) { return timer.second.first == id; });
}

void EventLoop::on_signal(int signal, std::function<void()> handler) {
  state_->signals[signal] = std::move(handler);
  sigset_t set;
  sigemptyset(&set);
  for (const auto& [number, unused] : state_->signals) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int fd = signalfd(state_->signal_fd.get(), &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (state_->signal_watch != 0) return;
  state_->signal_fd.reset(fd);
  state_->signal_watch = watch(fd, true, false, [this](Ready) { state_->read_signals(); });
}

void EventLoop::run() {
  state_->stopping = false;
  std::vector<WatchId> ids;
  std::vector<zmq::pollitem_t> items;
  while (!state_->stopping) {
    ids.clear();
    items.clear();
    for (const auto& [id, watch] : state_->watches) {
      ids.push_back(id);
      items.push_back({watch->socket, watch->fd, watch->events, 0});
    }
    // The C call, since its C++ wrapper throws on EINTR and on a descriptor closed too early.
    const int ready = zmq_poll(items.data(), static_cast<int>(items.size()), state_->timeout_ms());
    if (ready > 0) state_->dispatch(ids, items);
    if (!state_->stopping) state_->run_timers();
  }
}

void EventLoop::stop() { state_->stopping = true; }

const Clock& EventLoop::clock() const { return state_->clock; }

}  // namespace tallyman::app
