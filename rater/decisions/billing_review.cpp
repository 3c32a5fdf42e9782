// What people look at before they release: a closed period, beside another one.

#include <algorithm>
#include <utility>

#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

/// The period named, else the one that ends where this one begins.
const ClosedPeriod* other_of(const std::vector<ClosedPeriod>& all, const ClosedPeriod& closed,
                             const std::string& named) {
  for (const ClosedPeriod& each : all) {
    const bool right =
        named.empty() ? each.period.end == closed.period.start : each.period.id == named;
    if (right) return &each;
  }
  return nullptr;
}

}  // namespace

void Billing::State::review_in(Work& work, const std::string& id, const std::string& against,
                               bool series, const std::shared_ptr<std::string>& text) {
  const auto loose = std::make_shared<std::vector<LooseSeries>>();
  work.then(once([this, id, against, loose, text]() -> Status {
    Result<std::string> document = review(id, against, *loose);
    if (!document) return document.error();
    *text = std::move(*document);
    return {};
  }));
  work.then(once([this, &work, id, series, loose]() -> Status {
    const auto period = id.empty() ? periods.latest() : periods.period(id);
    if (!period) return period.error();
    if (!series || !*period) return {};
    if (!catalogue) return no_catalogue();
    Result<Cut> own = periods.cut((*period)->period.id);
    if (!own) return own.error();
    const auto run = begin(*catalogue, (*period)->period, std::move(*own));
    if (!run) return run.error();
    rate(work, *run, [loose](PeriodRun& all) {
      *loose = all.rating().loose;
      return Status();
    });
    return {};
  }));
  work.then(once([this, &work, id]() -> Status {
    const auto period = id.empty() ? periods.latest() : periods.period(id);
    if (!period) return period.error();
    const bool released = *period && (*period)->state == PeriodState::released;
    return released ? adjust_in(work) : Status();
  }));
}

Result<std::string> Billing::State::review(const std::string& id, const std::string& against,
                                           const std::vector<LooseSeries>& loose) {
  const auto period = id.empty() ? periods.latest() : periods.period(id);
  if (!period) return period.error();
  if (!*period) return Error{"no closed period of that name", id, "close it first"};
  const ClosedPeriod& closed = **period;
  Review out;
  out.line = line_of(closed);
  const Result<Cut> cut = cut_at(closed.period);
  if (!cut) return cut.error();
  out.line.awaited = cut->closed_without;
  Result<std::vector<Message>> messages = periods.messages(closed.period.id);
  if (!messages) return messages.error();
  out.messages = std::move(*messages);
  Result<std::vector<Unattributed>> unattributed = periods.unattributed(closed.period.id);
  if (!unattributed) return unattributed.error();
  out.unattributed = std::move(*unattributed);
  Result<std::vector<MetricTotal>> totals = periods.totals(closed.period.id);
  if (!totals) return totals.error();
  out.totals = std::move(*totals);
  Result<std::vector<std::string>> problems = periods.problems(closed.period.id);
  if (!problems) return problems.error();
  out.problems = std::move(*problems);
  Result<std::vector<AnomalyContent>> found = anomalies(closed.period.start, closed.period.end);
  if (!found) return found.error();
  out.anomalies = std::move(*found);
  out.decisions = decisions;
  if (closed.state == PeriodState::released) {
    Result<std::vector<AdjustmentRound>> rounds = adjustments.rounds(closed.period.id);
    if (!rounds) return rounds.error();
    out.rounds = std::move(*rounds);
  }
  if (const Status compared = compare(closed, against, out); !compared) return compared.error();
  out.loose = loose;
  return review_document(out);
}

Status Billing::State::compare(const ClosedPeriod& closed, const std::string& against,
                               Review& review) {
  const Result<std::vector<ClosedPeriod>> all = periods.periods();
  if (!all) return all.error();
  const ClosedPeriod* other = other_of(*all, closed, against);
  if (other == nullptr) {
    if (against.empty()) return {};
    return Error{"no closed period of that name", against, "see `tallyman-rater periods`"};
  }
  Result<std::vector<RecordVersion>> standing = adjustments.standing(periods, other->period.id);
  if (!standing) return standing.error();
  review.against = other->period.id;
  review.before = std::move(*standing);
  return {};
}

}  // namespace tallyman::rater
