#include "rater/intake/key_table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "app/key.hpp"
#include "rater/intake/session.hpp"

namespace tallyman::rater {
namespace {

constexpr std::int64_t kVersion = 2;
constexpr const char* kTables =
    "CREATE TABLE agent_key(key TEXT PRIMARY KEY, agent TEXT NOT NULL, state TEXT NOT NULL,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, decided INTEGER NOT NULL,"
    " who TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE agent_move(agent TEXT PRIMARY KEY, decided INTEGER NOT NULL, who TEXT NOT NULL,"
    " why TEXT NOT NULL) WITHOUT ROWID";

/// As the audit log has it. Neither an agent's id nor a key (Z85) has a quote, a backslash or a
/// control character in it.
std::string what_of(std::string_view agent, std::string_view key) {
  return fmt::format(R"({{"agent":"{}","key":"{}"}})", agent, key);
}

/// The first version kept decisions in a table of their own.
Status into_the_chain(Database& database) {
  auto read =
      database.prepare("SELECT at, verb, agent, key, who, why FROM agent_decision ORDER BY id");
  for (;;) {
    const auto row = read.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    const auto done =
        append_audit(database, "agent " + read.text(1), what_of(read.text(2), read.text(3)),
                     {read.text(4), read.text(5)}, read.integer(0));
    if (!done.ok()) return done.error();
  }
  read.reset();
  return database.run("DROP TABLE agent_decision");
}

Error no_agent_id(const std::string& text) {
  return {"'" + text.substr(0, 64) + "' is neither an agent id nor a key", "",
          "see `tallyman-rater agent ls`"};
}

/// As a shell takes it: keys have brackets and dollars in them.
std::string quoted(const std::string& key) { return "'" + key + "'"; }

}  // namespace

const char* key_state_name(KeyState state) {
  switch (state) {
    case KeyState::pending:
      return "pending";
    case KeyState::approved:
      return "approved";
    case KeyState::revoked:
      return "revoked";
  }
  return "unknown";
}

Result<std::unique_ptr<KeyTable>> KeyTable::open(Ledger& ledger, Intake& intake,
                                                 const Clock& clock) {
  auto audit = AuditLog::open(ledger);
  if (!audit.ok()) return audit.error();
  if (Status status = ledger.prepare_part("keys", kVersion, kTables, {into_the_chain});
      !status.ok()) {
    return status.error();
  }
  std::unique_ptr<KeyTable> table(new KeyTable(ledger, intake, *audit, clock));
  if (Status status = table->load(); !status.ok()) return status.error();
  return table;
}

Status KeyTable::load() {
  auto query = ledger_.database().prepare(
      "SELECT key, agent, state, first_seen, last_seen, decided, who, why FROM agent_key");
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    AgentKey key;
    key.key = query.text(0);
    key.agent = query.text(1);
    key.state = query.text(2) == key_state_name(KeyState::approved) ? KeyState::approved
                                                                    : KeyState::revoked;
    key.first_seen = query.integer(3);
    key.last_seen = query.integer(4);
    key.decided = query.integer(5);
    key.who = query.text(6);
    key.why = query.text(7);
    decided_[key.key] = std::move(key);
  }
}

Standing KeyTable::hello(const std::string& key, const std::string& agent) {
  const Ns now = clock_.wall();
  if (const auto known = decided_.find(key); known != decided_.end()) {
    AgentKey& row = known->second;
    if (row.first_seen == 0) row.first_seen = now;
    row.last_seen = now;
    if (row.state == KeyState::revoked) return Standing::revoked;
    return row.agent == agent ? Standing::approved : Standing::other_agent;
  }
  if (!pending_.contains(key) && pending_.size() >= kMaxPending) {
    pending_.erase(std::min_element(
        pending_.begin(), pending_.end(),
        [](const auto& a, const auto& b) { return a.second.last_seen < b.second.last_seen; }));
  }
  AgentKey& row = pending_[key];
  row.key = key;
  row.agent = agent;
  if (row.first_seen == 0) row.first_seen = now;
  row.last_seen = now;
  return Standing::pending;
}

bool KeyTable::allowed(const std::string& key, const std::string& agent) {
  const auto known = decided_.find(key);
  if (known == decided_.end()) return false;
  known->second.last_seen = clock_.wall();
  return known->second.state == KeyState::approved && known->second.agent == agent;
}

Status KeyTable::seen(const std::string& key) {
  const auto known = decided_.find(key);
  return known != decided_.end() ? store(known->second) : Status();
}

std::optional<AgentKey> KeyTable::find(const std::string& key) const {
  for (const auto* table : {&decided_, &pending_}) {
    if (const auto row = table->find(key); row != table->end()) return row->second;
  }
  return std::nullopt;
}

