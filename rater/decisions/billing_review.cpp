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

Result<std::string> Billing::State::review(const std::string& id, const std::string& against,
                                           bool series) {
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
    if (const Status adjusted = adjust_due(); !adjusted) return adjusted.error();
    Result<std::vector<AdjustmentRound>> rounds = adjustments.rounds(closed.period.id);
    if (!rounds) return rounds.error();
    out.rounds = std::move(*rounds);
  }
  if (const Status compared = compare(closed, against, out); !compared) return compared.error();
  if (series) {
    if (!catalogue) return no_catalogue();
    const Result<Cut> own = periods.cut(closed.period.id);
    if (!own) return own.error();
    Result<Rating> rating = rate_until(closed.period, *own, kForever);
    if (!rating) return rating.error();
    out.loose = std::move(rating->loose);
  }
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
