#include "rater/billing.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "rater/billing_state.hpp"
#include "rater/bus/file_bus.hpp"
#include "rater/bus/no_bus.hpp"
#include "rater/decisions/known_series.hpp"
#include "rater/rating/catalogue_known.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kOutboxShown = 1000;

Result<std::unique_ptr<Bus>> open_bus(const BillingOptions& options) {
  if (options.bus_type == "none") return std::unique_ptr<Bus>(std::make_unique<NoBus>());
  if (options.bus_type != "file") {
    return Error{"unknown bus `" + options.bus_type + "`", "bus.type", "use \"file\" or \"none\""};
  }
  Result<std::unique_ptr<FileBus>> file = FileBus::open(options.bus_file);
  if (!file) return file.error();
  return std::unique_ptr<Bus>(std::move(*file));
}

}  // namespace

Billing::Billing(std::unique_ptr<State> state) : state_(std::move(state)) {}
Billing::~Billing() = default;

Result<std::unique_ptr<Billing>> Billing::open(Ledger& ledger, Intake& intake,
                                               BillingOptions options, const Clock& clock) {
  Result<std::unique_ptr<UsageStore>> usage = UsageStore::open(ledger, intake, options.slot);
  if (!usage) return usage.error();
  Result<PeriodStore> periods = PeriodStore::open(ledger);
  if (!periods) return periods.error();
  Result<std::unique_ptr<Bus>> bus = open_bus(options);
  if (!bus) return bus.error();
  Result<std::unique_ptr<Outbox>> outbox = Outbox::open(ledger, std::move(*bus));
  if (!outbox) return outbox.error();
  const Result<AuditLog> audit = AuditLog::open(ledger);
  if (!audit) return audit.error();
  const Result<AdjustmentStore> adjustments = AdjustmentStore::open(ledger);
  if (!adjustments) return adjustments.error();
  auto state = std::make_unique<State>(State{ledger, intake, std::move(options), clock,
                                             std::move(*usage), *periods, std::move(*outbox),
                                             *audit, CatalogueStore(ledger, *audit), *adjustments});
  const Result<AuditMark> head = state->audit.head();
  if (!head) return head.error();
  Result<Decisions> decisions = load_decisions(state->audit, head->n);
  if (!decisions) return decisions.error();
  state->decisions = std::move(*decisions);
  state->usage->on_keep(
      [raw = state.get()](Ns from, Ns to) { return raw->touch_released(from, to); });
  std::unique_ptr<Billing> billing(new Billing(std::move(state)));
  if (!billing->state_->options.catalogue_path.empty()) {
    const Status read = billing->start_catalogue();
    if (!read) return read.error();
  }
  return billing;
}

Status Billing::start_catalogue() {
  // Receiving must go on whatever became of the file: what was in force last stays so.
  State& s = *state_;
  const Result<std::optional<std::string>> last = s.catalogues.last_text();
  if (!last) return last.error();
  if (*last) {
    app::ConfigErrors errors;
    Catalogue catalogue = parse_catalogue(**last, "ledger", s.options.slot, errors);
    if (errors.empty()) s.catalogue = std::move(catalogue);
  }
  const Status read = reload_catalogue();
  if (read || !s.catalogue) return read;
  log::error("the catalogue stays as it was: {}", read.error().text());
  return {};
}

Status Billing::reload_catalogue() {
  const Status read = read_catalogue();
  state_->catalogue_error = read ? std::string() : read.error().text();
  return read;
}

Status Billing::read_catalogue() {
  const std::string& path = state_->options.catalogue_path;
  app::ConfigErrors errors;
  const auto load = [&](std::span<const ViewFacts> coarse, app::ConfigErrors& mistakes) {
    return load_catalogue(path, state_->options.slot, coarse, mistakes);
  };
  State& s = *state_;
  Result<Catalogue> read = read_known(*s.usage, s.periods, s.clock.wall(), load, errors);
  if (!read) return read.error();
  Catalogue catalogue = std::move(*read);
  if (!errors.empty()) {
    std::string lines = errors.text();
    while (lines.ends_with('\n')) lines.pop_back();
    return Error{std::move(lines), "", ""};
  }
  for (const std::string& warning : catalogue.warnings) log::warning("catalogue: {}", warning);
  const std::string text = canonical_text(catalogue);
  const Status applied = state_->apply_file(std::move(catalogue), text);
  return applied ? applied : Error{path + ": " + applied.error().text(), "", ""};
}

