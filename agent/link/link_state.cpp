#include "agent/link/link_state.hpp"

#include <algorithm>
#include <limits>

namespace tallyman::agent {
namespace {

using What = LinkEffect::What;
constexpr Ns kNever = std::numeric_limits<Ns>::max();

}  // namespace

const char* link_phase_name(LinkPhase phase) {
  switch (phase) {
    case LinkPhase::off:
      return "off";
    case LinkPhase::disconnected:
      return "disconnected";
    case LinkPhase::greeting:
      return "greeting";
    case LinkPhase::connected:
      return "connected";
    case LinkPhase::refused:
      return "refused";
  }
  return "unknown";
}

LinkState::LinkState(std::size_t endpoints, const LinkTimes& times, wire::Features wants)
    : endpoints_(endpoints), times_(times), wants_(wants), asks_(wants) {}

LinkEffects LinkState::start(Ns now) {
  if (endpoints_ == 0) {
    phase_ = LinkPhase::off;
    why_ = "no rater is configured: readings stay in the spool";
    timer_ = kNever;
    return {};
  }
  LinkEffects effects{connect()};
  for (LinkEffect& effect : greet(now)) effects.push_back(std::move(effect));
  return effects;
}

LinkEffect LinkState::connect() {
  asks_ = wants_;
  return {What::connect, endpoint_};
}

LinkEffects LinkState::greet(Ns now) {
  phase_ = LinkPhase::greeting;
  in_flight_.clear();
  in_flight_bytes_ = 0;
  awaited_ = now;
  superseded_until_ = 0;
  timer_ = now + times_.answer;
  return {{What::hello}};
}

LinkEffects LinkState::on_timer(Ns now) {
  if (now < timer_) return {};
  switch (phase_) {
    case LinkPhase::off:
      timer_ = kNever;
      return {};
    case LinkPhase::disconnected:
    case LinkPhase::refused: {
      LinkEffects effects;
      if (reconnect_) {
        endpoint_ = (endpoint_ + 1) % endpoints_;
        effects.push_back(connect());
      }
      reconnect_ = false;
      for (LinkEffect& effect : greet(now)) effects.push_back(std::move(effect));
      return effects;
    }
    case LinkPhase::greeting:
      reconnect_ = true;
      back_off("no answer from the rater", now);
      return {};
    case LinkPhase::connected:
      if (awaited_ != 0 && now - awaited_ >= times_.answer) {
        reconnect_ = true;
        back_off("the rater fell silent", now);
        return {};
      }
      if (now - beat_ >= times_.heartbeat) {
        beat_ = now;
        if (awaited_ == 0) awaited_ = now;
        next_beat(now);
        return {{What::heartbeat}, {What::send}};
      }
      next_beat(now);
      return {{What::send}};
  }
  return {};
}

void LinkState::next_beat(Ns now) {
  timer_ = std::max(now + 1, beat_ + times_.heartbeat);
  if (awaited_ != 0) timer_ = std::min(timer_, awaited_ + times_.answer);
}

void LinkState::wait(Ns delay, LinkPhase phase, const std::string& why, Ns now) {
  phase_ = phase;
  why_ = why;
  awaited_ = 0;
  timer_ = now + delay;
}

void LinkState::back_off(const std::string& why, Ns now) {
  Ns delay = times_.retry_min;
  for (unsigned i = 0; i < failures_ && delay < times_.retry_max; i++) delay *= 2;
  failures_++;
  wait(std::min(delay, times_.retry_max), LinkPhase::disconnected, why, now);
}

LinkEffects LinkState::on_trouble(const std::string& why, Ns now) {
  if (phase_ == LinkPhase::off) return {};
  back_off(why, now);
  return {};
}

LinkEffects LinkState::on_message(const wire::RaterMessage& message, const LinkFacts& facts, Ns now,
                                  Ns wall) {
  return std::visit([&](const auto& body) { return on(body, facts, now, wall); }, message);
}

LinkEffects LinkState::on(const wire::Welcome& welcome, const LinkFacts& facts, Ns now, Ns wall) {
  // A hello that arrived twice is answered twice, and the later token supersedes the earlier: what
  // was sent under that one is still being refused when the later one is already in use.
  bool again = phase_ == LinkPhase::connected && welcome.token > facts.token;
  if (phase_ != LinkPhase::greeting && !again) return {};
  if (again) superseded_until_ = now + times_.answer;
  clock_offset_ = welcome.wall - wall;
  if (welcome.ledger == 0 || welcome.token == 0) {
    back_off("the rater's welcome names no ledger or no token", now);
    return {};
  }
  if (facts.ledger != 0 && facts.ledger != welcome.ledger) {
    if (welcome.moved_from != facts.ledger) {
      return refuse("this agent's stream belongs to another ledger: `tallyman-rater agent move`",
                    now);
    }
    // What the other ledger acknowledged stays there. Nothing names the new one before that is
    // sure: a crash in between is asked and answered the same again.
    if (facts.acknowledged > 0) return moved(now);
  }
  if (welcome.mark > facts.sealed) {
    return diverged("the rater holds batch " + std::to_string(welcome.mark) +
                        " and this spool ends at " + std::to_string(facts.sealed) +
                        ": its state was restored or cloned",
                    now);
  }
  if (welcome.mark > 0 && facts.mark_hash && *facts.mark_hash != welcome.mark_hash) {
    return diverged("batch " + std::to_string(welcome.mark) + " differs from the rater's", now);
  }
  if (welcome.mark < facts.acknowledged) {
    note_ = "the rater holds batch " + std::to_string(welcome.mark) + " and had acknowledged " +
            std::to_string(facts.acknowledged) +
            ": was its ledger restored? What is still here is sent again";
  }
  phase_ = LinkPhase::connected;
  why_.clear();
  mark_ = sent_ = welcome.mark;
  credit_ = welcome.credit;
  can_ = welcome.can & asks_;
  in_flight_.clear();
  in_flight_bytes_ = 0;
  awaited_ = 0;
  beat_ = now;
  last_ack_ = wall;
  next_beat(now);
  LinkEffects effects{{What::hold, welcome.ledger, welcome.token, {}, welcome.slot}};
  if (welcome.mark < facts.acknowledged)
    effects.push_back({What::rewind, welcome.mark, 0, {}, 0, welcome.mark_hash});
  if (welcome.mark > facts.acknowledged)
    effects.push_back({What::acknowledge, welcome.mark, 0, {}, 0, welcome.mark_hash});
  if (facts.durable_definitions > welcome.highest_definition) {
    effects.push_back({What::definitions, welcome.highest_definition + 1});
  }
  effects.push_back({What::send});
  return effects;
}

LinkEffects LinkState::on(const wire::Ack& ack, const LinkFacts& facts, Ns now, Ns wall) {
  if (phase_ != LinkPhase::connected) return {};
  clock_offset_ = ack.wall - wall;
  if (ack.mark > sent_ || ack.mark < mark_) {
    back_off("the rater acknowledged what was not sent, or took an acknowledgement back", now);
    return {};
  }
  if (ack.mark > 0 && facts.mark_hash && *facts.mark_hash != ack.mark_hash) {
    return diverged("the rater acknowledged another batch " + std::to_string(ack.mark), now);
  }
  bool moved = ack.mark > mark_;
  mark_ = ack.mark;
  credit_ = ack.credit;
  last_ack_ = wall;
  while (!in_flight_.empty() && in_flight_.front().last <= mark_) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  awaited_ = in_flight_.empty() ? 0 : now;
  next_beat(now);
  if (!moved) return {{What::send}};
  failures_ = 0;
  divergences_ = 0;
  return {{What::acknowledge, mark_, 0, {}, 0, ack.mark_hash}, {What::send}};
}

LinkEffects LinkState::on(const wire::Refused& refused, const LinkFacts&, Ns now, Ns) {
  if (phase_ != LinkPhase::connected && phase_ != LinkPhase::greeting) return {};
  if (refused.why == wire::Refusal::no_session && phase_ == LinkPhase::connected &&
      now < superseded_until_) {
    return {};
  }
  std::string why = wire::refusal_name(refused.why);
  if (!refused.text.empty()) why += ": " + refused.text;
  switch (refused.why) {
    case wire::Refusal::malformed:
      return malformed(why, now);
    case wire::Refusal::no_session:
    case wire::Refusal::out_of_order:
      back_off(why, now);
      return {};
    case wire::Refusal::diverged:
      return diverged(why, now);
    case wire::Refusal::fenced:
    case wire::Refusal::other_ledger:
    case wire::Refusal::revoked:
    case wire::Refusal::other_agent:
      return refuse(why, now);
    case wire::Refusal::pending:
      return refuse(why, times_.pending, now);
    case wire::Refusal::busy:
      wait(times_.busy, LinkPhase::disconnected, why, now);
      return {};
  }
  back_off("refused for a reason this version does not know", now);
  return {};
}

LinkEffects LinkState::refuse(const std::string& why, Ns wait_for, Ns now) {
  // Another of the raters may see it differently.
  reconnect_ = endpoints_ > 1;
  wait(wait_for, LinkPhase::refused, why, now);
  return {};
}

// The same bytes are refused for the same reason for ever: people must hear of it.
LinkEffects LinkState::malformed(const std::string& why, Ns now) {
  constexpr unsigned kTries = 3;
  // A rater of before the features calls a hello malformed that asks for any; and whatever was
  // wrong with a packed batch, it goes plain the next time.
  asks_ = 0;
  if (phase_ == LinkPhase::connected) {
    stuck_ = stuck_at_ == mark_ + 1 ? stuck_ + 1 : 1;
    stuck_at_ = mark_ + 1;
    if (stuck_ >= kTries) {
      return refuse("the rater cannot read batch " + std::to_string(stuck_at_) + " (" + why +
                        "): see the rater's log, and whether it is older than this agent; the "
                        "batch and all after it stay in the spool",
                    now);
    }
  }
  back_off(why, now);
  return {};
}

// A rater that calls every incarnation diverged must not fill disks with new ones.
LinkEffects LinkState::diverged(const std::string& why, Ns now) {
  constexpr unsigned kTries = 3;
  if (++divergences_ > kTries) return refuse("diverged again and again: " + why, now);
  back_off("diverged: " + why, now);
  note_ = "diverged: " + why + ": a new incarnation began, with what was not acknowledged";
  return {{What::new_incarnation, 0, 0, why}};
}

LinkEffects LinkState::moved(Ns now) {
  const std::string why = "moved to another ledger";
  wait(times_.retry_min, LinkPhase::disconnected, why, now);
  note_ = why + ": a new incarnation began, with what was not acknowledged";
  return {{What::new_incarnation, 0, 0, why}};
}

bool LinkState::may_send(std::uint64_t bytes) const {
  if (phase_ != LinkPhase::connected) return false;
  // A batch larger than the whole credit goes alone.
  return in_flight_.empty() || in_flight_bytes_ + bytes <= credit_;
}

void LinkState::sent(std::uint64_t last, std::uint64_t bytes, Ns now) {
  sent_ = last;
  in_flight_.push_back({last, bytes});
  in_flight_bytes_ += bytes;
  if (awaited_ == 0) awaited_ = now;
  beat_ = now;
  next_beat(now);
}

}  // namespace tallyman::agent
