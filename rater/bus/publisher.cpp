#include "rater/bus/publisher.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater {

namespace {

/// `first`, doubled so many times, and not longer than `longest`.
Ns doubled(Ns first, std::size_t times, Ns longest) {
  Ns out = first;
  for (; times > 0 && out < longest; --times) out *= 2;
  return std::min(out, longest);
}

constexpr const char* kUnconfirmed =
    "the broker confirms nothing; see whether its queues have their majority and their disks";

BrokerFault nonsense(const std::string& what) {
  return {{"the broker " + what, "", "report this"}, false};
}

}  // namespace

bool Publisher::step(Event event) {
  constexpr Link kNot = kLinks;
  constexpr std::array<std::array<Link, kEvents>, kLinks> kTable{{
      // try      opened  lost    blocked    unblocked
      {kTrying, kNot, kDown, kNot, kNot},    // down
      {kNot, kOpen, kDown, kNot, kNot},      // trying
      {kNot, kNot, kDown, kBlocked, kOpen},  // open
      {kNot, kNot, kDown, kBlocked, kOpen},  // blocked
  }};
  const Link next = kTable[link_][event];
  if (next == kNot) return false;
  link_ = next;
  return true;
}

void Publisher::forgive() {
  failures_ = 0;
  patience_ = options_.patience;
}

std::size_t Publisher::room() const {
  const std::size_t apart = held_.size() + wanted_.size();
  const std::size_t here = entries_.size() - apart;
  if (here >= options_.most || bytes_ >= options_.most_bytes || apart >= options_.most_held) {
    return 0;
  }
  return options_.most - here;
}

void Publisher::submit(BusMessage message) {
  const auto [at, fresh] = by_id_.emplace(message.id, next_order_);
  const Order order = at->second;
  if (!fresh && wanted_.erase(order) == 0) return;
  if (fresh) ++next_order_;
  bytes_ += message.body.size();
  Entry& entry = entries_[order];
  entry.message = std::move(message);
  entry.where = Where::queued;
  queued_.insert(order);
}

std::vector<std::string> Publisher::wanted(std::size_t most) const {
  std::vector<std::string> out;
  for (const Order order : wanted_) {
    if (out.size() >= most) break;
    out.push_back(entries_.at(order).message.id);
  }
  return out;
}

std::vector<std::string> Publisher::take_confirmed() { return std::exchange(confirmed_, {}); }

void Publisher::erase(Order order) {
  const auto at = entries_.find(order);
  const Entry& entry = at->second;
  if (entry.where == Where::queued) queued_.erase(order);
  if (entry.where == Where::sent) sent_.erase(entry.tag);
  if (entry.where == Where::held) held_.erase({entry.due, order});
  if (entry.where == Where::wanted) wanted_.erase(order);
  if (entry.refusals > 0) --troubled_;
  if (entry.refusals > 0 && entry.unroutable) --unroutable_;
  bytes_ -= entry.message.body.size();
  by_id_.erase(entry.message.id);
  entries_.erase(at);
}

void Publisher::forget(const std::string& id) {
  const auto at = by_id_.find(id);
  if (at != by_id_.end()) erase(at->second);
  std::erase(confirmed_, id);
}

void Publisher::forget_all() {
  entries_.clear();
  by_id_.clear();
  queued_.clear();
  sent_.clear();
  held_.clear();
  wanted_.clear();
  confirmed_.clear();
  bytes_ = troubled_ = unroutable_ = 0;
}

void Publisher::retry(Ns now) {
  try_at_ = std::min(try_at_, now);
  patience_ = options_.patience;
  for (const auto& [due, order] : held_) want(order);
  held_.clear();
}

BusState Publisher::state(Ns now) const {
  BusState out;
  out.in_flight = sent_.size();
  out.held = troubled_;
  out.repeated = repeated_;
  if (link_ == kBlocked) {
    out.name = "blocked";
    out.detail = blocked_;
  } else if (link_ == kOpen) {
    out.name = "connected";
    if (troubled_ > unroutable_) {
      out.name = "nacked";
      out.detail = nacked_why_;
    }
    if (unroutable_ > 0) {
      out.name = "returned";
      out.detail = returned_why_;
    }
    const bool waited = now - progress_ > options_.notice || patience_ > options_.patience;
    if (!sent_.empty() && waited) {
      out.name = "unconfirmed";
      out.detail = kUnconfirmed;
    }
  } else if (!ever_) {
    out.name = "connecting";
  } else {
    out.name = fault_.refused ? "refused" : "down";
    out.detail = fault_.error.text();
  }
  return out;
}

std::string Publisher::state_of(const std::string& id) const {
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return {};
  const Entry& entry = entries_.at(at->second);
  if (entry.where == Where::sent) return "in flight";
  if (entry.unanswered) return entry.why.empty() ? "sent, and not answered" : entry.why;
  return entry.refusals > 0 ? entry.why : "waiting";
}

std::optional<std::size_t> Publisher::node_to_try(Ns now) {
  if (link_ != kDown || now < try_at_) return std::nullopt;
  step(kTry);
  return node_;
}

void Publisher::opened(Ns now) {
  if (!step(kOpened)) return;
  ever_ = true;
  last_tag_ = 0;
  heard_ = progress_ = opened_ = now;
}

