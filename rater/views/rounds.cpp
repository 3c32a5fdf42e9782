#include "rater/views/rounds.hpp"

#include <utility>

namespace tallyman::rater {

namespace {

std::vector<RecordVersion> versions_of(const std::vector<Message>& messages) {
  std::vector<RecordVersion> out;
  for (const Message& message : messages) {
    if (auto version = version_of(message)) out.push_back(std::move(*version));
  }
  return out;
}

}  // namespace

Result<std::vector<StandingRound>> rounds_of(Snapshot& snapshot, const std::string& period) {
  auto store = AdjustmentStore::open(snapshot.ledger());
  if (!store.ok()) return store.error();
  auto rounds = store->rounds(period);
  if (!rounds.ok()) return rounds.error();
  std::vector<StandingRound> out;
  if (rounds->empty()) return out;
  const auto first = snapshot.periods().messages(period);
  if (!first.ok()) return first.error();
  const auto cut = snapshot.periods().cut(period);
  if (!cut.ok()) return cut.error();
  std::vector<RecordVersion> standing = newest(versions_of(*first), {});
  Cut previous = *cut;
  for (AdjustmentRound& round : *rounds) {
    out.push_back({std::move(round), standing, previous});
    const AdjustmentRound& last = out.back().round;
    if (last.state != PeriodState::released) continue;
    standing = newest(std::move(standing), versions_of(last.messages));
    previous = last.cut;
  }
  return out;
}

ClosedPeriod period_of(const ClosedPeriod& closed, const AdjustmentRound& round) {
  ClosedPeriod out = closed;
  out.state = round.state;
  out.catalogue = round.catalogue;
  out.cut = round.cut.hash();
  out.without = round.cut.closed_without;
  out.messages = round.messages.size();
  return out;
}

std::vector<Message> round_messages(const StandingRound& standing, const Period& period,
                                    const std::vector<Message>& records,
                                    const std::string& source) {
  const AdjustmentRound& round = standing.round;
  std::vector<Message> out;
  for (const Change& change : changes_between(standing.before, records)) {
    out.push_back(adjustment_of(change, round.revision, period.end, source));
  }
  for (const PeriodRecord& record :
       round_records(out, period, round.revision, round.catalogue, round.cut.hash())) {
    out.push_back(message_of(record, source));
  }
  return out;
}

}  // namespace tallyman::rater