std::optional<AgentKey> KeyTable::approved_for(std::string_view agent) const {
  for (const auto& [key, row] : decided_) {
    if (row.state == KeyState::approved && row.agent == agent) return row;
  }
  return std::nullopt;
}

std::vector<AgentKey> KeyTable::list() const {
  std::vector<AgentKey> out;
  for (const auto* table : {&decided_, &pending_}) {
    for (const auto& [key, row] : *table) out.push_back(row);
  }
  std::sort(out.begin(), out.end(), [](const AgentKey& a, const AgentKey& b) {
    return std::tie(a.agent, a.key) < std::tie(b.agent, b.key);
  });
  return out;
}

std::vector<AgentKey> KeyTable::pending() const {
  std::vector<AgentKey> out = list();
  std::erase_if(out, [](const AgentKey& row) { return row.state != KeyState::pending; });
  return out;
}

/// The one pending key that gives this id; an error that says what to do when there is not one.
Result<AgentKey> KeyTable::pending_of(const std::string& agent) const {
  if (!is_agent_id(agent)) return no_agent_id(agent);
  std::vector<AgentKey> waiting = pending();
  std::erase_if(waiting, [&](const AgentKey& row) { return row.agent != agent; });
  if (waiting.size() == 1) return waiting.front();
  if (!waiting.empty()) {
    return Error{fmt::format("{} keys wait in the name of '{}'", waiting.size(), agent), "",
                 "ask its host (`tallyman key show`), and name the key"};
  }
  for (const auto& [key, row] : decided_) {
    if (row.agent != agent) continue;
    return Error{fmt::format("no key waits in the name of '{}', and one is {}", agent,
                             key_state_name(row.state)),
                 "", "name the key: " + quoted(key)};
  }
  return Error{"no key waits in the name of '" + agent + "'", "",
               "see `tallyman-rater agent ls`; an agent says hello every few seconds"};
}

Result<AgentKey> KeyTable::approve(const std::string& whom, const std::string& as,
                                   const Decision& decision) {
  AgentKey row;
  if (app::is_key(whom)) {
    row = find(whom).value_or(AgentKey{});
    row.key = whom;
    const std::string agent = as.empty() ? row.agent : as;
    if (agent.empty()) {
      return Error{"nobody has come with this key yet", "",
                   "say whose it is with --as ID to approve it before"};
    }
    if (!is_agent_id(agent)) return no_agent_id(agent);
    if (row.state == KeyState::approved) {
      return Error{"this key is approved already, for '" + row.agent + "'", "",
                   row.agent == agent ? "" : "give the other host a key of its own"};
    }
    row.agent = agent;
  } else {
    if (!as.empty()) return Error{"--as goes with a key", "", "name the key, not the id"};
    auto found = pending_of(whom);
    if (!found.ok()) return found.error();
    row = std::move(*found);
  }
  if (const auto other = approved_for(row.agent)) {
    return Error{"'" + row.agent + "' has another key already", "",
                 fmt::format("if its host was rebuilt: `tallyman-rater agent replace {} {}`",
                             row.agent, quoted(row.key))};
  }
  return decide(std::move(row), KeyState::approved, "approve", decision);
}

Result<AgentKey> KeyTable::revoke(const std::string& whom, const Decision& decision) {
  std::optional<AgentKey> row = app::is_key(whom) ? find(whom) : approved_for(whom);
  if (!row && app::is_key(whom)) {
    return Error{"nobody has come with this key, and nobody has decided on it", "",
                 "see `tallyman-rater agent ls`"};
  }
  if (!row) {
    auto found = pending_of(whom);
    if (!found.ok()) return found.error();
    row = std::move(*found);
  }
  if (row->state == KeyState::revoked) return Error{"this key is revoked already", "", ""};
  return decide(std::move(*row), KeyState::revoked, "revoke", decision);
}

Result<AgentKey> KeyTable::decide(AgentKey row, KeyState state, const char* verb,
                                  const Decision& decision) {
  Transaction transaction(ledger_.database());
  if (!transaction.begun().ok()) return transaction.begun().error();
  row.state = state;
  row.decided = clock_.wall();
  row.who = decision.who;
  row.why = decision.why;
  Status done = record(verb, row.agent, row.key, decision);
  if (done.ok()) done = store(row);
  if (done.ok()) done = transaction.commit();
  if (!done.ok()) return done.error();
  put(row);
  return row;
}

