#include "rater/billing_state.hpp"

#include <algorithm>
#include <map>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kOpenShown = 100;  ///< periods not closed that are listed

}  // namespace

Error Billing::State::no_catalogue() {
  return {"no catalogue is in force", "", "set `catalogue` in the rater's configuration"};
}

PeriodLine Billing::State::line_of(const ClosedPeriod& closed) {
  return {closed.period, period_state_name(closed.state), closed.messages, closed.without, {}};
}

Status Billing::State::step() {
  const Result<UsageStore::Progress> progress = usage->advance(options.batches_per_tick);
  if (!progress) return progress.error();
  derived += progress->batches;
  deriving = more = progress->more;
  if (catalogue && options.close_automatically && !deriving) {
    if (const Status closed = close_due(); !closed) return closed;
  }
  if (options.release_automatically) {
    const Result<std::optional<ClosedPeriod>> draft = periods.earliest_draft();
    if (!draft) return draft.error();
    if (*draft) {
      const Status released = periods.release((*draft)->period.id, *outbox);
      if (!released) return released;
      log::info("released period {}: {} messages", (*draft)->period.id, (*draft)->messages);
      more = true;
    }
  }
  const Result<std::size_t> published = outbox->publish(options.messages_per_tick);
  if (!published) return published.error();
  if (*published >= options.messages_per_tick) more = true;
  return {};
}

Status Billing::State::derive_all() {
  for (;;) {
    const Result<UsageStore::Progress> progress = usage->advance(options.batches_per_tick);
    if (!progress) return progress.error();
    derived += progress->batches;
    deriving = progress->more;
    if (!progress->more) return {};
  }
}

Status Billing::State::find_beginning() {
  const Result<std::vector<Stream>> streams = intake.streams();
  if (!streams) return streams.error();
  if (streams->size() == streams_known) return {};
  std::optional<Ns> first;
  bool all = true;
  for (const Stream& stream : *streams) {
    const Result<std::vector<StoredBatch>> batches = intake.batches_after(stream.id, 0, 1);
    if (!batches) return batches.error();
    if (batches->empty()) {
      all = false;
      continue;
    }
    const StoredBatch& batch = batches->front();
    const Result<wire::BatchHead> head = wire::decode_batch_head(batch.bytes);
    const Ns opened = head && head->opened > 0 ? head->opened : batch.received;
    first = std::min({first.value_or(opened), opened, batch.received});
  }
  if (first) {
    if (const Status set = periods.set_beginning(*first); !set) return set;
  }
  if (all) streams_known = streams->size();
  return {};
}

Result<std::optional<Period>> Billing::State::next_period() {
  if (!catalogue) return std::optional<Period>();
  const Result<std::optional<ClosedPeriod>> latest = periods.latest();
  if (!latest) return latest.error();
  if (*latest) {
    return std::optional(period_at(catalogue->period, catalogue->zone, (*latest)->period.end));
  }
  if (const Status found = find_beginning(); !found) return found.error();
  const Result<std::optional<Ns>> beginning = periods.beginning();
  if (!beginning) return beginning.error();
  if (!*beginning) return std::optional<Period>();
  return std::optional(period_at(catalogue->period, catalogue->zone, **beginning));
}

Status Billing::State::close_due() {
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  if (!*next) return {};
  const Ns end = usage_span(*catalogue, **next).to;
  const Ns now = clock.wall();
  if (now < end) return {};
  const Result<Cut> cut = cut_at(**next);
  if (!cut) return cut.error();
  const bool waits = cut->marks.empty() || !cut->closed_without.empty();
  if (waits && now - end < options.grace) return {};
  if (const Status closed = close(**next); !closed) return closed;
  log::info("closed period {}: draft", (*next)->id);
  more = true;
  return {};
}

Result<Period> Billing::State::period_to_close(const std::string& id) {
  if (!catalogue) return no_catalogue();
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  const Result<std::optional<ClosedPeriod>> draft = periods.earliest_draft();
  if (!draft) return draft.error();
  std::optional<Period> period;
  if (!id.empty()) {
    // A closed period keeps its bounds, whatever the catalogue says now.
    const Result<std::optional<ClosedPeriod>> closed = periods.period(id);
    if (!closed) return closed.error();
    period = *closed ? (*closed)->period : period_named(catalogue->period, catalogue->zone, id);
    if (!period) return Error{"no billing period is named `" + id + "`", "", ""};
  } else {
    period = *draft ? std::optional((*draft)->period) : *next;
    if (!period) return Error{"there is nothing to close", "", "no batch has come yet"};
  }
  if (clock.wall() < usage_span(*catalogue, *period).to) {
    return Error{"the period has not ended", period->id,
                 "see running figures with `tallyman-rater usage`"};
  }
  if (*next && period->start > (*next)->start) {
    return Error{"an earlier period is not closed yet", period->id, "close " + (*next)->id};
  }
  return *period;
}

