#include "rater/billing_state.hpp"

#include <algorithm>
#include <map>

namespace tallyman::rater {

namespace {

constexpr std::size_t kOpenShown = 100;  ///< periods not closed that are listed

}  // namespace

Error Billing::State::no_catalogue() {
  return {"no catalogue is in force", "", "set `catalogue` in the rater's configuration"};
}

PeriodLine Billing::State::line_of(const ClosedPeriod& closed) const {
  return {closed.period,
          period_state_name(closed.state),
          closed.messages,
          closed.without,
          {},
          import_into(closed.period)};
}

std::string Billing::State::import_into(const Period& period) const {
  const std::optional<Importing> running = importing ? importing() : std::nullopt;
  if (!running) return {};
  const Ns from = catalogue ? usage_span(*catalogue, period).from : period.start;
  return from <= running->to ? running->file : std::string();
}

Result<Ns> Billing::State::metered_until() {
  const Result<std::vector<StreamMark>> marks = usage->marks();
  if (!marks) return marks.error();
  Ns newest = 0;
  for (const StreamMark& mark : *marks) newest = std::max(newest, mark.watermark);
  return newest > 0 ? newest : clock.wall();
}

Status Billing::State::open_periods(std::vector<PeriodLine>& lines) {
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  const Ns now = clock.wall();
  std::optional<Period> period = *next;
  for (std::size_t n = 0; period && n < kOpenShown && period->start <= now; ++n) {
    const Result<Cut> cut = cut_at(*period);
    if (!cut) return cut.error();
    const bool running = now < period->end;
    lines.push_back(
        {*period, running ? "running" : "ended", 0, {}, cut->closed_without, import_into(*period)});
    period = period_at(catalogue->period, catalogue->zone, period->end);
  }
  return {};
}

Result<BillingStatus> Billing::State::status() {
  BillingStatus s;
  s.catalogue_path = options.catalogue_path;
  if (works.find(kCatalogueFile) != nullptr) s.catalogue_read = options.catalogue_path;
  s.deriving = deriving;
  s.comparing = usage->comparing();
  s.error = error_text();
  s.bus = outbox->bus();
  s.bus_state = outbox->bus_state();
  if (catalogue) {
    s.catalogue = catalogue->version();
    s.customers = catalogue->customers.size();
    s.meters = catalogue->meters.size();
    s.plans = catalogue->plans.size();
    s.resources = catalogue->resources.size();
    const Period running = period_at(catalogue->period, catalogue->zone, clock.wall());
    s.running = PeriodLine{running, "running", 0, {}, {}, import_into(running)};
  }
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  if (*next) {
    const Result<Cut> cut = cut_at(**next);
    if (!cut) return cut.error();
    const bool ended = clock.wall() >= (*next)->end;
    s.next = PeriodLine{**next, ended ? "ended" : "running", 0,
                        {},     cut->closed_without,         import_into(**next)};
  }
  const Result<std::optional<ClosedPeriod>> draft = periods.earliest_draft();
  if (!draft) return draft.error();
  if (*draft) s.draft = line_of(**draft);
  const Result<std::optional<ClosedPeriod>> latest = periods.latest();
  if (!latest) return latest.error();
  if (*latest) s.latest = line_of(**latest);
  const Result<std::uint64_t> due = adjustments.due_count();
  if (!due) return due.error();
  s.adjustments_due = *due;
  const Result<std::uint64_t> drafted = adjustments.drafts();
  if (!drafted) return drafted.error();
  s.adjustments = *drafted;
  const Result<std::uint64_t> waiting = outbox->waiting();
  if (!waiting) return waiting.error();
  s.waiting = *waiting;
  const Result<std::uint64_t> confirmed = outbox->confirmed();
  if (!confirmed) return confirmed.error();
  s.confirmed = *confirmed;
  const Result<std::uint64_t> skipped = outbox->skipped();
  if (!skipped) return skipped.error();
  s.skipped = *skipped;
  return s;
}

}  // namespace tallyman::rater
