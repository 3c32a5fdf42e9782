#include "rater/views/explain.hpp"

#include <utility>

#include "rater/views/explain_adjusted.hpp"
#include "rater/views/explain_draw.hpp"
#include "rater/views/record_texts.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kShortestId = 8;

/// What is asked about: a period's record, or an adjustment and its round.
struct Subject {
  Message record;
  std::string period;
  std::optional<StandingRound> round;
};

Error not_found(const RecordName& name) {
  return Error{"no usage record of that name",
               name.id.empty() ? name.customer + " " + name.meter + " " + name.period : name.id,
               "see `tallyman-rater records PERIOD --json`"};
}

/// The period that holds the adjustment of that id, or of the one whose id begins so; nothing when
/// it is none.
Result<std::optional<std::string>> period_of_adjustment(Snapshot& snapshot, const std::string& id) {
  auto find = snapshot.ledger().database().prepare(
      "SELECT period, count(*) FROM adjustment WHERE meter != '' AND substr(id, 1, ?1) = ?2");
  const auto row = find.bind(1, static_cast<std::int64_t>(id.size())).bind(2, id).step();
  if (!row.ok()) return row.error();
  if (find.integer(1) == 0) return std::optional<std::string>();
  if (find.integer(1) == 1) return std::optional(find.text(0));
  return Error{"several adjustments have an id that begins so", id, "give more of its digits"};
}

Result<Subject> find_adjustment(Snapshot& snapshot, const RecordName& name,
                                const std::string& period) {
  auto rounds = rounds_of(snapshot, period);
  if (!rounds.ok()) return rounds.error();
  for (StandingRound& round : *rounds) {
    for (const Message& message : round.round.messages) {
      if (message.meter.empty() || !message.id.starts_with(name.id)) continue;
      return Subject{message, period, std::move(round)};
    }
  }
  return not_found(name);
}

Result<Subject> find_subject(Snapshot& snapshot, const RecordName& name) {
  std::string period = name.period;
  if (!name.id.empty()) {
    if (name.id.size() < kShortestId) {
      return Error{"a record's id has at least eight digits", name.id,
                   "or give customer, meter and period"};
    }
    const auto adjusted = period_of_adjustment(snapshot, name.id);
    if (!adjusted.ok()) return adjusted.error();
    if (adjusted->has_value()) return find_adjustment(snapshot, name, **adjusted);
    const auto found = snapshot.periods().period_of_record(name.id);
    if (!found.ok()) return found.error();
    period = *found;
  }
  const auto messages = snapshot.periods().messages(period);
  if (!messages.ok()) return messages.error();
  for (const Message& message : *messages) {
    if (message.meter.empty()) continue;
    const bool asked = name.id.empty()
                           ? message.customer == name.customer && message.meter == name.meter
                           : message.id.starts_with(name.id);
    if (asked) return Subject{message, period, std::nullopt};
  }
  return not_found(name);
}

/// The ids of what adjusts a record.
Status find_adjusted(Snapshot& snapshot, Explanation& e) {
  const auto rounds = rounds_of(snapshot, e.period.period.id);
  if (!rounds.ok()) return rounds.error();
  for (const StandingRound& round : *rounds) {
    for (const Message& message : round.round.messages) {
      const bool same = message.customer == e.record.customer && message.meter == e.record.meter;
      if (same) e.adjusted.push_back(message.id);
    }
  }
  return {};
}

/// Record, period, cut and what else is known before anything is derived.
Result<Explanation> begin(Snapshot& snapshot, const Subject& subject) {
  Explanation e;
  e.record = subject.record;
  e.slot = snapshot.slot();
  const auto closed = snapshot.period(subject.period);
  if (!closed.ok()) return closed.error();
  e.period = subject.round ? period_of(*closed, subject.round->round) : *closed;
  if (!subject.round) {
    auto cut = snapshot.periods().cut(subject.period);
    if (!cut.ok()) return cut.error();
    e.cut = std::move(*cut);
    if (Status found = find_adjusted(snapshot, e); !found.ok()) return found.error();
    return e;
  }
  e.cut = subject.round->round.cut;
  auto adjusts = adjusted_by(snapshot, *subject.round, e.record);
  if (!adjusts.ok()) return adjusts.error();
  e.adjusts = std::move(*adjusts);
  return e;
}