void Publisher::lost(const BrokerFault& why, Ns now) {
  const bool starved = link_ == kOpen && !sent_.empty() && now - progress_ > patience_;
  if (starved) patience_ = doubled(patience_, 1, options_.longest_patience);
  // One that stood for long did its work, whether there was anything to confirm or not.
  const bool stood = (link_ == kOpen || link_ == kBlocked) && sent_.empty() &&
                     now - opened_ >= options_.longest_pause;
  if (stood) forgive();
  step(kLost);
  ever_ = true;
  fault_ = why;
  lost_node_ = node_;
  if (why.refused && !sent_.empty()) {
    // Whoever has to mend it wants to know what it was about.
    fault_.error.what +=
        " (the first unconfirmed: " + entries_.at(sent_.begin()->second).message.routing_key + ")";
  }
  for (const auto& [tag, order] : sent_) {
    Entry& entry = entries_.at(order);
    entry.where = Where::queued;
    entry.returned = false;
    entry.unanswered = true;
    queued_.insert(order);
  }
  sent_.clear();
  last_tag_ = 0;
  // Each node is tried once without a pause, but never one right after itself.
  ++failures_;
  node_ = (node_ + 1) % options_.nodes;
  const std::size_t rounds = failures_ / options_.nodes;
  try_at_ = rounds == 0 ? now : now + doubled(options_.pause, rounds - 1, options_.longest_pause);
}

void Publisher::heard(Ns now) { heard_ = now; }

std::optional<BrokerFault> Publisher::take(const BrokerEvent& event, Ns now) {
  using Kind = BrokerEvent::Kind;
  if (link_ != kOpen && link_ != kBlocked) return nonsense("answers on no connection");
  switch (event.kind) {
    case Kind::blocked:
      step(kBlock);
      blocked_ = event.text;
      return std::nullopt;
    case Kind::unblocked:
      step(kUnblock);
      progress_ = now;
      return std::nullopt;
    case Kind::returned: {
      const auto at = by_id_.find(event.id);
      if (at == by_id_.end()) return std::nullopt;  // forgotten meanwhile
      Entry& entry = entries_.at(at->second);
      entry.returned = entry.where == Where::sent;
      entry.why = "returned: " + event.text;
      return std::nullopt;
    }
    case Kind::acked:
    case Kind::nacked:
      break;
  }
  if (event.tag > last_tag_ || (event.tag == 0 && !event.multiple)) {
    return nonsense("confirms a message that it was not sent");
  }
  const bool acked = event.kind == Kind::acked;
  const std::uint64_t last = event.tag == 0 ? last_tag_ : event.tag;
  for (auto at = event.multiple ? sent_.begin() : sent_.find(last);
       at != sent_.end() && at->first <= last;) {
    settle((at++)->second, acked, now);
  }
  progress_ = now;
  return std::nullopt;
}

void Publisher::settle(Order order, bool acked, Ns now) {
  Entry& entry = entries_.at(order);
  if (acked && !entry.returned) {
    confirmed_.push_back(entry.message.id);
    erase(order);
    forgive();
    return;
  }
  if (!acked) entry.why = "nacked: the broker could not take it";
  hold(order, entry, now);
}

void Publisher::hold(Order order, Entry& entry, Ns now) {
  sent_.erase(entry.tag);
  if (entry.refusals > 0 && entry.unroutable) --unroutable_;
  entry.unroutable = std::exchange(entry.returned, false);
  (entry.unroutable ? returned_why_ : nacked_why_) = entry.why;
  if (entry.unroutable) ++unroutable_;
  entry.where = Where::held;
  entry.due = now + doubled(options_.hold, entry.refusals, options_.longest_hold);
  if (entry.refusals++ == 0) ++troubled_;
  bytes_ -= entry.message.body.size();
  entry.message = {entry.message.id, {}, {}};
  held_.emplace(entry.due, order);
}

void Publisher::want(Order order) {
  entries_.at(order).where = Where::wanted;
  wanted_.insert(order);
}

void Publisher::release_held(Ns now) {
  while (!held_.empty() && held_.begin()->first <= now) {
    want(held_.begin()->second);
    held_.erase(held_.begin());
  }
}

bool Publisher::has_to_send(Ns now) {
  release_held(now);
  return link_ == kOpen && !queued_.empty();
}

const BusMessage* Publisher::next_to_send(Ns now) {
  if (!has_to_send(now)) return nullptr;
  if (sent_.empty()) progress_ = now;
  const Order order = *queued_.begin();
  queued_.erase(queued_.begin());
  Entry& entry = entries_.at(order);
  entry.where = Where::sent;
  entry.tag = ++last_tag_;
  if (std::exchange(entry.sent_before, true)) ++repeated_;
  sent_.emplace(entry.tag, order);
  return &entry.message;
}

std::optional<BrokerFault> Publisher::check(Ns now) const {
  if (link_ != kOpen && link_ != kBlocked) return std::nullopt;
  if (now - heard_ > 2 * options_.heartbeat) {
    return BrokerFault{{"nothing was heard from the broker for two heartbeats", "", ""}, false};
  }
  if (link_ == kOpen && !sent_.empty() && now - progress_ > patience_) {
    return BrokerFault{{kUnconfirmed, "", ""}, false};
  }
  return std::nullopt;
}

Ns Publisher::next_at() const {
  // What is held matters on an open link alone.
  if (link_ == kDown) return try_at_;
  if (link_ == kTrying) return kNever;
  Ns at = held_.empty() || link_ == kBlocked ? kNever : held_.begin()->first;
  at = std::min(at, heard_ + 2 * options_.heartbeat);
  if (link_ == kOpen && !sent_.empty()) at = std::min(at, progress_ + patience_);
  return at;
}

}  // namespace tallyman::rater
