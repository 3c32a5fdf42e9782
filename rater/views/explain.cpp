#include "rater/views/explain.hpp"

#include <utility>

#include "rater/views/explain_draw.hpp"
#include "rater/views/record_texts.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kShortestId = 8;

Result<Message> find_record(Snapshot& snapshot, const RecordName& name) {
  std::string period = name.period;
  if (!name.id.empty()) {
    if (name.id.size() < kShortestId) {
      return Error{"a record's id has at least eight digits", name.id,
                   "or give customer, meter and period"};
    }
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
    if (asked) return message;
  }
  return Error{"no usage record of that name",
               name.id.empty() ? name.customer + " " + name.meter + " " + name.period : name.id,
               "see `tallyman-rater records PERIOD --json`"};
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

}  // namespace

Result<Explanation> explain(Snapshot& snapshot, const RecordName& name, Ns intervals_at,
                            const LedgerProgress& verifying, const RerateProgress& deriving) {
  Explanation e;
  auto record = find_record(snapshot, name);
  if (!record.ok()) return record.error();
  e.record = std::move(*record);
  std::string id = name.period;
  if (!name.id.empty()) {
    const auto found = snapshot.periods().period_of_record(name.id);
    if (!found.ok()) return found.error();
    id = *found;
  }
  const auto closed = snapshot.period(id);
  if (!closed.ok()) return closed.error();
  e.period = *closed;
  e.slot = snapshot.slot();
  auto cut = snapshot.periods().cut(id);
  if (!cut.ok()) return cut.error();
  e.cut = std::move(*cut);
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
  const auto drafts = drafts_of(usage, *catalogue, e.period.period, e.cut, *decisions,
                                record_source(snapshot.ledger()));
  if (!drafts.ok()) return drafts.error();
  for (const Message& message : drafts->messages) {
    if (message.customer == e.record.customer && message.meter == e.record.meter &&
        message.type == e.record.type) {
      e.again = message.body;
    }
  }
  if (Status drawn = draw(snapshot, usage, *catalogue, *decisions, e, intervals_at, deriving);
      !drawn.ok()) {
    return drawn.error();
  }
  find_faults(e);
  check_figures(record_texts(e.record.body), e);
  return e;
}

}  // namespace tallyman::rater