Result<std::optional<AgentKey>> KeyTable::replace(const std::string& agent, const std::string& key,
                                                  const Decision& decision) {
  if (!is_agent_id(agent)) return no_agent_id(agent);
  if (!key.empty() && !app::is_key(key)) return no_agent_id(key);
  const std::optional<AgentKey> old = approved_for(agent);
  std::optional<AgentKey> fresh;
  if (!key.empty())
    fresh = find(key).value_or(AgentKey{key, "", KeyState::pending, 0, 0, 0, "", ""});
  if (fresh && fresh->state == KeyState::approved && fresh->agent != agent) {
    return Error{"this key belongs to '" + fresh->agent + "'", "",
                 "make another with `tallyman key new`"};
  }
  Transaction transaction(ledger_.database());
  if (!transaction.begun().ok()) return transaction.begun().error();
  const auto fence = intake_.fence(agent);
  if (!fence.ok()) return fence.error();
  if (!fence->has_value() && !old) {
    return Error{"no agent '" + agent + "' has been heard here", "",
                 "a new one is let in with `tallyman-rater agent approve`"};
  }
  Status done = record("replace", agent, key, decision);
  std::vector<AgentKey> rows;
  if (fresh && old && old->key != key) {
    rows.push_back(*old);
    rows.back().state = KeyState::revoked;
  }
  if (fresh) {
    rows.push_back(*fresh);
    rows.back().state = KeyState::approved;
    rows.back().agent = agent;
  }
  for (AgentKey& row : rows) {
    row.decided = clock_.wall();
    row.who = decision.who;
    row.why = decision.why;
    if (done.ok()) done = store(row);
  }
  if (done.ok() && fence->has_value()) done = intake_.put_fence(agent, {(*fence)->issued, 0});
  if (done.ok()) done = transaction.commit();
  if (!done.ok()) return done.error();
  for (const AgentKey& row : rows) put(row);
  return approved_for(agent);
}

Status KeyTable::retire(const std::string& agent, const Decision& decision) {
  if (!is_agent_id(agent)) return no_agent_id(agent);
  Transaction transaction(ledger_.database());
  if (!transaction.begun().ok()) return transaction.begun();
  std::optional<AgentKey> row = approved_for(agent);
  const auto fence = intake_.fence(agent);
  if (!fence.ok()) return fence.error();
  if (!fence->has_value() && !row) {
    return Error{"no agent '" + agent + "' has been heard here", "",
                 "see `tallyman-rater agent ls`"};
  }
  Status done = record("retire", agent, row ? row->key : "", decision);
  if (row) {
    row->state = KeyState::revoked;
    row->decided = clock_.wall();
    row->who = decision.who;
    row->why = decision.why;
    if (done.ok()) done = store(*row);
  }
  if (done.ok()) done = transaction.commit();
  if (done.ok() && row) put(*row);
  return done;
}

Status KeyTable::move(const std::string& agent, const Decision& decision) {
  if (!is_agent_id(agent)) return no_agent_id(agent);
  Transaction transaction(ledger_.database());
  if (!transaction.begun().ok()) return transaction.begun();
  Status done = record("move", agent, "", decision);
  if (done.ok()) {
    done = ledger_.database()
               .prepare("INSERT OR REPLACE INTO agent_move VALUES (?, ?, ?, ?)")
               .bind(1, agent)
               .bind(2, clock_.wall())
               .bind(3, decision.who)
               .bind(4, std::string_view(decision.why))
               .done();
  }
  return done.ok() ? transaction.commit() : done;
}

Result<bool> KeyTable::moving(std::string_view agent) {
  auto query = ledger_.database().prepare("SELECT 1 FROM agent_move WHERE agent = ?");
  return query.bind(1, agent).step();
}

Status KeyTable::moved(std::string_view agent) {
  return ledger_.database().prepare("DELETE FROM agent_move WHERE agent = ?").bind(1, agent).done();
}

Result<std::vector<AgentMove>> KeyTable::moves() {
  auto query =
      ledger_.database().prepare("SELECT agent, decided, who, why FROM agent_move ORDER BY agent");
  std::vector<AgentMove> out;
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.push_back({query.text(0), query.integer(1), query.text(2), query.text(3)});
  }
}

Status KeyTable::store(const AgentKey& row) {
  return ledger_.database()
      .prepare("INSERT OR REPLACE INTO agent_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(1, row.key)
      .bind(2, row.agent)
      .bind(3, std::string_view(key_state_name(row.state)))
      .bind(4, row.first_seen)
      .bind(5, row.last_seen)
      .bind(6, row.decided)
      .bind(7, row.who)
      .bind(8, std::string_view(row.why))
      .done();
}

Status KeyTable::record(const char* verb, const std::string& agent, const std::string& key,
                        const Decision& decision) {
  const auto done =
      audit_.append(std::string("agent ") + verb, what_of(agent, key), decision, clock_.wall());
  return done.ok() ? Status() : done.error();
}

void KeyTable::put(const AgentKey& row) {
  pending_.erase(row.key);
  decided_[row.key] = row;
}

}  // namespace tallyman::rater
