#pragma once
// One connection to one node of a message broker, as the bus's thread needs it. amqp_link.hpp has
// the real one, the tests a broker in memory.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "rater/bus/bus.hpp"

namespace tallyman::rater {

/// What a broker tells about what was published, and about itself.
struct BrokerEvent {
  enum class Kind : std::uint8_t {
    acked,     ///< tag, multiple: it has taken responsibility
    nacked,    ///< tag, multiple: it has not
    returned,  ///< id, text: nothing is bound to its routing key; acked right after
    blocked,   ///< text: it reads nothing more for now
    unblocked
  };
  Kind kind = Kind::acked;
  std::uint64_t tag = 0;  ///< messages of this connection count from 1
  bool multiple = false;  ///< all up to this one; with tag 0 all there are
  std::string id, text;
};

/// Why a connection ended, or was not made.
struct BrokerFault {
  Error error;
  bool refused = false;  ///< the node answers and says no: a person must mend something
};

/// Owned by the bus, on its thread but for cut().
class BrokerLink {
 public:
  virtual ~BrokerLink() = default;
  /// Sends a message, mandatory and persistent; waits only where it is longer than what
  /// can_send() promised.
  [[nodiscard]] virtual std::optional<BrokerFault> publish(const BusMessage& message) = 0;
  /// Whether a message may be sent without waiting.
  [[nodiscard]] virtual bool can_send() = 0;
  /// Appends what has come, without waiting, and sends heartbeats that are due.
  [[nodiscard]] virtual std::optional<BrokerFault> receive(std::vector<BrokerEvent>& events) = 0;
  /// Readable when receive() may have something.
  [[nodiscard]] virtual int descriptor() const = 0;
  /// Makes whatever it waits for fail. Any thread.
  virtual void cut() = 0;
};

using LinkOrFault = std::variant<std::unique_ptr<BrokerLink>, BrokerFault>;
/// Connects to one of the nodes, by its number; takes a bounded time. Called on the bus's thread.
using Connector = std::function<LinkOrFault(std::size_t node)>;

}  // namespace tallyman::rater
