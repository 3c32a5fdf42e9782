// Billing's side of adjustments: which released periods something has reached into, what that
// changes, and what goes out of it.

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"
#include "rater/decisions/decisions_json.hpp"

namespace tallyman::rater {

namespace {

constexpr Ns kZones = 26 * kHour;     ///< between the first and the last beginning of one day
constexpr Ns kLongMonth = 32 * kDay;  ///< with an hour of summer time

/// Of two rounds: their period records name the cut, which moves with every batch.
bool same_adjustments(const std::vector<Message>& a, const std::vector<Message>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Message& x, const Message& y) {
    return x.meter.empty() ? y.meter.empty() : x.id == y.id;
  });
}

}  // namespace

Status Billing::State::touch_released(Ns from, Ns to) {
  const bool monthly = !catalogue || catalogue->period.monthly();
  const Ns slack = monthly ? kZones : 0;
  const Ns length = monthly ? kLongMonth : catalogue->period.length;
  const auto minus = [](Ns at, Ns by) { return at < kAlways + by ? kAlways : at - by; };
  const auto plus = [](Ns at, Ns by) { return at > kForever - by ? kForever : at + by; };
  return adjustments.set_due(minus(from, slack), plus(to, slack),
                             minus(minus(from, length), slack));
}

Status Billing::State::adjustments_of(Work& work, const ClosedPeriod& closed,
                                      std::function<Status(AdjustmentRound)> use) {
  if (!catalogue) return no_catalogue();
  Result<Cut> cut = cut_at(closed.period);
  if (!cut) return cut.error();
  const auto run = begin(*catalogue, closed.period, std::move(*cut));
  if (!run) return run.error();
  rate(work, *run, [this, closed, use = std::move(use)](PeriodRun& all) -> Status {
    const std::string source = record_source(ledger);
    Result<Drafts> now = all.drafts(source);
    if (!now) return now.error();
    const auto standing = adjustments.standing(periods, closed.period.id);
    if (!standing) return standing.error();
    const Result<std::uint64_t> last = adjustments.last_released(closed.period.id);
    if (!last) return last.error();
    AdjustmentRound round;
    round.period = closed.period.id;
    round.revision = *last + 1;
    round.catalogue = now->catalogue;
    round.cut = std::move(now->cut);
    for (const Change& change : changes_between(*standing, now->messages)) {
      round.messages.push_back(adjustment_of(change, round.revision, closed.period.end, source));
    }
    for (const PeriodRecord& record : round_records(round.messages, closed.period, round.revision,
                                                    round.catalogue, round.cut.hash())) {
      round.messages.push_back(message_of(record, source));
    }
    return use(std::move(round));
  });
  return {};
}

Billing::State::Due Billing::State::adjust_due() {
  if (!catalogue) return Due{nullptr};
  const Result<std::optional<std::string>> due = adjustments.due();
  if (!due) return due.error();
  if (!*due) return Due{nullptr};
  const Result<std::optional<ClosedPeriod>> closed = periods.period(**due);
  if (!closed) return closed.error();
  if (*closed && !import_into((*closed)->period).empty()) return Due{nullptr};
  auto made =
      std::make_unique<Work>("adjust " + **due, [this](const Status& how) { note(kAdjust, how); });
  Work& work = *made;
  work.then(once([this, &work] { return adjust_in(work); }));
  return made;
}

Status Billing::State::adjust_in(Work& work) {
  if (!catalogue) return {};
  const Result<std::optional<std::string>> due = adjustments.due();
  if (!due) return due.error();
  if (!*due) return {};
  const Result<std::optional<ClosedPeriod>> closed = periods.period(**due);
  if (!closed) return closed.error();
  if (!*closed || (*closed)->state != PeriodState::released) {
    AdjustmentRound none;
    none.period = **due;
    return adjustments.draft(none);
  }
  return adjustments_of(work, **closed, [this](const AdjustmentRound& round) -> Status {
    if (const Status drafted = adjustments.draft(round); !drafted) return drafted;
    if (!round.messages.empty()) {
      log::info("period {}: adjustments drafted, revision {}", round.period, round.revision);
    }
    return {};
  });
}

Status Billing::State::release_adjustments(Work& work, const std::string& period,
                                           const Decision& decision) {
  const Result<std::optional<ClosedPeriod>> closed = periods.period(period);
  if (!closed) return closed.error();
  const Result<std::optional<AdjustmentRound>> drafted = adjustments.drafted(period);
  if (!drafted) return drafted.error();
  if (!*closed || !*drafted) return {};
  return adjustments_of(work, **closed,
                        [this, round = **drafted, decision](const AdjustmentRound& now) {
                          return release_round(round, now, decision);
                        });
}

Status Billing::State::release_round(const AdjustmentRound& drafted, const AdjustmentRound& now,
                                     const Decision& decision) {
  const std::string& period = drafted.period;
  if (!same_adjustments(drafted.messages, now.messages)) {
    if (const Status kept = adjustments.draft(now); !kept) return kept;
    return Error{"the adjustments are not what they were: usage or decisions have come since",
                 period, "review the period again"};
  }
  const std::uint64_t revision = drafted.revision;
  const auto note = [&]() -> Status {
    const auto mark =
        audit.append("release", round_subject(period, revision), decision, clock.wall());
    return mark ? Status() : mark.error();
  };
  const Result<bool> released = adjustments.release(period, *outbox, note);
  if (!released) return released.error();
  if (*released) log::info("released revision {} of period {}", revision, period);
  return {};
}

Billing::State::Due Billing::State::release_due_adjustments() {
  const Result<std::optional<std::string>> period = adjustments.first_draft();
  if (!period) return period.error();
  if (!*period) return Due{nullptr};
  const Result<std::optional<ClosedPeriod>> closed = periods.period(**period);
  if (!closed) return closed.error();
  if (*closed && !import_into((*closed)->period).empty()) return Due{nullptr};
  auto made = std::make_unique<Work>("release adjustments of " + **period,
                                     [this](const Status& how) { note(kRelease, how); });
  Work& work = *made;
  work.then(once([this, &work, which = **period] {
    return release_adjustments(work, which, by_configuration("[release] automatic"));
  }));
  return made;
}

}  // namespace tallyman::rater
