#include "rater/intake/session_table.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "app/log.hpp"
#include "rater/intake/session.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kLogEvery = 10 * kSecond;
constexpr std::size_t kRefusedKept = 1024;

std::string peer_name(const std::string& agent) {
  return agent.empty() ? std::string("a peer that said no hello") : "agent '" + agent + "'";
}

}  // namespace

SessionTable::SessionTable(Ledger& ledger, Intake& intake, Ns slot, const SessionLimits& limits,
                           const Clock& clock)
    : ledger_(ledger), intake_(intake), slot_(slot), limits_(limits), clock_(clock) {}

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
  const auto decoded = wire::decode_agent_message(message.body);
  Session* known = session(message.peer);
  if (decoded.ok()) {
    if (const auto* hello = std::get_if<wire::Hello>(&*decoded)) {
      take_hello(turn, message.peer, *hello);
      return;
    }
  }
  if (known != nullptr && !known->open) return;  // it was told, once
  if (known != nullptr) {
    known->heard_boot = clock_.boot();
    known->heard_wall = clock_.wall();
  }
  if (!decoded.ok()) {
    refuse(turn, message.peer, wire::Refusal::malformed, decoded.error().text());
  } else if (known == nullptr) {
    refuse(turn, message.peer, wire::Refusal::no_session, "say hello first");
  } else if (const auto* heartbeat = std::get_if<wire::Heartbeat>(&*decoded)) {
    take_heartbeat(turn, message.peer, *heartbeat);
  } else {
    take_data(turn, message.peer, *decoded);
  }
}

std::optional<Ns> SessionTable::quiet(const wire::Hello& hello) const {
  std::optional<Ns> out;
  for (const auto& [peer, other] : sessions_) {
    if (!other.open || other.agent != hello.agent || other.incarnation == hello.incarnation) {
      continue;
    }
    const Ns silent = clock_.boot() - other.heard_boot;
    out = out ? std::min(*out, silent) : silent;
  }
  return out;
}

void SessionTable::take_hello(Turn& turn, const Bytes& peer, const wire::Hello& hello) {
  turn.writers.insert(peer);
  if (!begin(turn)) return;
  keep(turn, peer, welcome(turn, peer, hello));
}

