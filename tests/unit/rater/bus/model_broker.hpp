#pragma once
// A message broker in memory, as AMQP's rules let one behave: it confirms late, out of order,
// several at once or never, returns and refuses, and loses connections with or without what was
// just sent to it.

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "rater/bus/broker_link.hpp"

namespace tallyman::rater::testing {

class ModelBroker {
 public:
  explicit ModelBroker(std::uint64_t seed) : random_(seed) {}

  /// True once in `n` times.
  bool once_in(unsigned n) { return below(n) == 0; }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  /// How often it refuses: once in so many messages; 0 = never.
  unsigned returns = 0, nacks = 0;
  /// What consumers have got, in order.
  std::vector<std::string> queue;
  std::uint64_t received = 0;

  void open() {
    waiting_.clear();
    tag_ = 0;
  }
  void take(const BusMessage& message) {
    ++received;
    Fate fate = Fate::stored;
    if (returns > 0 && once_in(returns)) fate = Fate::returned;
    if (nacks > 0 && once_in(nacks)) fate = Fate::nacked;
    if (fate == Fate::stored) queue.push_back(message.id);
    waiting_[++tag_] = {message.id, fate};
  }
  [[nodiscard]] bool has_answers() const { return !waiting_.empty(); }

  /// Confirms one that waits, or all up to it.
  std::vector<BrokerEvent> answer() {
    using Kind = BrokerEvent::Kind;
    std::vector<BrokerEvent> out;
    if (waiting_.empty()) return out;
    auto at = waiting_.begin();
    std::advance(at, below(static_cast<unsigned>(waiting_.size())));
    const auto [tag, chosen] = *at;
    const bool nack = chosen.fate == Fate::nacked;
    const bool alike = std::all_of(waiting_.begin(), std::next(at), [&](const auto& each) {
      return (each.second.fate == Fate::nacked) == nack;
    });
    const bool multiple = alike && once_in(2);
    for (auto each = multiple ? waiting_.begin() : at; each != std::next(at); ++each) {
      if (each->second.fate == Fate::returned) {
        out.push_back({Kind::returned, 0, false, each->second.id, "312 NO_ROUTE"});
      }
    }
    const bool all = multiple && std::next(at) == waiting_.end() && once_in(2);
    out.push_back({nack ? Kind::nacked : Kind::acked, all ? 0 : tag, multiple, {}, {}});
    waiting_.erase(multiple ? waiting_.begin() : at, std::next(at));
    return out;
  }

 private:
  enum class Fate : std::uint8_t { stored, returned, nacked };
  struct Waiting {
    std::string id;
    Fate fate = Fate::stored;
  };
  std::mt19937_64 random_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t tag_ = 0;
};

}  // namespace tallyman::rater::testing