void Billing::tick() { state_->tick(); }

bool Billing::more_to_do() const { return state_->more; }

Decision Billing::by_itself() { return by_configuration("called by the rater itself"); }

Result<std::string> Billing::close(const std::string& id, const Decision& decision) {
  State& s = *state_;
  if (const Status reason = check_why(decision); !reason) return reason.error();
  if (const Status derived = s.derive_all(); !derived) return derived.error();
  const Result<Period> period = s.period_to_close(id);
  if (!period) return period.error();
  if (const Status closed = s.close(*period, s.note_of("close", period->id, decision)); !closed)
    return closed.error();
  return review(period->id);
}

Result<std::string> Billing::release(const std::string& id, const Decision& decision) {
  State& s = *state_;
  if (const Status reason = check_why(decision); !reason) return reason.error();
  if (const Status derived = s.derive_all(); !derived) return derived.error();
  const auto draft = id.empty() ? s.periods.earliest_draft() : s.periods.period(id);
  if (!draft) return draft.error();
  const Result<std::optional<std::string>> adjusted = s.adjustments.first_draft();
  if (!adjusted) return adjusted.error();
  const std::string of = !id.empty() ? id : adjusted->value_or("");
  const bool is_released = *draft && (*draft)->state == PeriodState::released;
  if (is_released || (!*draft && !of.empty())) {
    const Status done = s.release_adjustments(of, decision);
    if (!done) return done.error();
    return review(of);
  }
  if (!*draft) return Error{"there is no draft to release", id, "close a period first"};
  if ((*draft)->state == PeriodState::draft) {
    if (const Status right = s.still_right(**draft); !right) return right.error();
  }
  const std::string which = (*draft)->period.id;
  const Status released =
      s.periods.release(which, *s.outbox, s.note_of("release", which, decision));
  if (!released) return released.error();
  return review(which);
}

Result<std::string> Billing::review(const std::string& id) { return state_->review(id, "", false); }

Result<std::string> Billing::usage_json(const std::string& customer, const std::string& id) {
  State& s = *state_;
  if (!s.catalogue) return State::no_catalogue();
  if (!customer.empty() && s.catalogue->customer(customer) == nullptr) {
    return Error{"no customer `" + customer + "` in the catalogue", "", ""};
  }
  if (const Status derived = s.derive_some(); !derived) return derived.error();
  const Result<Ns> now = s.metered_until();
  if (!now) return now.error();
  const Catalogue& c = *s.catalogue;
  std::optional<Period> period = period_named(c.period, c.zone, id);
  if (id.empty()) {
    const Customer* one = customer.empty() ? nullptr : c.customer(customer);
    period = one != nullptr ? c.running_period(*one, *now) : period_at(c.period, c.zone, *now);
  }
  if (!period) return Error{"no billing period is named `" + id + "`", "", ""};
  const Ns until = std::min(*now, usage_span(c, *period).to);
  const Result<Rating> rating = s.rate_until(*period, Cut{{}, {}, {}, s.decisions.last}, until);
  if (!rating) return rating.error();
  return usage_document(*period, until, *rating, customer);
}

Result<std::string> Billing::periods_json() {
  State& s = *state_;
  const Result<std::vector<ClosedPeriod>> closed = s.periods.periods();
  if (!closed) return closed.error();
  std::vector<PeriodLine> lines;
  for (const ClosedPeriod& period : *closed) lines.push_back(State::line_of(period));
  const Status open = s.open_periods(lines);
  if (!open) return open.error();
  return periods_document(lines);
}

Result<std::string> Billing::records_json(const std::string& id) {
  const Result<std::optional<ClosedPeriod>> period = state_->periods.period(id);
  if (!period) return period.error();
  if (!*period) return Error{"no closed period of that name", id, "close it first"};
  const Result<std::vector<Message>> messages = state_->periods.messages(id);
  if (!messages) return messages.error();
  return records_document(id, *messages);
}

Result<std::string> Billing::outbox_json() {
  const Result<std::vector<OutboxRow>> rows = state_->outbox->list(kOutboxShown);
  if (!rows) return rows.error();
  const Result<std::uint64_t> waiting = state_->outbox->waiting();
  if (!waiting) return waiting.error();
  return outbox_document(*rows, *waiting, state_->outbox->bus());
}

Result<std::string> Billing::status_json() {
  Result<BillingStatus> status = state_->status();
  if (!status) return status.error();
  return status_document(*status);
}

}  // namespace tallyman::rater
