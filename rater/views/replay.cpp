#include "rater/views/replay.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "rater/views/rounds.hpp"

namespace tallyman::rater {

namespace {

/// Sums stand behind records, the sum of all at the end.
auto key_of(const Message& message) {
  return std::tuple(message.meter.empty(), message.customer.empty(), message.customer,
                    message.meter, message.type);
}

std::string beside_the_body(const Message& a, const Message& b) {
  std::string what;
  const auto add = [&](bool same, const char* name) {
    if (!same) what += (what.empty() ? "" : ", ") + std::string(name);
  };
  add(a.id == b.id, "id");
  add(a.routing_key == b.routing_key, "routing key");
  add(a.evidence == b.evidence, "evidence");
  return what;
}

}  // namespace

std::vector<MessageDifference> compare_messages(const std::vector<Message>& stored,
                                                const std::vector<Message>& again) {
  using Both = std::pair<const Message*, const Message*>;
  std::map<decltype(key_of(stored.front())), std::vector<Both>> all;
  for (const Message& message : stored) all[key_of(message)].push_back({&message, nullptr});
  std::map<decltype(key_of(stored.front())), std::size_t> taken;
  for (const Message& message : again) {
    auto& held = all[key_of(message)];
    const std::size_t n = taken[key_of(message)]++;
    if (n < held.size()) {
      held[n].second = &message;
    } else {
      held.push_back({nullptr, &message});
    }
  }
  std::vector<MessageDifference> out;
  for (const auto& [key, pairs] : all) {
    for (const auto& [then, now] : pairs) {
      const Message& named = then != nullptr ? *then : *now;
      MessageDifference difference{named.type, named.customer, named.meter, {}, {}, {}};
      if (then != nullptr) difference.stored = then->body;
      if (now != nullptr) difference.again = now->body;
      if (then != nullptr && now != nullptr) difference.what = beside_the_body(*then, *now);
      if (difference.stored != difference.again || !difference.what.empty()) {
        out.push_back(std::move(difference));
      }
    }
  }
  return out;
}

Hash hash_of_messages(const std::vector<Message>& messages) {
  FieldHasher hasher;
  hasher.field("tallyman replay 1").number(messages.size());
  for (const Message& message : messages) hasher.field(message.id).field(message.body);
  return hasher.finish();
}

bool Replay::identical() const {
  return closed_identical() && std::all_of(rounds.begin(), rounds.end(),
                                           [](const auto& round) { return round.identical(); });
}

namespace {

Result<RoundReplay> replay_round(Snapshot& snapshot, const ClosedPeriod& closed,
                                 const StandingRound& standing, const RerateProgress& progress) {
  const AdjustmentRound& round = standing.round;
  const auto catalogue = snapshot.catalogue_of(period_of(closed, round));
  if (!catalogue.ok()) return catalogue.error();
  const auto rated = rerate(snapshot, closed.period, round.cut, *catalogue, progress);
  if (!rated.ok()) return rated.error();
  const std::vector<Message> again = round_messages(standing, closed.period, rated->drafts.messages,
                                                    record_source(snapshot.ledger()));
  RoundReplay out{round.revision,
                  period_state_name(round.state),
                  0,
                  0,
                  rated->streams,
                  rated->batches,
                  hash_of_messages(round.messages),
                  hash_of_messages(again),
                  round.cut.tz,
                  compare_messages(round.messages, again)};
  for (const Message& message : round.messages) {
    ++(message.meter.empty() ? out.sums : out.adjustments);
  }
  return out;
}

}  // namespace

Result<Replay> replay(Snapshot& snapshot, const std::string& id, const RerateProgress& progress) {
  std::string which = id;
  if (which.empty()) {
    const auto latest = snapshot.periods().latest();
    if (!latest.ok()) return latest.error();
    if (!latest->has_value()) return Error{"no period is closed yet", "", "close one first"};
    which = (*latest)->period.id;
  }
  const auto closed = snapshot.period(which);
  if (!closed.ok()) return closed.error();
  const auto catalogue = snapshot.catalogue_of(*closed);
  if (!catalogue.ok()) return catalogue.error();
  const auto cut = snapshot.periods().cut(which);
  if (!cut.ok()) return cut.error();
  const auto stored = snapshot.periods().messages(which);
  if (!stored.ok()) return stored.error();
  const auto again = rerate(snapshot, closed->period, *cut, *catalogue, progress);
  if (!again.ok()) return again.error();

  Replay out{closed->period,
             period_state_name(closed->state),
             0,
             0,
             again->streams,
             again->batches,
             hash_of_messages(*stored),
             hash_of_messages(again->drafts.messages),
             cut->tz,
             tz_version(),
             compare_messages(*stored, again->drafts.messages),
             {}};
  for (const Message& message : *stored) ++(message.meter.empty() ? out.sums : out.records);
  const auto rounds = rounds_of(snapshot, which);
  if (!rounds.ok()) return rounds.error();
  for (const StandingRound& round : *rounds) {
    auto replayed = replay_round(snapshot, *closed, round, progress);
    if (!replayed.ok()) return replayed.error();
    out.rounds.push_back(std::move(*replayed));
  }
  return out;
}

}  // namespace tallyman::rater
