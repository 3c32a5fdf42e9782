#pragma once
// The edge to the message bus: what a back end must do. Publishing is submit, then confirmed():
// a back end may have many messages in flight and confirm them out of order.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace tallyman::rater {

struct BusMessage {
  std::string id;  ///< the event's; what a consumer drops repeats by
  std::string routing_key;
  std::string body;  ///< one line
};

/// Owned by the outbox, on the loop's thread. After an Error from submit() or confirmed() what was
/// in flight may or may not have arrived: the outbox submits it again, once recover() was asked.
class Bus {
 public:
  virtual ~Bus() = default;
  /// Takes a message; it is not safe yet.
  [[nodiscard]] virtual Status submit(const BusMessage& message) = 0;
  /// Ids that are safe now, and were not told before. May block for a bounded time.
  [[nodiscard]] virtual Result<std::vector<std::string>> confirmed() = 0;
  /// After a start or an Error: puts the bus into a good state, and tells which of these messages
  /// stand on it already. A back end that cannot know tells none: its consumers drop repeats.
  [[nodiscard]] virtual Result<std::vector<std::string>> recover(
      std::span<const std::string> unconfirmed) = 0;
  /// For people: "file /var/lib/tallyman/records.jsonl".
  [[nodiscard]] virtual std::string name() const = 0;
};

}  // namespace tallyman::rater
