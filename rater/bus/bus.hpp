#pragma once
// The edge to the message bus: what a back end must do. Publishing is submit, then confirmed():
// a back end may have many messages in flight and confirm them out of order.

#include <cstddef>
#include <cstdint>
#include <limits>
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

/// How a bus is, in words that people and scripts know: see each back end. Plain value.
struct BusState {
  std::string name = "good";
  std::string node;            ///< of several, the one that is or was in use
  std::string detail;          ///< why it is not well, and what to do; one line
  std::size_t in_flight = 0;   ///< sent, and not answered yet
  std::size_t held = 0;        ///< refused by the bus one by one, and sent again later
  std::uint64_t repeated = 0;  ///< sent once more since the start, for whatever reason
  friend bool operator==(const BusState&, const BusState&) = default;
};

/// Owned by the outbox, on the loop's thread. After an Error from submit() or confirmed() what was
/// in flight may or may not have arrived: the outbox submits it again, once recover() was asked.
class Bus {
 public:
  virtual ~Bus() = default;
  /// Takes a message; it is not safe yet. At most room() of them.
  [[nodiscard]] virtual Status submit(const BusMessage& message) = 0;
  /// Ids that are safe now, and were not told before. May block for a bounded time.
  [[nodiscard]] virtual Result<std::vector<std::string>> confirmed() = 0;
  /// After a start or an Error: puts the bus into a good state, and tells which of these messages
  /// stand on it already. A back end that cannot know tells none: its consumers drop repeats.
  [[nodiscard]] virtual Result<std::vector<std::string>> recover(
      std::span<const std::string> unconfirmed) = 0;
  /// For people: "file /var/lib/tallyman/records.jsonl".
  [[nodiscard]] virtual std::string name() const = 0;

  /// How many messages it takes now.
  [[nodiscard]] virtual std::size_t room() const { return std::numeric_limits<std::size_t>::max(); }
  [[nodiscard]] virtual BusState state() const { return {}; }
  /// What became of a message that was submitted and is not confirmed: "in flight", "returned: …";
  /// empty when it is not here.
  [[nodiscard]] virtual std::string state_of(const std::string& /*id*/) const { return {}; }
  /// Ids of messages whose text it did not keep, and that it would send again now: submit them.
  [[nodiscard]] virtual std::vector<std::string> wanted(std::size_t /*most*/) { return {}; }
  /// A message that somebody decided to leave out. It may have gone out already.
  virtual void forget(const std::string& /*id*/) {}
  /// Tries at once what would be tried later.
  virtual void retry() {}
  /// An eventfd that is readable once confirmed(), room() or wanted() has something new; who looks
  /// reads it empty. -1: a bus that answers in the call.
  [[nodiscard]] virtual int news() const { return -1; }
};

}  // namespace tallyman::rater
