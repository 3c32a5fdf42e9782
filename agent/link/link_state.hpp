#pragma once
// The agent's side of a session with a rater, as a state machine. Pure: events in, effects out; the
// thin edge (link.hpp) owns socket, spool and timer.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "wire/message.hpp"

namespace tallyman::agent {

enum class LinkPhase : std::uint8_t {
  off,           ///< no rater is configured
  disconnected,  ///< waiting to try (again)
  greeting,      ///< hello sent
  connected,     ///< welcomed: batches flow
  refused,       ///< the rater does not want this agent; tried again now and then
};
[[nodiscard]] const char* link_phase_name(LinkPhase phase);

struct LinkTimes {
  Ns answer = 10 * kSecond;    ///< silence after which the rater counts as lost
  Ns heartbeat = 5 * kSecond;  ///< between two signs of life
  Ns busy = kSecond;           ///< until another try when the rater is busy
  Ns refused = 30 * kSecond;   ///< until another try when it does not want us
  Ns pending = 5 * kSecond;    ///< likewise while somebody is asked about this agent's key
  Ns retry_min = 200 * kMillisecond, retry_max = 5 * kSecond;  ///< back-off between hellos
};

/// What the spool holds, as the edge found it for this event.
struct LinkFacts {
  std::uint64_t ledger = 0;
  wire::Token token = 0;
  std::uint64_t sealed = 0;
  std::uint64_t acknowledged = 0;
  wire::DefNo durable_definitions = 0;
  std::optional<Hash> mark_hash;  ///< own hash of the batch the message names as mark, if known
};

/// What the edge is to do, in order.
struct LinkEffect {
  enum class What : std::uint8_t {
    connect,          ///< drop the socket, connect to endpoint number `number`
    hello,            ///< send a Hello
    heartbeat,        ///< send a Heartbeat
    hold,             ///< Spool::hold(number = ledger, token, slot); on failure: on_trouble()
    rewind,           ///< Spool::rewind(number, hash)
    acknowledge,      ///< Spool::acknowledge(number, hash)
    definitions,      ///< the durable definitions from `number` on go before any batch
    send,             ///< batches may flow: offer them with may_send() and sent()
    new_incarnation,  ///< Spool::begin_incarnation(why)
  };
  What what;
  std::uint64_t number = 0;
  wire::Token token = 0;
  std::string why{};
  Ns slot = 0;
  Hash hash = kNoHash;
  friend bool operator==(const LinkEffect&, const LinkEffect&) = default;
};
using LinkEffects = std::vector<LinkEffect>;

/// Owned by a Link; not thread-safe. Instants `now` are of the boot clock, `wall` of the wall
/// clock.
class LinkState {
 public:
  /// `wants`: what its hellos ask for, of a rater that did not call one malformed.
  LinkState(std::size_t endpoints, const LinkTimes& times, wire::Features wants = 0);

  LinkEffects start(Ns now);
  /// To be called when timer() is reached.
  LinkEffects on_timer(Ns now);
  LinkEffects on_message(const wire::RaterMessage& message, const LinkFacts& facts, Ns now,
                         Ns wall);
  /// What could not be decoded, or an effect that failed.
  LinkEffects on_trouble(const std::string& why, Ns now);

  /// The boot instant of the next on_timer().
  [[nodiscard]] Ns timer() const { return timer_; }

  /// The batch to send next follows this sequence number.
  [[nodiscard]] std::uint64_t sent_up_to() const { return sent_; }
  /// Whether a batch of so many bytes may be sent now.
  [[nodiscard]] bool may_send(std::uint64_t bytes) const;
  void sent(std::uint64_t last, std::uint64_t bytes, Ns now);

  [[nodiscard]] wire::Features asks() const { return asks_; }
  /// Whether batches may be sent packed: connected to a rater that grants it.
  [[nodiscard]] bool may_pack() const {
    return phase_ == LinkPhase::connected && (can_ & wire::kPackedBatches) != 0;
  }

  [[nodiscard]] LinkPhase phase() const { return phase_; }
  [[nodiscard]] const std::string& why() const { return why_; }
  /// What last befell this agent's identity, for people; it stays when the link is well again.
  [[nodiscard]] const std::string& note() const { return note_; }
  [[nodiscard]] std::size_t endpoint() const { return endpoint_; }
  [[nodiscard]] Ns last_ack() const { return last_ack_; }          ///< wall; 0 = none yet
  [[nodiscard]] Ns clock_offset() const { return clock_offset_; }  ///< rater's wall − own

 private:
  LinkEffects on(const wire::Welcome& welcome, const LinkFacts& facts, Ns now, Ns wall);
  LinkEffects on(const wire::Ack& ack, const LinkFacts& facts, Ns now, Ns wall);
  LinkEffects on(const wire::Refused& refused, const LinkFacts& facts, Ns now, Ns wall);
  LinkEffects malformed(const std::string& why, Ns now);
  LinkEffects diverged(const std::string& why, Ns now);
  LinkEffects moved(Ns now);
  LinkEffects refuse(const std::string& why, Ns now) { return refuse(why, times_.refused, now); }
  LinkEffects refuse(const std::string& why, Ns wait_for, Ns now);
  LinkEffects greet(Ns now);
  LinkEffect connect();
  void wait(Ns delay, LinkPhase phase, const std::string& why, Ns now);
  void back_off(const std::string& why, Ns now);
  void next_beat(Ns now);

  std::size_t endpoints_;
  LinkTimes times_;
  wire::Features wants_;
  wire::Features asks_;     ///< wants_, until the peer behind this socket calls something malformed
  wire::Features can_ = 0;  ///< of those: granted by the last welcome
  LinkPhase phase_ = LinkPhase::disconnected;
  std::string why_;
  std::string note_;
  std::size_t endpoint_ = 0;
  Ns timer_ = 0;
  unsigned failures_ = 0;       ///< since the last acknowledged batch or good session
  unsigned divergences_ = 0;    ///< since the last acknowledged batch
  std::uint64_t stuck_at_ = 0;  ///< the batch last called malformed
  unsigned stuck_ = 0;          ///< how many times in a row
  bool reconnect_ = false;      ///< the next try takes a new socket

  std::uint64_t sent_ = 0;
  std::uint64_t mark_ = 0;
  std::uint64_t credit_ = 0;
  struct InFlight {
    std::uint64_t last = 0, bytes = 0;
  };
  std::deque<InFlight> in_flight_;
  std::uint64_t in_flight_bytes_ = 0;
  Ns awaited_ = 0;           ///< since when an answer is awaited; 0 = none is
  Ns beat_ = 0;              ///< when something was last sent
  Ns superseded_until_ = 0;  ///< refusals of a superseded token are expected until then

  Ns last_ack_ = 0;
  Ns clock_offset_ = 0;
};

}  // namespace tallyman::agent
