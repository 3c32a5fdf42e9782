#include "rater/billing.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "rater/billing_state.hpp"
#include "rater/bus/open_bus.hpp"

namespace tallyman::rater {

Billing::Billing(std::unique_ptr<State> state) : state_(std::move(state)) {}
Billing::~Billing() = default;

Result<std::unique_ptr<Billing>> Billing::open(Ledger& ledger, Intake& intake,
                                               BillingOptions options, const Clock& clock) {
  Result<std::unique_ptr<UsageStore>> usage = UsageStore::open(ledger, intake, options.slot);
  if (!usage) return usage.error();
  Result<PeriodStore> periods = PeriodStore::open(ledger);
  if (!periods) return periods.error();
  Result<std::unique_ptr<Bus>> bus = open_bus(options, clock);
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
  if (!s.catalogue) return reload_catalogue();
  // Whole periods may have to be rated for it, while agents want to be heard.
  reload_catalogue([](const Status& read) {
    if (!read) log::error("the catalogue stays as it was: {}", read.error().text());
  });
  return {};
}

void Billing::reload_catalogue(std::function<void(const Status&)> done) {
  State& s = *state_;
  const auto read = std::make_shared<bool>(false);
  auto made =
      std::make_unique<Work>(kCatalogueFile, [&s, read, done = std::move(done)](const Status& how) {
        Status told = how;
        if (!how && *read)
          told = Error{s.options.catalogue_path + ": " + how.error().text(), "", ""};
        s.catalogue_error = told ? std::string() : told.error().text();
        done(told);
      });
  Work& work = *made;
  work.then(State::once([&s, &work, read] { return s.read_file_in(work, read); }));
  s.start(std::move(made), true);
}

Status Billing::reload_catalogue() {
  Status out;
  state_->finish_works();
  reload_catalogue([&](const Status& read) { out = read; });
  state_->finish_works();
  return out;
}

void Billing::tick() { state_->tick(); }

bool Billing::more_to_do() const { return state_->more; }

Decision Billing::by_itself() { return by_configuration("called by the rater itself"); }

void Billing::on_work(std::function<void()> wake) { state_->wake = std::move(wake); }

void Billing::while_importing(std::function<std::optional<Importing>()> running) {
  state_->importing = std::move(running);
}

Result<std::string> Billing::at_once(const std::function<void(Answer)>& begin) {
  std::optional<Result<std::string>> out;
  state_->finish_works();
  begin([&](const Result<std::string>& answer) { out = answer; });
  state_->finish_works();
  return *out;
}

Result<std::string> Billing::close(const std::string& id, const Decision& decision) {
  return at_once([&](Answer answer) { close(id, decision, std::move(answer)); });
}

Result<std::string> Billing::release(const std::string& id, const Decision& decision) {
  return at_once([&](Answer answer) { release(id, decision, std::move(answer)); });
}

Result<std::string> Billing::review(const std::string& id) {
  DecisionRequest request;
  request.command = "review";
  request.fields["period"] = id;
  return decide(request);
}

Result<std::string> Billing::decide(DecisionRequest& request) {
  return at_once([&](const Answer& answer) {
    decide(request, [&, answer](const DecisionRequest& asked, const Result<std::string>& answered) {
      request.mistakes = asked.mistakes;
      answer(answered);
    });
  });
}

Result<std::string> Billing::usage_json(const std::string& customer, const std::string& id) {
  return at_once([&](Answer answer) { usage_json(customer, id, std::move(answer)); });
}

Result<std::string> Billing::statement_json(const std::string& customer, const std::string& id) {
  return at_once([&](Answer answer) { statement_json(customer, id, std::move(answer)); });
}

Result<std::string> Billing::periods_json() {
  State& s = *state_;
  const Result<std::vector<ClosedPeriod>> closed = s.periods.periods();
  if (!closed) return closed.error();
  std::vector<PeriodLine> lines;
  for (const ClosedPeriod& period : *closed) lines.push_back(s.line_of(period));
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

Result<std::string> Billing::status_json() {
  Result<BillingStatus> status = state_->status();
  if (!status) return status.error();
  return status_document(*status);
}

}  // namespace tallyman::rater
