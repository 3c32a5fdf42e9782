// Billing's view of one customer.

#include <algorithm>
#include <utility>

#include "rater/billing_state.hpp"
#include "rater/rate_period.hpp"
#include "rater/rating/measure.hpp"
#include "rater/rating/price.hpp"
#include "rater/views/statement.hpp"

namespace tallyman::rater {

namespace {

/// The period's usage as it is known now, rated for one customer.
struct Known {
  std::vector<UsageRecord> records;
  std::vector<OwnedSeries> owned;
};

Result<Known> known_of(UsageStore& usage, const Catalogue& catalogue, const Customer& customer,
                       const Period& period, const Cut& cut, const Decisions& decisions, Ns until) {
  const auto source = rated_usage(usage, catalogue, period, decisions, until);
  if (!source) return source.error();
  Result<Rating> rating = rate(
      RatingTerms{catalogue, period, usage.slot(), cut.closed_without, until, decisions}, **source);
  if (!rating) return rating.error();
  std::erase_if(rating->records,
                [&](const UsageRecord& record) { return record.customer != customer.id; });
  Attributor whose(catalogue, period, usage.slot(), **source, until, decisions.waivers);
  const auto index = static_cast<std::size_t>(&customer - catalogue.customers.data());
  Result<std::vector<OwnedSeries>> owned = whose.customer(index);
  if (!owned) return owned.error();
  return Known{std::move(rating->records), std::move(*owned)};
}

void add_up(CustomerStatement& statement) {
  std::map<std::string, Rational> sums;
  for (const StatementMeter& meter : statement.meters) {
    const auto amount = Rational::from_text(meter.amount);
    if (amount) sums[meter.currency] = sums[meter.currency] + *amount;
  }
  for (const auto& [currency, sum] : sums) {
    statement.sums[currency] = sum.fixed(minor_unit_decimals(currency));
  }
}

}  // namespace

Result<std::string> Billing::statement_json(const std::string& id, const std::string& named) {
  State& s = *state_;
  if (!s.catalogue) return State::no_catalogue();
  if (const Status derived = s.derive_some(); !derived) return derived.error();
  const Result<Ns> now = s.metered_until();
  if (!now) return now.error();
  const auto closed = s.periods.period(named);
  if (!closed) return closed.error();
  Catalogue catalogue = *s.catalogue;
  if (*closed && (*closed)->catalogue != catalogue.version()) {
    Result<Catalogue> then = s.catalogue_of(**closed);
    if (!then) return then.error();
    catalogue = std::move(*then);
  }
  const Customer* customer = catalogue.customer(id);
  if (customer == nullptr) return Error{"no customer `" + id + "` in the catalogue", "", ""};
  std::optional<Period> period;
  if (*closed) {
    period = (*closed)->period;
  } else {
    period = named.empty() ? std::optional(catalogue.running_period(*customer, *now))
                           : period_named(catalogue.period, catalogue.zone, named);
  }
  if (!period) return Error{"no billing period is named `" + named + "`", "", ""};
  const Period theirs = catalogue.period_of(*customer, *period);
  Cut cut{{}, {}, {}, s.decisions.last};
  if (*closed) {
    Result<Cut> stored = s.periods.cut(period->id);
    if (!stored) return stored.error();
    cut = std::move(*stored);
  }
  const Ns until = *closed ? kForever : std::min(*now, theirs.end);
  const Result<Decisions> decided = s.decisions_at(cut.decision);
  if (!decided) return decided.error();
  const Result<Known> known =
      known_of(*s.usage, catalogue, *customer, *period, cut, *decided, until);
  if (!known) return known.error();

  CustomerStatement statement{
      s.ledger.id_text(),
      customer->id,
      customer->name,
      customer->zone,
      theirs,
      *closed ? period_state_name((*closed)->state) : (*now < theirs.end ? "running" : "ended"),
      std::min(until, theirs.end),
      true,
      {},
      {}};
  std::vector<Message> messages;
  if (*closed) {
    Result<std::vector<Message>> stored = s.periods.messages(period->id);
    if (!stored) return stored.error();
    messages = std::move(*stored);
    std::erase_if(messages, [&](const Message& m) { return m.customer != id || m.meter.empty(); });
  } else {
    for (const UsageRecord& record : known->records) {
      messages.push_back(message_of(record, record_source(s.ledger)));
    }
  }
  for (const Message& message : messages) {
    Result<StatementMeter> line = statement_meter(message.body);
    if (!line) return line.error();
    const auto now_rated =
        std::find_if(known->records.begin(), known->records.end(),
                     [&](const UsageRecord& r) { return r.meter == message.meter; });
    if (now_rated == known->records.end() || now_rated->evidence != message.evidence) {
      statement.plot_as_billed = false;
    }
    if (!*closed && now_rated != known->records.end()) {
      line->id.clear();
      line->forecast = forecast_of(*line, now_rated->active, until);
    }
    if (const Meter* meter = catalogue.meter(message.meter)) {
      const MeterInput input = select(*meter, known->owned, s.options.slot);
      line->plot = plot_of(*meter, input, {theirs.start, theirs.end}, s.options.slot);
    }
    statement.meters.push_back(std::move(*line));
  }
  add_up(statement);
  return rater::statement_json(statement);
}

Result<Catalogue> Billing::State::catalogue_of(const ClosedPeriod& closed) {
  const auto text = catalogues.text_of(closed.catalogue);
  if (!text) return text.error();
  app::ConfigErrors mistakes;
  Catalogue then = parse_catalogue(text->value_or(""), "ledger", options.slot, mistakes);
  if (mistakes.empty() && *text && then.version() == closed.catalogue) return then;
  return Error{"the catalogue that the period was rated by cannot be read", closed.period.id, ""};
}

}  // namespace tallyman::rater
