#pragma once
// The bus as a message broker, RabbitMQ: topic exchange, persistent and mandatory messages,
// publisher confirms with many in flight, several nodes of which one is used at a time.
//
// One thread of its own does everything that may wait (addresses, connecting, TLS, sending), so the
// loop never does: they share a Publisher, behind one mutex that is never held over a wait.
// Rejected: sockets on the loop (librabbitmq connects, logs in and sends in calls that wait).

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "rater/bus/broker_link.hpp"
#include "rater/bus/publisher.hpp"

namespace tallyman::rater {

struct BrokerBusOptions {
  std::string name;                ///< for people: "amqp tallyman.usage"
  std::vector<std::string> nodes;  ///< theirs, in the order in which they are tried
  PublisherOptions publisher;      ///< but for `nodes`
};

/// States: publisher.hpp. Owned by the outbox, on the loop's thread. The clock outlives it.
/// Destroying it waits for what the connector is at.
class AmqpBus final : public Bus {
 public:
  static Result<std::unique_ptr<AmqpBus>> start(BrokerBusOptions options, Connector connect,
                                                const Clock& clock);
  ~AmqpBus() override;
  AmqpBus(const AmqpBus&) = delete;
  AmqpBus& operator=(const AmqpBus&) = delete;

  [[nodiscard]] Status submit(const BusMessage& message) override;
  [[nodiscard]] Result<std::vector<std::string>> confirmed() override;
  /// Nothing is known of what a broker has: everything goes out again.
  [[nodiscard]] Result<std::vector<std::string>> recover(
      std::span<const std::string> unconfirmed) override;
  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::size_t room() const override;
  [[nodiscard]] BusState state() const override;
  [[nodiscard]] std::string state_of(const std::string& id) const override;
  [[nodiscard]] std::vector<std::string> wanted(std::size_t most) override;
  void forget(const std::string& id) override;
  void retry() override;
  [[nodiscard]] int news() const override { return news_.get(); }

 private:
  AmqpBus(BrokerBusOptions options, Connector connect, const Clock& clock, Fd wake, Fd news);
  void run();
  /// One turn: connect when that is due, else receive and send. False when it is to end.
  [[nodiscard]] bool turn();
  void connect(std::size_t node);
  [[nodiscard]] std::optional<BrokerFault> exchange();
  [[nodiscard]] std::optional<BrokerFault> receive();
  [[nodiscard]] std::optional<BrokerFault> send();
  void lose(const BrokerFault& why);
  /// Until there is something to do.
  void wait();
  void tell_loop();
  void wake_thread() const;

  const BrokerBusOptions options_;
  const Connector connect_;
  const Clock& clock_;
  Fd wake_;               ///< an eventfd: the loop writes, the thread reads
  Fd news_;               ///< an eventfd: the thread writes, the loop reads
  bool heard_ = false;    ///< the thread's: the link's descriptor was readable
  bool sending_ = false;  ///< the thread's: there is more to send

  mutable std::mutex mutex_;
  Publisher publisher_;               ///< guarded by mutex_
  bool stop_ = false;                 ///< guarded by mutex_
  std::unique_ptr<BrokerLink> link_;  ///< the thread's; made and ended under mutex_
  std::thread thread_;
};

}  // namespace tallyman::rater
