#include "rater/intake/session_table.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "rater/intake/session.hpp"
#include "wire/pack.hpp"

namespace tallyman::rater {
namespace {

constexpr std::size_t kRefusedKept = 1024;
constexpr unsigned kHelloLines = 50;  ///< in the log, in ten seconds
// A hello carries two short names. Whatever is longer is not looked at before one was accepted.
constexpr std::size_t kMaxHello = 2048;
constexpr wire::Features kFeatures = wire::kPackedBatches;  // that this rater grants

/// What a peer calls its software, as one line of a log.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

SessionTable::SessionTable(Ledger& ledger, Intake& intake, KeyTable& keys, Ns slot,
                           const SessionLimits& limits, const Clock& clock)
    : ledger_(ledger),
      intake_(intake),
      keys_(keys),
      slot_(slot),
      limits_(limits),
      clock_(clock),
      warnings_(log::Level::warning, 1),
      hellos_(log::Level::info, kHelloLines) {}

std::vector<app::Message> SessionTable::handle(const std::vector<app::Message>& messages) {
  Turn turn;
  for (const app::Message& message : messages) take(turn, message);
  finish(turn);
  std::vector<app::Message> out;
  out.reserve(turn.answers.size());
  for (auto& [peer, answer] : turn.answers) out.push_back({peer, wire::encode(answer)});
  return out;
}

void SessionTable::take(Turn& turn, const app::Message& message) {
  Session* known = session(message.peer);
  // A routing id that comes back under another key is another peer.
  if (known != nullptr && known->key != message.key) {
    sessions_.erase(message.peer);
    known = nullptr;
  }
  if (known == nullptr || !known->open) return take_first(turn, message);
  const auto decoded = wire::decode_agent_message(message.body);
  if (decoded.ok() && std::holds_alternative<wire::Hello>(*decoded)) {
    return take_first(turn, message);
  }
  known->heard_boot = clock_.boot();
  known->heard_wall = clock_.wall();
  if (limits_.need_key && !keys_.allowed(message.key, known->agent)) {
    refuse(turn, message.peer, wire::Refusal::revoked, revoked_text(known->agent, message.key));
  } else if (!decoded.ok()) {
    refuse(turn, message.peer, wire::Refusal::malformed, decoded.error().text());
  } else if (const auto* heartbeat = std::get_if<wire::Heartbeat>(&*decoded)) {
    take_heartbeat(turn, message.peer, *heartbeat);
  } else {
    take_data(turn, message.peer, *decoded);
  }
}

/// Of a peer without a session: a hello, or the one refusal.
void SessionTable::take_first(Turn& turn, const app::Message& message) {
  const bool told = session(message.peer) != nullptr;
  Result<wire::AgentMessage> decoded = Error{};
  const bool fits = message.body.size() <= kMaxHello;
  if (fits) decoded = wire::decode_agent_message(message.body);
  if (decoded.ok()) {
    if (const auto* hello = std::get_if<wire::Hello>(&*decoded)) {
      if (admit(turn, message, *hello)) take_hello(turn, message, *hello);
      return;
    }
  }
  if (told) return;
  Session* here = remember(message.peer);
  if (here == nullptr) return;
  here->key = message.key;
  if (decoded.ok() || !fits) {
    refuse(turn, message.peer, wire::Refusal::no_session, "say hello first");
  } else {
    refuse(turn, message.peer, wire::Refusal::malformed, decoded.error().text());
  }
}

/// Whether the hello may be heard at all: its key is approved for the agent it names.
bool SessionTable::admit(Turn& turn, const app::Message& message, const wire::Hello& hello) {
  if (!limits_.need_key) return true;
  const auto answer = [&](wire::Refusal why, const std::string& owner, const std::string& text) {
    Session* here = remember(message.peer);
    if (here == nullptr) return false;
    *here = Session{};
    here->key = message.key;
    here->agent = owner;
    here->heard_boot = clock_.boot();
    here->heard_wall = clock_.wall();
    refuse(turn, message.peer, why, text);
    return false;
  };
  if (message.key.empty() || !is_agent_id(hello.agent)) {
    return answer(wire::Refusal::malformed, "", "no key, or not an agent id");
  }
  const Standing standing = keys_.hello(message.key, hello.agent);
  if (standing == Standing::approved) return true;
  const std::string owner =
      standing == Standing::pending ? "" : keys_.find(message.key).value_or(AgentKey{}).agent;
  if (standing == Standing::pending) {
    const bool taken = keys_.approved_for(hello.agent).has_value();
    return answer(wire::Refusal::pending, owner, pending_text(hello.agent, message.key, taken));
  }
  if (standing == Standing::revoked) {
    return answer(wire::Refusal::revoked, owner, revoked_text(owner, message.key));
  }
  return answer(wire::Refusal::other_agent, owner,
                fmt::format("the key belongs to '{}', the hello names '{}': give each host a key "
                            "(`tallyman key new`) and an id of its own",
                            owner, hello.agent));
}

void SessionTable::take_hello(Turn& turn, const app::Message& message, const wire::Hello& hello) {
  turn.writers.insert(message.peer);
  if (!begin(turn)) return;
  keep(turn, message.peer, welcome(turn, message.peer, message.key, hello));
}

Result<bool> SessionTable::moving(const wire::Hello& hello) {
  if (hello.ledger == 0 || hello.ledger == ledger_.id() || !is_agent_id(hello.agent)) return false;
  return keys_.moving(hello.agent);
}

Status SessionTable::welcome(Turn& turn, const Bytes& peer, const std::string& key,
                             const wire::Hello& hello) {
  const auto fence = intake_.fence(hello.agent);
  if (!fence.ok()) return fence.error();
  const auto known = intake_.stream(hello.agent, hello.incarnation);
  if (!known.ok()) return known.error();
  const auto moves = moving(hello);
  if (!moves.ok()) return moves.error();
  const HelloVerdict verdict =
      judge_hello(hello, {ledger_.id(), *fence, known->has_value(), quiet(hello), *moves});
  Stream stream;
  if (verdict.accepted) {
    const Fence held = fence->value_or(Fence{});
    // A token from before a restored backup: data came with it, though the ledger forgot.
    const wire::Token used = hello.token > held.issued ? hello.token : held.used;
    if (Status status = intake_.put_fence(hello.agent, {verdict.token, used}); !status.ok()) {
      return status;
    }
    if (Status status = keys_.seen(key); !status.ok()) return status;
    auto opened = intake_.open_stream(hello.agent, hello.incarnation);
    if (!opened.ok()) return opened.error();
    stream = std::move(*opened);
  }
  std::optional<Session> before;
  if (const Session* here = session(peer)) before = *here;
  Session* here = remember(peer);
  if (here == nullptr) return Error{"too many peers at once", "", "try later"};
  turn.undo.emplace_back(peer, std::move(before));
  *here = Session{};
  here->key = key;
  here->moving = *moves;
  here->heard_boot = clock_.boot();
  here->heard_wall = clock_.wall();
  if (is_agent_id(hello.agent)) here->agent = hello.agent;
  if (verdict.accepted) {
    open_session(turn, peer, hello, stream, verdict);
  } else {
    refuse(turn, peer, verdict.why, verdict.text);
  }
  return {};
}

void SessionTable::open_session(Turn& turn, const Bytes& peer, const wire::Hello& hello,
                                const Stream& stream, const HelloVerdict& verdict) {
  // Whoever spoke for this agent on another connection has to say hello again, and be judged.
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const bool other = it->first != peer && it->second.agent == hello.agent && it->second.open;
    if (other) turn.undo.emplace_back(it->first, it->second);
    it = other ? sessions_.erase(it) : std::next(it);
  }
  Session& here = sessions_.at(peer);
  here.open = true;
  here.incarnation = hello.incarnation;
  here.stream = stream.id;
  here.token = verdict.token;
  here.software = printable(hello.software);
  here.clock_offset = hello.wall - clock_.wall();
  turn.answers.emplace_back(
      peer, wire::Welcome{ledger_.id(), verdict.token, stream.mark, stream.mark_hash,
                          stream.highest_definition, limits_.credit, slot_, clock_.wall(),
                          here.moving ? hello.ledger : 0,
                          static_cast<wire::Features>(hello.asks & kFeatures)});
  refused_.erase(hello.agent);
  note(hello.agent, verdict.note);
  hellos_.line(
      fmt::format("agent '{}' ({}) said hello; it goes on after batch {}{}{}", hello.agent,
                  here.software, stream.mark, verdict.note.empty() ? "" : ": ", verdict.note),
      clock_.boot());
}

std::optional<SessionTable::Refusal> SessionTable::check_token(const Session& session,
                                                               wire::Token token,
                                                               const Fence& fence) const {
  switch (judge_token(token, session.token, fence)) {
    case TokenVerdict::good:
      return std::nullopt;
    case TokenVerdict::superseded:
      return Refusal{wire::Refusal::no_session, "the token was superseded; say hello",
                     token < session.token && session.token == fence.issued};
    case TokenVerdict::fenced:
      break;
  }
  return Refusal{wire::Refusal::fenced,
                 fmt::format("data came with token {} already: the state of '{}' exists twice",
                             fence.used, session.agent)};
}

void SessionTable::take_heartbeat(Turn& turn, const Bytes& peer, const wire::Heartbeat& heartbeat) {
  Session& here = sessions_.at(peer);
  const auto fence = intake_.fence(here.agent);
  if (!fence.ok()) {
    turn.answers.emplace_back(peer,
                              wire::Refused{wire::Refusal::busy, fence.error().text(), 0, kNoHash});
    return;
  }
  here.clock_offset = heartbeat.wall - clock_.wall();
  const auto wrong = check_token(here, heartbeat.token, fence->value_or(Fence{}));
  if (wrong) {
    refuse(turn, peer, wrong->why, wrong->text);
    sessions_.at(peer).open = wrong->late;
  } else {
    turn.acknowledge.insert(peer);
  }
}

void SessionTable::take_data(Turn& turn, const Bytes& peer, const wire::AgentMessage& message) {
  turn.writers.insert(peer);
  if (!begin(turn)) return;
  const auto refusal = store(turn, sessions_.at(peer), message);
  if (!keep(turn, peer, refusal.ok() ? Status() : refusal.error())) return;
  if (refusal->has_value()) {
    refuse(turn, peer, (*refusal)->why, (*refusal)->text);
    sessions_.at(peer).open = (*refusal)->late;
  } else {
    turn.acknowledge.insert(peer);
  }
}

Result<std::optional<SessionTable::Refusal>> SessionTable::store(
    Turn& turn, const Session& session, const wire::AgentMessage& message) {
  const auto fence = intake_.fence(session.agent);
  if (!fence.ok()) return fence.error();
  const auto* batch = std::get_if<wire::BatchMessage>(&message);
  const auto* packed = std::get_if<wire::PackedBatch>(&message);
  const auto* definitions = std::get_if<wire::Definitions>(&message);
  const wire::Token token = batch != nullptr    ? batch->token
                            : packed != nullptr ? packed->token
                                                : definitions->token;
  if (auto wrong = check_token(session, token, fence->value_or(Fence{}))) return wrong;
  Result<Bytes> unpacked = Bytes{};
  if (packed != nullptr) unpacked = wire::unpack(packed->frame);
  if (!unpacked.ok()) {
    return std::optional<Refusal>{Refusal{wire::Refusal::malformed, unpacked.error().text()}};
  }
  const auto accepted =
      definitions != nullptr
          ? intake_.accept_definitions(session.stream, definitions->definitions)
          : intake_.accept_batch(session.stream, packed != nullptr ? *unpacked : batch->batch);
  if (!accepted.ok()) return accepted.error();
  if (accepted->outcome == Accepted::Outcome::refused) {
    return std::optional<Refusal>{Refusal{accepted->why, accepted->text}};
  }
  if (accepted->outcome == Accepted::Outcome::applied && definitions == nullptr) ++turn.applied;
  if (session.moving) {
    if (Status status = keys_.moved(session.agent); !status.ok()) return status.error();
  }
  if ((*fence)->used != token) {
    if (Status status = intake_.put_fence(session.agent, {(*fence)->issued, token}); !status.ok()) {
      return status.error();
    }
  }
  return std::optional<Refusal>{};
}

bool SessionTable::begin(Turn& turn) {
  if (!turn.failed.ok()) return false;
  if (!turn.transaction) {
    turn.transaction.emplace(ledger_.database());
    turn.failed = turn.transaction->begun();
  }
  if (turn.failed.ok()) turn.failed = ledger_.database().run("SAVEPOINT message");
  return turn.failed.ok();
}

/// Ends one message's part of the transaction. One that the ledger could not take is undone alone,
/// unless SQLite gave up the whole transaction.
bool SessionTable::keep(Turn& turn, const Bytes& peer, const Status& status) {
  Database& database = ledger_.database();
  if (status.ok()) {
    turn.failed = database.run("RELEASE message");
    return turn.failed.ok();
  }
  intake_.rolled_back();
  warnings_.line(status.error().text(), clock_.boot());
  if (!database.in_transaction()) {
    turn.failed = status;
  } else {
    turn.failed = database.run("ROLLBACK TO message; RELEASE message");
    if (!turn.failed.ok()) return false;
    turn.trouble = status.error().text();
    turn.answers.emplace_back(peer, wire::Refused{wire::Refusal::busy, turn.trouble, 0, kNoHash});
  }
  return false;
}

void SessionTable::finish(Turn& turn) {
  if (turn.transaction && turn.failed.ok()) turn.failed = turn.transaction->commit();
  turn.transaction.reset();
  if (!turn.failed.ok()) {
    intake_.rolled_back();
    trouble_ = turn.failed.error().text();
    warnings_.line("nothing was stored: " + trouble_, clock_.boot());
    for (auto it = turn.undo.rbegin(); it != turn.undo.rend(); ++it) {
      if (it->second) sessions_[it->first] = *it->second;
      if (!it->second) sessions_.erase(it->first);
    }
    std::erase_if(turn.answers,
                  [&](const auto& answer) { return turn.writers.contains(answer.first); });
    for (const Bytes& peer : turn.writers) {
      turn.acknowledge.erase(peer);
      turn.answers.emplace_back(peer, wire::Refused{wire::Refusal::busy, trouble_, 0, kNoHash});
    }
  } else {
    applied_ += turn.applied;
    if (!turn.writers.empty()) trouble_ = turn.trouble;
  }
  for (const Bytes& peer : turn.acknowledge) {
    const Session* here = session(peer);
    if (here == nullptr || !here->open) continue;
    const auto stream = intake_.stream(here->stream);
    if (!stream.ok()) continue;
    turn.answers.emplace_back(
        peer, wire::Ack{stream->mark, stream->mark_hash, limits_.credit, clock_.wall()});
  }
}

/// One error reply; then the peer is not listened to until it says hello.
void SessionTable::refuse(Turn& turn, const Bytes& peer, wire::Refusal why,
                          const std::string& text) {
  Session* here = remember(peer);
  if (here == nullptr) return;
  here->open = false;
  wire::Refused answer{why, text.substr(0, wire::kMaxTextBytes), 0, kNoHash};
  if (here->stream != 0) {
    const auto stream = intake_.stream(here->stream);
    if (stream.ok()) answer.mark = stream->mark, answer.mark_hash = stream->mark_hash;
  }
  turn.answers.emplace_back(peer, answer);
  if (!here->agent.empty() && (refused_.contains(here->agent) || refused_.size() < kRefusedKept)) {
    refused_[here->agent] = {clock_.boot(),
                             std::string(wire::refusal_name(why)) + ": " + answer.text};
  }
  const bool lasting = why == wire::Refusal::diverged || why == wire::Refusal::fenced;
  if (lasting) note(here->agent, std::string(wire::refusal_name(why)) + ": " + answer.text);
  const std::string who = here->agent.empty() ? "a peer" : "agent '" + here->agent + "'";
  warnings_.line(fmt::format("refused {}: {}: {}", who, wire::refusal_name(why), answer.text),
                 clock_.boot());
}

}  // namespace tallyman::rater
