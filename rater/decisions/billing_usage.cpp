// Billing's side of decisions on usage: anomalies, waivers, corrections.

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "rater/billing_state.hpp"
#include "rater/decisions/anomaly_runs.hpp"
#include "rater/decisions/decisions_json.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kShortestId = 6;  ///< hexadecimal digits that may stand for an id
constexpr std::size_t kAnomaliesShown = 10'000;

Error unknown(const std::string& command) {
  return {"unknown command '" + command.substr(0, 64) + "'", "",
          "use the tallyman-rater that belongs to this daemon"};
}

Result<Ns> instant_of(const DecisionRequest& request, const char* name) {
  const std::string text = request.field(name);
  if (const auto at = from_rfc3339(text)) return *at;
  return Error{"`" + text.substr(0, 64) + "` is not an instant", name,
               "write it like 2026-11-22T15:00:00Z"};
}

/// Records of periods that are closed, whose id begins so.
Result<std::vector<Correction>> records_named(Database& database, const std::string& id) {
  Statement select = database.prepare(
      "SELECT customer, meter, period, id FROM record WHERE meter != '' AND substr(id, 1, ?1) = ?2"
      " LIMIT 2");
  select.bind(1, static_cast<std::int64_t>(id.size())).bind(2, id);
  std::vector<Correction> out;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return out;
    out.push_back({select.text(0), select.text(1), select.text(2), {}, {}});
  }
}

}  // namespace

Result<std::vector<AnomalyContent>> Billing::State::anomalies(Ns from, Ns to) {
  // Of several alike all are in the same interval: they are numbered together, or not at all.
  const Result<std::vector<KeptAnomaly>> kept = usage->anomalies(from, to);
  if (!kept) return kept.error();
  std::vector<AnomalyContent> all;
  for (AnomalyRun& run : runs_of(*kept, decisions)) {
    if (run.content.from < to && run.content.to > from) all.push_back(std::move(run.content));
  }
  return all;
}

Result<AuditMark> Billing::State::take_decision(const char* kind, const std::string& what,
                                                const Span& touched, const Decision& decision) {
  AuditEntry entry;
  entry.kind = kind;
  entry.what = what;
  // What could not be read back as it is meant is no decision.
  Decisions trial = decisions;
  if (const Status reads = take_in(entry, trial); !reads) {
    return Error{"this cannot be kept as text", kind, "are its labels UTF-8?"};
  }
  Transaction transaction(ledger.database());
  if (!transaction.begun()) return transaction.begun().error();
  const Result<AuditMark> mark = audit.append(kind, what, decision, clock.wall());
  if (!mark) return mark.error();
  if (const Status due = touch_released(touched.from, touched.to); !due) return due.error();
  if (const Status kept = transaction.commit(); !kept) return kept.error();
  entry.mark = *mark;
  if (const Status taken = take_in(entry, decisions); !taken) return taken.error();
  fresh.reset();
  log::info("{} by {}: decision {}", kind, decision.who, mark->n);
  return *mark;
}

Result<Decisions> Billing::State::decisions_at(const AuditMark& mark) {
  if (mark == decisions.last) return decisions;
  return load_decisions(audit, mark.n);
}

Result<std::string> Billing::State::decide_usage(const DecisionRequest& request) {
  if (request.command == "anomaly ls") return list_anomalies(request);
  if (const Status reason = check_why(request.decision); !reason) return reason.error();
  if (request.command == kWaive) return decide_waive(request);
  if (request.command == kCorrect) return decide_correct(request);
  if (request.command == kAnomalyAccept || request.command == kAnomalyReject) {
    return decide_anomaly(request);
  }
  return unknown(request.command);
}

Result<std::string> Billing::State::list_anomalies(const DecisionRequest& request) {
  Result<std::vector<AnomalyContent>> all = anomalies(0, kForever);
  if (!all) return all.error();
  if (!request.field("open").empty()) {
    std::erase_if(*all, [&](const AnomalyContent& each) {
      return decisions.accepts(each.id()) || decisions.rejects(each.id());
    });
  }
  std::stable_sort(all->begin(), all->end(), [](const AnomalyContent& a, const AnomalyContent& b) {
    return a.from < b.from;
  });
  if (all->size() > kAnomaliesShown) {
    all->erase(all->begin(), all->end() - static_cast<std::ptrdiff_t>(kAnomaliesShown));
  }
  return anomalies_document(*all, decisions);
}

