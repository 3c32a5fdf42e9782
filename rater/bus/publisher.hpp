#pragma once
// What is on its way to a message broker, and what becomes of it. Pure: events in, what to do next
// out; who owns the connection (amqp_bus.hpp) does it. Instants are of the boot clock.
//
//   link        try      opened   lost    blocked   unblocked
//   down        trying   -        down    -         -
//   trying      -        open     down    -         -
//   open        -        -        down    blocked   open
//   blocked     -        -        down    blocked   open
//
//   message     what happens to it
//   queued      sent in the order submitted, while the link is open
//   sent        confirmed: told by take_confirmed(), and gone. Returned (then confirmed) or nacked:
//               held. The link lost: queued again in its old place, since nobody knows
//   held        wanted again after a pause that grows, or by retry(), while the link is open
//   wanted      queued in its old place once it is submitted again
//
// What is held is without its text: a broker that refuses much, for which nothing is bound, must
// not fill the room that others want. Its text comes from the outbox again when its time is there.
//
// A message is therefore sent at least once, and told as confirmed at most once, and only after a
// broker took responsibility for it without returning it. Rejected: leaving what a lost link left
// open to the outbox (it would read everything in flight from the ledger again at every failure).

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "rater/bus/broker_link.hpp"

namespace tallyman::rater {

constexpr Ns kNever = std::numeric_limits<Ns>::max();

struct PublisherOptions {
  std::size_t nodes = 1;
  std::size_t most = 2048;        ///< messages that are here at once, but for those that are held
  std::size_t most_held = 65536;  ///< with more of them, nothing further is taken
  std::size_t most_bytes = std::size_t{8} << 20U;
  Ns heartbeat = 10 * kSecond;
  Ns pause = kSecond / 2, longest_pause = 30 * kSecond;  ///< before a node is tried again
  Ns hold = 5 * kSecond, longest_hold = kMinute;         ///< before a held message is
  Ns patience = kMinute, longest_patience = kHour;       ///< for any confirm at all
  Ns notice = 10 * kSecond;                              ///< without one, until the state says so
};

/// One thread at a time.
class Publisher {
 public:
  explicit Publisher(const PublisherOptions& options) : options_(options) { forgive(); }

  // ---- the outbox's side
  [[nodiscard]] std::size_t room() const;
  /// Takes a message; one whose id is here already is the same, and of use only when it is wanted.
  void submit(BusMessage message);
  /// What is to be submitted once more, in the order in which it was at first.
  [[nodiscard]] std::vector<std::string> wanted(std::size_t most) const;
  /// Each id once.
  [[nodiscard]] std::vector<std::string> take_confirmed();
  void forget(const std::string& id);
  void forget_all();
  /// Ends every pause, and all patience beyond the first.
  void retry(Ns now);
  /// `name`: connecting, connected, blocked, unconfirmed (connected, and no confirm comes),
  /// returned or nacked (connected, but for messages that are held), down, refused (down until a
  /// person mends it). Without `node`, which has no name here.
  [[nodiscard]] BusState state(Ns now) const;
  /// The one in use, or that was lost last.
  [[nodiscard]] std::size_t node() const { return link_ == kDown && ever_ ? lost_node_ : node_; }
  [[nodiscard]] std::string state_of(const std::string& id) const;

  // ---- the connection's side
  /// The node to connect to now; then opened() or lost() has to follow.
  [[nodiscard]] std::optional<std::size_t> node_to_try(Ns now);
  void opened(Ns now);
  void lost(const BrokerFault& why, Ns now);
  /// Anything at all has come from the broker.
  void heard(Ns now);
  /// A fault when the broker said what cannot be: then the link is to be dropped, with lost().
  [[nodiscard]] std::optional<BrokerFault> take(const BrokerEvent& event, Ns now);
  /// The next message to send, which counts as sent then: that it failed, lost() tells. Valid until
  /// the next call.
  [[nodiscard]] const BusMessage* next_to_send(Ns now);
  [[nodiscard]] bool has_to_send(Ns now);
  /// A fault when the broker has been silent, or has confirmed nothing, for too long.
  [[nodiscard]] std::optional<BrokerFault> check(Ns now) const;
  /// When to look again, at the latest.
  [[nodiscard]] Ns next_at() const;

 private:
  enum Link : std::uint8_t { kDown, kTrying, kOpen, kBlocked, kLinks };
  enum Event : std::uint8_t { kTry, kOpened, kLost, kBlock, kUnblock, kEvents };
  enum class Where : std::uint8_t { queued, sent, held, wanted };
  struct Entry {
    BusMessage message;
    Where where = Where::queued;
    std::uint64_t tag = 0;    ///< sent: on this link
    Ns due = 0;               ///< held: until then
    unsigned refusals = 0;    ///< by the broker, one after the other
    bool returned = false;    ///< on this link, and not yet confirmed
    bool unroutable = false;  ///< held because it was returned
    bool sent_before = false;
    bool unanswered = false;  ///< a link was lost while it was sent
    std::string why;
  };
  using Order = std::uint64_t;  ///< as submitted

  /// False when the event is not taken in this state.
  bool step(Event event);
  void forgive();
  void settle(Order order, bool acked, Ns now);
  void hold(Order order, Entry& entry, Ns now);
  void erase(Order order);
  void release_held(Ns now);
  void want(Order order);

  PublisherOptions options_;
  Link link_ = kDown;
  std::map<Order, Entry> entries_;
  std::unordered_map<std::string, Order> by_id_;
  std::set<Order> queued_, wanted_;
  std::map<std::uint64_t, Order> sent_;  ///< by tag
  std::set<std::pair<Ns, Order>> held_;  ///< by when it is due
  std::vector<std::string> confirmed_;
  Order next_order_ = 1;
  std::uint64_t last_tag_ = 0;
  std::size_t bytes_ = 0;
  std::size_t troubled_ = 0;    ///< entries that the broker refused, wherever they are
  std::size_t unroutable_ = 0;  ///< of those, last because nothing is bound
  std::string returned_why_, nacked_why_;
  std::uint64_t repeated_ = 0;

  std::size_t node_ = 0;  ///< the one in use, or to be tried next
  std::size_t lost_node_ = 0;
  std::size_t failures_ = 0;  ///< since a link last did its work
  bool ever_ = false;         ///< a try has ended
  Ns try_at_ = 0;
  Ns heard_ = 0, progress_ = 0, opened_ = 0;
  Ns patience_ = 0;
  BrokerFault fault_;  ///< of the last link that was lost
  std::string blocked_;
};

}  // namespace tallyman::rater
