// Billing's way out: what moves the outbox on, and what people ask of it.

#include "app/log.hpp"
#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kOutboxShown = 1000;
constexpr const char* kSkip = "outbox skip";

/// Nothing that changes from message to message.
std::string said_of(const BusState& state) {
  std::string out = state.name;
  if (!state.node.empty()) out += " at " + state.node;
  if (!state.detail.empty()) out += ": " + state.detail;
  return out;
}

bool is_well(const BusState& state) { return state.name == "good" || state.name == "connected"; }

}  // namespace

Status Billing::State::publish_some() {
  const Result<std::size_t> published = outbox->publish(options.messages_per_tick);
  if (!published) return published.error();
  if (outbox->more()) more = true;
  const BusState state = outbox->bus_state();
  std::string said = said_of(state);
  if (said != bus_said && !state.node.empty()) {
    if (is_well(state)) {
      log::info("bus: {}", said);
    } else {
      log::warning("bus: {}", said);
    }
    bus_said = std::move(said);
  }
  return {};
}

Result<std::string> Billing::State::skip_message(const DecisionRequest& request) {
  const Result<OutboxRow> row = outbox->find(request.field("id"));
  if (!row) return row.error();
  Transaction transaction(ledger.database());
  if (!transaction.begun()) return transaction.begun().error();
  const auto noted = audit.append(kSkip, skip_subject(*row), request.decision, clock.wall());
  if (!noted) return noted.error();
  if (const Status skipped = outbox->skip(*row); !skipped) return skipped.error();
  if (const Status committed = transaction.commit(); !committed) return committed.error();
  outbox->forget(row->id);
  return skipped_document(*row);
}

Result<std::string> Billing::outbox_json() {
  Outbox& outbox = *state_->outbox;
  const Result<std::vector<OutboxRow>> rows = outbox.list(kOutboxShown);
  if (!rows) return rows.error();
  const Result<std::uint64_t> waiting = outbox.waiting();
  if (!waiting) return waiting.error();
  return outbox_document(*rows, *waiting, outbox.bus(), outbox.bus_state());
}

Result<std::string> Billing::retry_outbox() {
  state_->outbox->retry();
  state_->more = true;
  if (state_->wake) state_->wake();
  return bus_document(state_->outbox->bus(), state_->outbox->bus_state());
}

int Billing::bus_news() const { return state_->outbox->news(); }

}  // namespace tallyman::rater
