// Who is remembered, for how long, and what is told of them.

#include <algorithm>
#include <tuple>

#include "rater/intake/session_table.hpp"

namespace tallyman::rater {
namespace {

constexpr std::size_t kNotesKept = 1024;  // agents, not strangers: as many as there are keys

}  // namespace

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

void SessionTable::note(const std::string& agent, const std::string& text) {
  if (agent.empty() || text.empty()) return;
  if (notes_.size() >= kNotesKept && !notes_.contains(agent)) return;
  notes_[agent] = {clock_.wall(), text};
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
            {},
            {},
            0};
  }
  for (const auto& [agent, refusal] : refused_) {
    AgentLink& link = out[agent];
    link.agent = agent;
    link.refused = refusal.second;
  }
  for (const auto& [agent, note] : notes_) {
    if (const auto link = out.find(agent); link != out.end()) {
      std::tie(link->second.noted, link->second.note) = note;
    }
  }
  std::vector<AgentLink> list;
  for (auto& [agent, link] : out) list.push_back(std::move(link));
  return list;
}

}  // namespace tallyman::rater
