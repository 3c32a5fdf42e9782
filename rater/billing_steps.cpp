// The steps that a tick is made of, and what closes and releases a period.

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "rater/billing_state.hpp"
#include "wire/batch.hpp"

namespace tallyman::rater {

namespace {

std::string rule_text(const PeriodRule& rule) {
  return rule.monthly() ? "month" : to_duration_text(rule.length);
}

std::string anchor_text(const Anchor& anchor) {
  return "day " + std::to_string(anchor.day) + ", hour " + std::to_string(anchor.hour);
}

}  // namespace

void Billing::State::note(Step step, const Status& done) {
  std::string text = done ? std::string() : done.error().text();
  if (text != errors[step] && !text.empty()) log::error("billing: {}", text);
  if (text.empty() && !errors[step].empty()) log::info("billing: goes on");
  errors[step] = std::move(text);
}

std::string Billing::State::error_text() const {
  std::vector<std::string> all(errors.begin(), errors.end());
  all.push_back(catalogue_error);
  for (const auto& [agent, error] : usage->stuck()) {
    all.push_back("agent " + agent + " cannot be derived: " + error.text());
  }
  std::string text;
  for (std::string& error : all) {
    if (error.empty() || text.find(error) != std::string::npos) continue;
    std::replace(error.begin(), error.end(), '\n', ' ');
    text += (text.empty() ? "" : "; ") + error;
  }
  return text;
}

void Billing::State::tick() {
  if (works.busy()) {
    work_some(options.close_step);
  } else {
    take_turns();
  }
  note(kPublish, publish_some());
  if (!works.idle()) more = true;
}

Status Billing::State::derive_some() {
  deriving = true;
  const Result<UsageStore::Progress> progress = usage->advance(options.batches_per_tick);
  // An error may have come after something was kept, and comparing changes what counts as well.
  if (!progress || usage->comparing() > 0) fresh.reset();
  if (!progress) return progress.error();
  derived += progress->batches;
  deriving = more = progress->more;
  return {};
}

Status Billing::State::find_beginning() {
  const Result<std::optional<Ns>> known = periods.beginning();
  if (!known) return known.error();
  const Result<std::optional<ClosedPeriod>> latest = periods.latest();
  if (!latest) return latest.error();
  if (*known && *latest) return {};
  // Whole months of history that an import brings are closed by hand, or not at all.
  Result<std::vector<Stream>> streams = intake.streams();
  if (!streams) return streams.error();
  std::erase_if(*streams, [](const Stream& stream) { return stream.imported || stream.mark == 0; });
  if (streams->size() == streams_known) return {};
  std::optional<Ns> first;
  for (const Stream& stream : *streams) {
    const Result<std::vector<StoredBatch>> batches = intake.batches_after(stream.id, 0, 1);
    if (!batches) return batches.error();
    if (batches->empty()) continue;
    const StoredBatch& batch = batches->front();
    const Result<wire::BatchHead> head = wire::decode_batch_head(batch.bytes);
    const Ns opened = head && head->opened > 0 ? head->opened : batch.received;
    first = std::min({first.value_or(opened), opened, batch.received});
  }
  if (first && first != *known) {
    if (const Status set = periods.set_beginning(*first); !set) return set;
  }
  streams_known = streams->size();
  return {};
}

Result<std::optional<Period>> Billing::State::next_period() {
  if (!catalogue) return std::optional<Period>();
  if (const Status found = find_beginning(); !found) return found.error();
  const Result<std::optional<Ns>> beginning = periods.beginning();
  if (!beginning) return beginning.error();
  if (!*beginning) return std::optional<Period>();
  const Period first = period_at(catalogue->period, catalogue->zone, **beginning);
  const Result<std::optional<ClosedPeriod>> latest = periods.latest();
  if (!latest) return latest.error();
  // A period from before the first one, closed by hand for an import, begins no sequence.
  if (!*latest || (*latest)->period.end <= first.start) return std::optional(first);
  return std::optional(period_at(catalogue->period, catalogue->zone, (*latest)->period.end));
}

Billing::State::Due Billing::State::close_due() {
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  if (!*next) return Due{nullptr};
  const Ns end = usage_span(*catalogue, **next).to;
  const Ns now = clock.wall();
  if (now < end || !import_into(**next).empty()) return Due{nullptr};
  const Result<Cut> cut = cut_at(**next);
  if (!cut) return cut.error();
  const bool waits = cut->marks.empty() || !cut->closed_without.empty();
  if (waits && now - end < options.grace) return Due{nullptr};
  auto made = std::make_unique<Work>("close " + (*next)->id + " by itself",
                                     [this](const Status& how) { note(kClose, how); });
  Work& work = *made;
  work.then(once([this, &work, period = **next] { return close_in(work, period, {}); }));
  return made;
}

Result<bool> Billing::State::has_data(const Period& period) {
  const Span span = usage_span(*catalogue, period);
  const auto source = usage->source(catalogue->metrics(), span.from, span.to);
  if (!source) return source.error();
  for (std::size_t v = 0; v < (*source)->views().size(); ++v) {
    const Result<SlotArray> slots = (*source)->slots(v);
    if (!slots) return slots.error();
    if (!slots->empty()) return true;
  }
  return false;
}

Result<Period> Billing::State::period_to_close(const std::string& id) {
  if (!catalogue) return no_catalogue();
  const Result<std::optional<Period>> next = next_period();
  if (!next) return next.error();
  const Result<std::optional<ClosedPeriod>> draft = periods.earliest_draft();
  if (!draft) return draft.error();
  std::optional<Period> period;
  bool known = true;
  if (!id.empty()) {
    // A closed period keeps its bounds, whatever the catalogue says now.
    const Result<std::optional<ClosedPeriod>> closed = periods.period(id);
    if (!closed) return closed.error();
    known = closed->has_value();
    period = known ? (*closed)->period : period_named(catalogue->period, catalogue->zone, id);
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
  if (!known && (!*next || period->start < (*next)->start)) {
    const Result<bool> data = has_data(*period);
    if (!data) return data.error();
    if (!*data) {
      return Error{"the period is before the first one, and nothing was metered in it", period->id,
                   "import its readings first"};
    }
  }
  return *period;
}

Result<Cut> Billing::State::cut_at(const Period& period) {
  Result<std::vector<StreamMark>> marks = usage->marks();
  if (!marks) return marks.error();
  std::sort(marks->begin(), marks->end(), [](const StreamMark& a, const StreamMark& b) {
    return std::tie(a.agent, a.incarnation) < std::tie(b.agent, b.incarnation);
  });
  Cut cut{std::move(*marks), tz_version(), {}, decisions.last};
  const Ns end = catalogue ? usage_span(*catalogue, period).to : period.end;
  cut.closed_without = awaited(cut.marks, end);
  if (cut.closed_without.empty()) return cut;
  const Result<const std::set<std::string>*> gone = retired.now();
  if (!gone) return gone.error();
  std::erase_if(cut.closed_without, [&](const std::string& a) { return (*gone)->contains(a); });
  return cut;
}

Status Billing::State::keeps_periods(const Catalogue& next) {
  if (!catalogue) return {};
  const Result<std::optional<ClosedPeriod>> closed = periods.latest();
  if (!closed) return closed.error();
  if (!*closed) return {};
  const auto refuse = [](const std::string& what, const std::string& from, const std::string& to) {
    return Error{what + " cannot change while periods are closed: it is `" + from +
                     "` and would be `" + to + "`; time would be billed twice, or never",
                 "", ""};
  };
  if (next.period != catalogue->period) {
    return refuse("billing.period", rule_text(catalogue->period), rule_text(next.period));
  }
  if (!next.period.monthly()) return {};  // zones pick the boundaries of months only
  if (next.zone != catalogue->zone) {
    return refuse("billing.time_zone", catalogue->zone, next.zone);
  }
  for (const Customer& customer : next.customers) {
    const Customer* before = catalogue->customer(customer.id);
    if (before == nullptr) continue;
    if (before->anchor != customer.anchor) {
      return refuse("anchor of customer `" + customer.id + "`", anchor_text(before->anchor),
                    anchor_text(customer.anchor));
    }
    if (before->zone == customer.zone) continue;
    return refuse("time_zone of customer `" + customer.id + "`", before->zone, customer.zone);
  }
  return {};
}

}  // namespace tallyman::rater
