#include "rater/intake/receiver.hpp"

#include <utility>

namespace tallyman::rater {
namespace {

constexpr Ns kExpireEvery = 10 * kSecond;

SessionLimits limits_of(const ReceiverOptions& options) {
  SessionLimits limits = options.limits;
  limits.need_key = !options.key.empty();
  return limits;
}

}  // namespace

Result<std::unique_ptr<Receiver>> Receiver::open(app::EventLoop& loop, Ledger& ledger,
                                                 Intake& intake, KeyTable& keys,
                                                 const ReceiverOptions& options,
                                                 std::function<void()> committed) {
  app::SocketOptions limits;
  limits.max_message = options.max_message;
  limits.own = options.key;
  auto socket = app::MessageSocket::router(options.endpoint, limits);
  if (!socket.ok()) return socket.error();
  return std::unique_ptr<Receiver>(
      new Receiver(loop, std::move(*socket), ledger, intake, keys, options, std::move(committed)));
}

Receiver::Receiver(app::EventLoop& loop, app::MessageSocket socket, Ledger& ledger, Intake& intake,
                   KeyTable& keys, const ReceiverOptions& options, std::function<void()> committed)
    : loop_(loop),
      socket_(std::move(socket)),
      options_(options),
      committed_(std::move(committed)),
      sessions_(ledger, intake, keys, options.slot, limits_of(options), loop.clock()) {
  watch_ = loop_.watch(socket_, [this] { turn(); });
  arm_expiry();
}

Receiver::~Receiver() {
  loop_.cancel(expiry_);
  loop_.unwatch(watch_);
}

void Receiver::arm_expiry() {
  expiry_ = loop_.after(kExpireEvery, [this] {
    sessions_.expire();
    arm_expiry();
  });
}

void Receiver::turn() {
  std::vector<app::Message> waiting;
  std::size_t bytes = 0;
  while (waiting.size() < options_.turn_messages && bytes < options_.turn_bytes) {
    auto message = socket_.receive();
    if (!message) break;
    bytes += wire::message_weight(message->body);
    waiting.push_back(std::move(*message));
  }
  if (waiting.empty()) return;
  const std::uint64_t before = sessions_.applied();
  for (const app::Message& answer : sessions_.handle(waiting)) {
    // An answer that is not taken is not missed: a peer that hears nothing says hello again.
    static_cast<void>(socket_.send(answer));
  }
  if (sessions_.applied() != before && committed_) committed_();
}

}  // namespace tallyman::rater