Status SessionTable::welcome(Turn& turn, const Bytes& peer, const wire::Hello& hello) {
  const auto fence = intake_.fence(hello.agent);
  if (!fence.ok()) return fence.error();
  const auto known = intake_.stream(hello.agent, hello.incarnation);
  if (!known.ok()) return known.error();
  const HelloVerdict verdict =
      judge_hello(hello, {ledger_.id(), *fence, known->has_value(), quiet(hello)});
  Stream stream;
  if (verdict.accepted) {
    const Fence held = fence->value_or(Fence{});
    // A token from before a restored backup: data came with it, though the ledger forgot.
    const wire::Token used = hello.token > held.issued ? hello.token : held.used;
    if (Status status = intake_.put_fence(hello.agent, {verdict.token, used}); !status.ok()) {
      return status;
    }
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
  here.software = hello.software;
  here.clock_offset = hello.wall - clock_.wall();
  turn.answers.emplace_back(
      peer, wire::Welcome{ledger_.id(), verdict.token, stream.mark, stream.mark_hash,
                          stream.highest_definition, limits_.credit, slot_, clock_.wall()});
  refused_.erase(hello.agent);
  log::info("agent '{}' ({}) said hello; it goes on after batch {}{}{}", hello.agent,
            hello.software, stream.mark, verdict.note.empty() ? "" : ": ", verdict.note);
}

std::optional<SessionTable::Refusal> SessionTable::check_token(const Session& session,
                                                               wire::Token token,
                                                               const Fence& fence) const {
  switch (judge_token(token, session.token, fence)) {
    case TokenVerdict::good:
      return std::nullopt;
    case TokenVerdict::superseded:
      return Refusal{wire::Refusal::no_session, "the token was superseded; say hello"};
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
  } else {
    turn.acknowledge.insert(peer);
  }
}

Result<std::optional<SessionTable::Refusal>> SessionTable::store(
    Turn& turn, const Session& session, const wire::AgentMessage& message) {
  const auto fence = intake_.fence(session.agent);
  if (!fence.ok()) return fence.error();
  const auto* batch = std::get_if<wire::BatchMessage>(&message);
  const auto* definitions = std::get_if<wire::Definitions>(&message);
  const wire::Token token = batch != nullptr ? batch->token : definitions->token;
  if (auto wrong = check_token(session, token, fence->value_or(Fence{}))) return wrong;
  const auto accepted = batch != nullptr
                            ? intake_.accept_batch(session.stream, batch->batch)
                            : intake_.accept_definitions(session.stream, definitions->definitions);
  if (!accepted.ok()) return accepted.error();
  if (accepted->outcome == Accepted::Outcome::refused) {
    return std::optional<Refusal>{Refusal{accepted->why, accepted->text}};
  }
  if (accepted->outcome == Accepted::Outcome::applied && batch != nullptr) ++turn.applied;
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
  log_limited(status.error().text());
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
    log_limited("nothing was stored: " + trouble_);
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
  log_limited(fmt::format("refused {}: {}: {}", peer_name(here->agent), wire::refusal_name(why),
                          answer.text));
}

SessionTable::Session* SessionTable::session(const Bytes& peer) {
  const auto it = sessions_.find(peer);
  return it != sessions_.end() ? &it->second : nullptr;
}

/// The peer's session; a new one takes the place of the longest silent muted one when there are too
/// many. Nothing when all are in use.
SessionTable::Session* SessionTable::remember(const Bytes& peer) {
  if (Session* here = session(peer)) return here;
  if (sessions_.size() >= limits_.sessions) {
    auto victim = sessions_.end();
    for (auto it = sessions_.begin(); it != sessions_.end(); ++it) {
      if (it->second.open) continue;
      if (victim == sessions_.end() || it->second.heard_boot < victim->second.heard_boot) {
        victim = it;
      }
    }
    if (victim == sessions_.end()) return nullptr;
    sessions_.erase(victim);
  }
  Session& made = sessions_[peer];
  made.heard_boot = clock_.boot();
  made.heard_wall = clock_.wall();
  return &made;
}

void SessionTable::expire() {
  const Ns before = clock_.boot() - limits_.idle;
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.heard_boot < before; });
  std::erase_if(refused_, [&](const auto& entry) { return entry.second.first < before; });
}

std::vector<AgentLink> SessionTable::links() const {
  std::map<std::string, AgentLink> out;
  for (const auto& [peer, here] : sessions_) {
    if (here.agent.empty()) continue;
    AgentLink& link = out[here.agent];
    // An accepted session tells more than a refused one of the same name.
    if (!link.agent.empty() && (link.in_session || link.last_heard > here.heard_wall) &&
        !here.open) {
      continue;
    }
    link = {here.agent,
            here.incarnation,
            here.software,
            here.heard_wall,
            clock_.boot() - here.heard_boot,
            here.clock_offset,
            here.open,
            {}};
  }
  for (const auto& [agent, refusal] : refused_) {
    AgentLink& link = out[agent];
    link.agent = agent;
    link.refused = refusal.second;
  }
  std::vector<AgentLink> list;
  for (auto& [agent, link] : out) list.push_back(std::move(link));
  return list;
}

void SessionTable::log_limited(const std::string& line) {
  if (clock_.boot() < next_log_) {
    ++unlogged_;
    return;
  }
  log::warning("{}{}", line,
               unlogged_ == 0 ? std::string() : fmt::format(" ({} more like it)", unlogged_));
  unlogged_ = 0;
  next_log_ = clock_.boot() + kLogEvery;
}

}  // namespace tallyman::rater