Result<std::string> Billing::State::decide_anomaly(const DecisionRequest& request) {
  const std::string id = request.field("id");
  const Result<std::vector<KeptAnomaly>> kept = usage->anomalies(0, kForever);
  if (!kept) return kept.error();
  std::vector<AnomalyContent> found;
  if (id.size() >= kShortestId) found = runs_named(runs_of(*kept, decisions), decisions, id);
  if (found.size() != 1) {
    return Error{found.empty() ? "no anomaly of that id" : "several anomalies begin with that id",
                 id.substr(0, 64), "see `tallyman-rater anomaly ls`"};
  }
  const AnomalyContent& anomaly = found.front();
  const bool accept = request.command == kAnomalyAccept;
  const bool settled = accept ? decisions.accepts(anomaly.id()) : decisions.rejects(anomaly.id());
  if (settled) return Error{"that is decided already", id, "see `tallyman-rater audit log`"};
  const auto mark = take_decision(accept ? kAnomalyAccept : kAnomalyReject, what_of(anomaly),
                                  {anomaly.from, anomaly.to}, request.decision);
  if (!mark) return mark.error();
  return anomalies_document({anomaly}, decisions);
}

Result<std::string> Billing::State::decide_waive(const DecisionRequest& request) {
  const Result<Ns> from = instant_of(request, "from");
  if (!from) return from.error();
  const Result<Ns> to = instant_of(request, "to");
  if (!to) return to.error();
  const Result<Waiver> waiver = waiver_of(request.field("resource"), *from, *to);
  if (!waiver) return waiver.error();
  const bool known =
      waiver->customer.empty() || (catalogue && catalogue->customer(waiver->customer) != nullptr);
  if (!known) return Error{"no customer `" + waiver->customer + "` in the catalogue", "", ""};
  const bool withdraw = !request.field("withdraw").empty();
  const bool there =
      std::binary_search(decisions.waivers.begin(), decisions.waivers.end(), *waiver);
  if (there != withdraw) {
    return Error{withdraw ? "there is no such waiver" : "that is waived already",
                 resource_text(*waiver), "see `tallyman-rater audit log`"};
  }
  const auto mark = take_decision(kWaive, what_of(*waiver, withdraw), {waiver->from, waiver->to},
                                  request.decision);
  if (!mark) return mark.error();
  return waived_document(*waiver, withdraw, *mark);
}

Result<std::string> Billing::State::decide_correct(const DecisionRequest& request) {
  const std::string id = request.field("record");
  const auto found = records_named(ledger.database(), id);
  if (!found) return found.error();
  if (id.size() < kShortestId || found->size() != 1) {
    return Error{
        found->size() == 2 ? "several records begin with that id" : "no closed record has that id",
        id.substr(0, 64), "see `tallyman-rater records PERIOD --json`"};
  }
  Correction correction = found->front();
  correction.quantity = request.field("quantity");
  const auto figure = Rational::from_text(correction.quantity);
  const bool withdraw = correction.quantity.empty();
  if (!withdraw && (!figure || figure->negative())) {
    return Error{"`" + correction.quantity.substr(0, 64) + "` is no quantity", "--quantity",
                 "a decimal of 0 or more, in the record's unit"};
  }
  const Correction* held =
      decisions.correction(correction.customer, correction.meter, correction.period);
  if (withdraw && held == nullptr) return Error{"the record is not corrected", id, ""};
  if (!withdraw && held != nullptr && Rational::from_text(held->quantity) == figure) {
    return Error{"the record is corrected to that already", id, "see `tallyman-rater audit log`"};
  }
  const Result<std::optional<ClosedPeriod>> closed = periods.period(correction.period);
  if (!closed) return closed.error();
  const Period period = *closed ? (*closed)->period : Period{};
  const auto mark = take_decision(kCorrect, what_of(correction, id), {period.start, period.end},
                                  request.decision);
  if (!mark) return mark.error();
  return corrected_document(correction, *mark);
}

}  // namespace tallyman::rater