Result<Cut> Billing::State::cut_at(const Period& period) {
  Result<std::vector<StreamMark>> marks = usage->marks();
  if (!marks) return marks.error();
  std::sort(marks->begin(), marks->end(), [](const StreamMark& a, const StreamMark& b) {
    return std::tie(a.agent, a.incarnation) < std::tie(b.agent, b.incarnation);
  });
  Cut cut{std::move(*marks), tz_version(), {}};
  const Ns end = catalogue ? usage_span(*catalogue, period).to : period.end;
  cut.closed_without = awaited(cut.marks, end);
  return cut;
}

Result<Rating> Billing::State::rate_until(const Period& period,
                                          const std::vector<std::string>& without, Ns until) {
  const Span span = usage_span(*catalogue, period);
  const std::vector<std::string> metrics = catalogue->metrics();
  const Result<std::vector<ViewUsage>> views =
      usage->slots(metrics, span.from, std::min(span.to, until));
  if (!views) return views.error();
  return rate(*catalogue, period, options.slot, *views, without, until);
}

Status Billing::State::close(const Period& period) {
  Result<Cut> cut = cut_at(period);
  if (!cut) return cut.error();
  Result<Rating> rating = rate_until(period, cut->closed_without, kForever);
  if (!rating) return rating.error();
  const std::string source = "/tallyman/" + ledger.id_text();
  Drafts drafts{period, catalogue->version(), std::move(*cut), {}, {}, {}};
  for (const UsageRecord& record : rating->records) {
    drafts.messages.push_back(message_of(record, source));
  }
  for (const PeriodRecord& record : period_records(rating->records, period, drafts.catalogue,
                                                   drafts.cut.hash(), drafts.cut.closed_without)) {
    drafts.messages.push_back(message_of(record, source));
  }
  drafts.unattributed = std::move(rating->unattributed);
  drafts.problems = std::move(rating->problems);
  for (const std::string& problem : drafts.problems) {
    log::warning("period {}: {}", period.id, problem);
  }
  return periods.store(drafts);
}

Result<Ns> Billing::State::metered_until() {
  const Result<std::vector<StreamMark>> marks = usage->marks();
  if (!marks) return marks.error();
  Ns newest = 0;
  for (const StreamMark& mark : *marks) newest = std::max(newest, mark.watermark);
  return newest > 0 ? newest : clock.wall();
}

Result<std::optional<std::uint64_t>> Billing::State::late_records(const ClosedPeriod& closed,
                                                                  Ns max_age) {
  if (!catalogue || catalogue->version() != closed.catalogue) {
    return std::optional<std::uint64_t>();
  }
  const Ns now = clock.boot();
  if (late && late->period == closed.period.id &&
      (late->derived == derived || now - late->at < max_age)) {
    return late->records;
  }
  const Result<std::vector<Message>> messages = periods.messages(closed.period.id);
  if (!messages) return messages.error();
  const Result<Rating> rating = rate_until(closed.period, closed.without, kForever);
  if (!rating) return rating.error();
  std::map<std::pair<std::string, std::string>, Hash> evidence;
  for (const UsageRecord& record : rating->records) {
    evidence[{record.customer, record.meter}] = record.evidence;
  }
  std::uint64_t differ = 0;
  for (const Message& message : *messages) {
    if (message.meter.empty()) continue;
    const auto today = evidence.find({message.customer, message.meter});
    if (today == evidence.end() || today->second != message.evidence) ++differ;
  }
  late = Late{closed.period.id, derived, now, differ};
  return late->records;
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
    lines.push_back({*period, running ? "running" : "ended", 0, {}, cut->closed_without});
    period = period_at(catalogue->period, catalogue->zone, period->end);
  }
  return {};
}

Result<BillingStatus> Billing::State::status() {
  BillingStatus s;
  s.catalogue_path = options.catalogue_path;
  s.deriving = deriving;
  s.error = error;
  s.bus = outbox->bus();
  if (catalogue) {
    s.catalogue = catalogue->version();
    s.customers = catalogue->customers.size();
    s.meters = catalogue->meters.size();
    s.plans = catalogue->plans.size();
    s.resources = catalogue->resources.size();
    const Period running = period_at(catalogue->period, catalogue->zone, clock.wall());
    s.running = PeriodLine{running, "running", 0, {}, {}};
  }
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  if (*next) {
    const Result<Cut> cut = cut_at(**next);
    if (!cut) return cut.error();
    const bool ended = clock.wall() >= (*next)->end;
    s.next = PeriodLine{**next, ended ? "ended" : "running", 0, {}, cut->closed_without};
  }
  const Result<std::optional<ClosedPeriod>> draft = periods.earliest_draft();
  if (!draft) return draft.error();
  if (*draft) s.draft = line_of(**draft);
  const Result<std::optional<ClosedPeriod>> latest = periods.latest();
  if (!latest) return latest.error();
  if (*latest) s.latest = line_of(**latest);
  if (*latest && (*latest)->state == PeriodState::released) {
    const Result<std::optional<std::uint64_t>> records = late_records(**latest, kMinute);
    if (!records) return records.error();
    s.late = *records;
  }
  const Result<std::uint64_t> waiting = outbox->waiting();
  if (!waiting) return waiting.error();
  s.waiting = *waiting;
  const Result<std::uint64_t> confirmed = outbox->confirmed();
  if (!confirmed) return confirmed.error();
  s.confirmed = *confirmed;
  return s;
}

}  // namespace tallyman::rater
