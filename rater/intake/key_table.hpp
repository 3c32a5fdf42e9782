#pragma once
// Whose key is whose: which CURVE keys agents may send with, and as whom.
//
// Tables (part "keys"), written by people's decisions and by nothing else:
//   agent_key(key, agent, state = 'approved' or 'revoked', first_seen, last_seen, decided, who,
//   why)
//                       the last decision on each key; an agent id has at most one approved key
//   agent_move(agent, decided, who, why)
//                       the agent may come over from another ledger; deleted once its data came
// Every decision stands in the audit log too (rater/decisions/audit_log.hpp), for ever.
//
// A key that nobody has decided on is pending, and stands in memory only: a stranger can make the
// rater write nothing at all. Rejected: pending keys in the ledger (a flood of keys would write as
// fast as it comes, however few are kept); they would only save an agent's next hello, which comes
// within seconds.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/decisions/audit_log.hpp"
#include "rater/intake/intake.hpp"
#include "rater/ledger/ledger.hpp"

namespace tallyman::rater {

constexpr std::size_t kMaxPending = 256;  ///< beyond it the longest silent pending key is forgotten

enum class KeyState { pending, approved, revoked };
[[nodiscard]] const char* key_state_name(KeyState state);

struct AgentKey {
  std::string key;    ///< public, Z85
  std::string agent;  ///< whose it is; pending: whose it says it is
  KeyState state = KeyState::pending;
  Ns first_seen = 0, last_seen = 0;  ///< wall instants; 0 = never seen
  Ns decided = 0;                    ///< wall instant of the last decision; 0 = none yet
  std::string who, why;              ///< of that decision
};

/// An agent that may come over from another ledger.
struct AgentMove {
  std::string agent;
  Ns decided = 0;
  std::string who, why;
};

/// What a key's owner may do under an agent's id.
enum class Standing {
  approved,
  pending,      ///< nobody has decided on the key yet
  revoked,      ///< somebody has
  other_agent,  ///< it is approved for another id
};

/// Owned by the daemon, on the loop's thread; ledger and intake outlive it. Decisions have a
/// transaction of their own, and are in force once it is committed.
class KeyTable {
 public:
  static Result<std::unique_ptr<KeyTable>> open(Ledger& ledger, Intake& intake, const Clock& clock);

  /// A hello under this key, in the name of `agent` (a valid id). A new key is pending from now on.
  Standing hello(const std::string& key, const std::string& agent);
  /// Any later message: whether the key is approved for the agent.
  [[nodiscard]] bool allowed(const std::string& key, const std::string& agent);
  /// The key's hello was accepted: notes when, inside a transaction that the caller has begun.
  [[nodiscard]] Status seen(const std::string& key);
  /// What is known of a key.
  [[nodiscard]] std::optional<AgentKey> find(const std::string& key) const;
  /// The agent's approved key.
  [[nodiscard]] std::optional<AgentKey> approved_for(std::string_view agent) const;
  /// By agent, then key.
  [[nodiscard]] std::vector<AgentKey> list() const;
  [[nodiscard]] std::vector<AgentKey> pending() const;

  // ---- people's decisions
  // ------------------------------------------------------------------------
  /// `whom`: a key, or the id that exactly one pending key gives. `as`: the id to approve a key
  /// for, when it is not the one it gives, or has not been seen yet; may be empty.
  [[nodiscard]] Result<AgentKey> approve(const std::string& whom, const std::string& as,
                                         const Decision& decision);
  /// `whom`: a key, or an id, which means its approved key, else the one pending key that gives it.
  [[nodiscard]] Result<AgentKey> revoke(const std::string& whom, const Decision& decision);
  /// A host that was rebuilt, restored or copied: the next hello of this id is taken, however old
  /// its token, and data under it fences all others. With a key, that key takes the place of the
  /// old one, which is revoked. Without, nothing comes back when the agent has no key.
  [[nodiscard]] Result<std::optional<AgentKey>> replace(const std::string& agent,
                                                        const std::string& key,
                                                        const Decision& decision);
  /// The agent is gone for good: no close waits for it, and its key is revoked. approve(),
  /// replace() and move() take it back.
  [[nodiscard]] Status retire(const std::string& agent, const Decision& decision);
  /// The agent may come over from the ledger it belongs to.
  [[nodiscard]] Status move(const std::string& agent, const Decision& decision);

  // ---- agents that move here
  // ---------------------------------------------------------------------
  [[nodiscard]] Result<bool> moving(std::string_view agent);
  /// Its data came: inside a transaction that the caller has begun.
  [[nodiscard]] Status moved(std::string_view agent);
  [[nodiscard]] Result<std::vector<AgentMove>> moves();

 private:
  KeyTable(Ledger& ledger, Intake& intake, AuditLog audit, const Clock& clock)
      : ledger_(ledger), intake_(intake), audit_(audit), clock_(clock) {}
  [[nodiscard]] Status load();
  [[nodiscard]] Result<AgentKey> pending_of(const std::string& agent) const;
  [[nodiscard]] Result<AgentKey> decide(AgentKey row, KeyState state, const char* verb,
                                        const Decision& decision);
  [[nodiscard]] Status store(const AgentKey& row);
  [[nodiscard]] Status record(const char* verb, const std::string& agent, const std::string& key,
                              const Decision& decision);
  void put(const AgentKey& row);

  Ledger& ledger_;
  Intake& intake_;
  AuditLog audit_;
  const Clock& clock_;
  std::map<std::string, AgentKey> decided_;  ///< by key, as in the ledger
  std::map<std::string, AgentKey> pending_;  ///< by key
};

}  // namespace tallyman::rater
