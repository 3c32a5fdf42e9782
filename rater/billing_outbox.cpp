// Billing's way out: what moves the outbox on, and what people ask of it.

#include <algorithm>
#include <iterator>

#include "app/log.hpp"
#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kOutboxShown = 1000;
constexpr const char* kSkip = "outbox skip";
constexpr const char* kResend = "outbox resend";

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
  // What has arrived meanwhile cannot be left out.
  if (const Result<std::size_t> done = outbox->publish(0); !done) return done.error();
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

Result<std::vector<Message>> Billing::State::released_messages(const std::string& period) {
  const Result<std::optional<ClosedPeriod>> closed = periods.period(period);
  if (!closed) return closed.error();
  if (!*closed || (*closed)->state != PeriodState::released) {
    return Error{"no released period, and no message, has this name", period,
                 "see `tallyman-rater periods`, or give an id"};
  }
  Result<std::vector<Message>> out = periods.messages(period);
  if (!out) return out;
  Result<std::vector<AdjustmentRound>> rounds = adjustments.rounds(period);
  if (!rounds) return rounds.error();
  for (AdjustmentRound& round : *rounds) {
    if (round.state != PeriodState::released) continue;
    std::move(round.messages.begin(), round.messages.end(), std::back_inserter(*out));
  }
  return out;
}

Result<std::string> Billing::State::resend_messages(const DecisionRequest& request) {
  const std::string& asked = request.field("id");
  const Result<OutboxRow> one = outbox->find(asked, false);
  const Result<std::vector<Message>> messages = released_messages(one ? one->period : asked);
  if (!messages) return messages.error();
  Transaction transaction(ledger.database());
  if (!transaction.begun()) return transaction.begun().error();
  std::uint64_t back = 0;
  for (const Message& message : *messages) {
    if (one && message.id != one->id) continue;
    const Result<std::uint64_t> put = outbox->put_back(message.id, message.body);
    if (!put) return put.error();
    back += *put;
  }
  const std::string what = resend_subject(one ? one->id : asked, back);
  const auto noted = audit.append(kResend, what, request.decision, clock.wall());
  if (!noted) return noted.error();
  if (const Status committed = transaction.commit(); !committed) return committed.error();
  outbox->rewind();
  more = true;
  if (wake) wake();
  return what;
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