void find_faults(Explanation& e) {
  if (!e.again) {
    e.faults.push_back("the record does not come out of the log again");
  } else if (*e.again != e.record.body) {
    e.faults.push_back("the record comes out of the log otherwise than it is stored");
  }
  for (const ExplainedSeries& series : e.series) {
    const std::string name = series_text(series.key);
    if (!series.agrees()) {
      e.faults.push_back(name + ": slots come to " + to_decimal(series.slots_sum) +
                         ", raw readings to " + to_decimal(series.raw_sum) + ", in " +
                         std::to_string(series.slots_differ) + " slots otherwise" +
                         (series.anomalies.empty()
                              ? std::string()
                              : "; " + std::to_string(series.anomalies.size()) +
                                    " anomalies are kept out, " + to_decimal(series.at_risk)));
    }
    if (series.last_minus_first && *series.last_minus_first != series.raw_sum) {
      e.faults.push_back(name + ": last minus first comes to " +
                         to_decimal(*series.last_minus_first) + ", slot by slot to " +
                         to_decimal(series.raw_sum));
    }
  }
}

/// The record as it comes out of usage by the rater's own path.
Status rate_again(Snapshot& snapshot, const Subject& subject, UsageStore& usage,
                  const Catalogue& catalogue, const Decisions& decisions, Explanation& e) {
  const std::string source = record_source(snapshot.ledger());
  const auto drafts = drafts_of(usage, catalogue, e.period.period, e.cut, decisions, source);
  if (!drafts.ok()) return drafts.error();
  for (const Message& message :
       subject.round ? round_messages(*subject.round, e.period.period, drafts->messages, source)
                     : drafts->messages) {
    const bool same = message.customer == e.record.customer && message.meter == e.record.meter;
    if (same && message.type == e.record.type) e.again = message.body;
  }
  return {};
}

}  // namespace

Result<Explanation> explain(Snapshot& snapshot, const RecordName& name, Ns intervals_at,
                            const LedgerProgress& verifying, const RerateProgress& deriving) {
  const auto subject = find_subject(snapshot, name);
  if (!subject.ok()) return subject.error();
  auto begun = begin(snapshot, *subject);
  if (!begun.ok()) return begun.error();
  Explanation e = std::move(*begun);
  auto chain = verify_cut(snapshot, e.cut, verifying);
  if (!chain.ok()) return chain.error();
  e.chain = std::move(*chain);
  if (e.chain.damages != 0) {
    e.faults.push_back("the ledger is damaged in " + std::to_string(e.chain.damages) +
                       " places: nothing is reproduced from it");
    e.without = "the ledger is damaged";
    return e;
  }
  const auto catalogue = snapshot.catalogue_of(e.period);
  if (!catalogue.ok()) return catalogue.error();
  const auto again = UsageAgain::derive(snapshot, e.cut, deriving);
  if (!again.ok()) return again.error();
  UsageStore& usage = (*again)->usage();
  const auto decisions = snapshot.decisions_of(e.cut);
  if (!decisions.ok()) return decisions.error();
  if (Status rated = rate_again(snapshot, *subject, usage, *catalogue, *decisions, e);
      !rated.ok()) {
    return rated.error();
  }
  const auto texts = record_texts(e.record.body);
  if (e.adjusts && texts.empty()) {
    e.without = "nothing is billed any more: the contract has no such meter now";
  } else if (Status drawn =
                 draw(snapshot, usage, *catalogue, *decisions, e, intervals_at, deriving);
             !drawn.ok()) {
    return drawn.error();
  }
  find_faults(e);
  check_figures(texts, e);
  return e;
}

}  // namespace tallyman::rater
