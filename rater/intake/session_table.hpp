#pragma once
// The agents' sessions: messages in, answers out, with the ledger in between. No socket here: what
// carries the messages is receiver.hpp's matter.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/socket.hpp"
#include "base/clock.hpp"
#include "rater/intake/intake.hpp"
#include "rater/intake/key_table.hpp"
#include "rater/intake/log_limit.hpp"
#include "rater/intake/session.hpp"
#include "rater/ledger/ledger.hpp"
#include "wire/message.hpp"

namespace tallyman::rater {

struct SessionLimits {
  bool need_key = false;             ///< agents come over CURVE: each by a key of its own
  std::uint64_t credit = 4U << 20U;  ///< bytes an agent may have unacknowledged
  std::size_t sessions = 4096;       ///< peers remembered at once
  Ns idle = 5 * kMinute;             ///< after which a silent peer is forgotten
};

/// What is known of an agent that spoke since the rater runs.
struct AgentLink {
  std::string agent;
  wire::Incarnation incarnation{};
  std::string software;
  Ns last_heard = 0;        ///< wall
  Ns silent_for = 0;        ///< since it last spoke
  Ns clock_offset = 0;      ///< its wall clock less the rater's, when it last told
  bool in_session = false;  ///< a hello of it was accepted, and nothing refused since
  std::string refused;      ///< what it was last told, while that stands: "fenced: …"
  std::string note;         ///< what last befell its identity ("it has lost its state …"); stays
  Ns noted = 0;             ///< wall instant of that
};

/// Owned by the receiver, on the loop's thread; nobody else may have a transaction open on the
/// ledger while handle() runs.
///
/// A peer is a connection (its routing id) under one key. Until its hello is accepted, and once it
/// was refused, nothing of it but a hello is looked at, and it is told so once. Of peers without an
/// approved key nothing is written down, in the ledger or per agent.
class SessionTable {
 public:
  SessionTable(Ledger& ledger, Intake& intake, KeyTable& keys, Ns slot, const SessionLimits& limits,
               const Clock& clock);

  /// Handles what waited, in order, in one transaction; what comes back may be sent: all that it
  /// acknowledges is durable. When the ledger cannot take it, nothing is acknowledged and every
  /// peer that wanted something stored is told to try later.
  [[nodiscard]] std::vector<app::Message> handle(const std::vector<app::Message>& messages);
  /// Forgets peers that said nothing for long.
  void expire();

  [[nodiscard]] std::vector<AgentLink> links() const;  ///< ascending by agent
  /// Why the ledger took nothing at the last attempt; empty = well.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  /// Batches applied since the start.
  [[nodiscard]] std::uint64_t applied() const { return applied_; }

 private:
  struct Session {
    bool open = false;    ///< false: muted until a new hello
    std::string key;      ///< that it came with
    std::string agent;    ///< whose it is, as far as that is known
    bool moving = false;  ///< it comes from another ledger; until its first data
    wire::Incarnation incarnation{};
    std::int64_t stream = 0;
    wire::Token token = 0;
    std::string software;
    Ns heard_boot = 0, heard_wall = 0, clock_offset = 0;
  };
  /// One call of handle(): what it owes when it is over.
  struct Turn {
    std::optional<Transaction> transaction;
    std::vector<std::pair<Bytes, wire::RaterMessage>> answers;
    std::set<Bytes> acknowledge;  ///< peers to tell their mark
    std::set<Bytes> writers;      ///< peers that are told to try later if the commit fails
    std::vector<std::pair<Bytes, std::optional<Session>>> undo;
    std::uint64_t applied = 0;
    std::string trouble;  ///< why one message could not be stored; the others were
    Status failed;        ///< why none was
  };
  struct Refusal {
    wire::Refusal why;
    std::string text;
    bool late = false;  ///< sent under a token before the session's own, which is good
  };

  void take(Turn& turn, const app::Message& message);
  void take_first(Turn& turn, const app::Message& message);
  [[nodiscard]] bool admit(Turn& turn, const app::Message& message, const wire::Hello& hello);
  void take_hello(Turn& turn, const app::Message& message, const wire::Hello& hello);
  void take_heartbeat(Turn& turn, const Bytes& peer, const wire::Heartbeat& heartbeat);
  void take_data(Turn& turn, const Bytes& peer, const wire::AgentMessage& message);
  [[nodiscard]] Status welcome(Turn& turn, const Bytes& peer, const std::string& key,
                               const wire::Hello& hello);
  [[nodiscard]] Result<bool> moving(const wire::Hello& hello);
  void open_session(Turn& turn, const Bytes& peer, const wire::Hello& hello, const Stream& stream,
                    const HelloVerdict& verdict);
  [[nodiscard]] Result<std::optional<Refusal>> store(Turn& turn, const Session& session,
                                                     const wire::AgentMessage& message);
  [[nodiscard]] std::optional<Refusal> check_token(const Session& session, wire::Token token,
                                                   const Fence& fence) const;
  [[nodiscard]] std::optional<Ns> quiet(const wire::Hello& hello) const;
  bool begin(Turn& turn);
  bool keep(Turn& turn, const Bytes& peer, const Status& status);
  void finish(Turn& turn);
  void refuse(Turn& turn, const Bytes& peer, wire::Refusal why, const std::string& text);
  void note(const std::string& agent, const std::string& text);
  Session* session(const Bytes& peer);
  Session* remember(const Bytes& peer);

  Ledger& ledger_;
  Intake& intake_;
  KeyTable& keys_;
  const Ns slot_;
  const SessionLimits limits_;
  const Clock& clock_;
  std::map<Bytes, Session> sessions_;
  std::map<std::string, std::pair<Ns, std::string>> refused_;  ///< by agent: when (boot), what
  std::map<std::string, std::pair<Ns, std::string>> notes_;    ///< by agent: when (wall), what
  std::string trouble_;
  std::uint64_t applied_ = 0;
  LogLimit warnings_, hellos_;
};

}  // namespace tallyman::rater
