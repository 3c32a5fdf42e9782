// What customers are shown: running figures, and statements.

#include <algorithm>
#include <utility>

#include "rater/billing_state.hpp"
#include "rater/rate_period.hpp"
#include "rater/rating/measure.hpp"
#include "rater/rating/price.hpp"
#include "rater/views/statement.hpp"

namespace tallyman::rater {

namespace {

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

/// What a statement is made of, beside what rating gives.
struct Billing::State::StatementOf {
  std::string customer;
  std::optional<ClosedPeriod> closed;
  Period period;  ///< the catalogue's
  Ns until = 0;   ///< a closed period's: kForever
  Ns now = 0;
};

void Billing::State::show(std::string name, Answer answer, Wanted wanted, View begin) {
  const auto text = std::make_shared<std::string>();
  auto made = std::make_unique<Work>(std::move(name), answering(std::move(answer), text));
  Work& work = *made;
  work.only_while(std::move(wanted));
  work.then(once([&work, begin = std::move(begin), text] { return begin(work, text); }));
  start(std::move(made));
}

void Billing::usage_json(const std::string& customer, const std::string& id, Answer answer,
                         Wanted wanted) {
  State& s = *state_;
  s.show("running figures", std::move(answer), std::move(wanted),
         [&s, customer, id](Work& work, const auto& text) {
           return s.usage_in(work, customer, id, text);
         });
}

Status Billing::State::usage_in(Work& work, const std::string& customer, const std::string& id,
                                const std::shared_ptr<std::string>& text) {
  if (!catalogue) return no_catalogue();
  if (!customer.empty() && catalogue->customer(customer) == nullptr) {
    return Error{"no customer `" + customer + "` in the catalogue", "", ""};
  }
  if (const Status derived_some = derive_some(); !derived_some) return derived_some;
  const Result<Ns> now = metered_until();
  if (!now) return now.error();
  const Catalogue& c = *catalogue;
  std::optional<Period> period = period_named(c.period, c.zone, id);
  if (id.empty()) {
    const Customer* one = customer.empty() ? nullptr : c.customer(customer);
    period = one != nullptr ? c.running_period(*one, *now) : period_at(c.period, c.zone, *now);
  }
  if (!period) return Error{"no billing period is named `" + id + "`", "", ""};
  const Ns until = std::min(*now, usage_span(c, *period).to);
  const auto run = begin(c, *period, Cut{{}, {}, {}, decisions.last}, until);
  if (!run) return run.error();
  rate(work, *run, [period = *period, until, customer, text](PeriodRun& all) {
    *text = usage_document(period, until, all.rating(), customer);
    return Status();
  });
  return {};
}

void Billing::statement_json(const std::string& customer, const std::string& named, Answer answer,
                             Wanted wanted) {
  State& s = *state_;
  s.show("statement", std::move(answer), std::move(wanted),
         [&s, customer, named](Work& work, const auto& text) {
           return s.statement_in(work, customer, named, text);
         });
}

Status Billing::State::statement_in(Work& work, const std::string& id, const std::string& named,
                                    const std::shared_ptr<std::string>& text) {
  if (!catalogue) return no_catalogue();
  if (const Status derived_some = derive_some(); !derived_some) return derived_some;
  const Result<Ns> now = metered_until();
  if (!now) return now.error();
  const auto closed = periods.period(named);
  if (!closed) return closed.error();
  Catalogue by = *catalogue;
  if (*closed && (*closed)->catalogue != by.version()) {
    Result<Catalogue> then = catalogue_of(**closed);
    if (!then) return then.error();
    by = std::move(*then);
  }
  const Customer* customer = by.customer(id);
  if (customer == nullptr) return Error{"no customer `" + id + "` in the catalogue", "", ""};
  std::optional<Period> period;
  if (*closed) {
    period = (*closed)->period;
  } else {
    period = named.empty() ? std::optional(by.running_period(*customer, *now))
                           : period_named(by.period, by.zone, named);
  }
  if (!period) return Error{"no billing period is named `" + named + "`", "", ""};
  Cut cut{{}, {}, {}, decisions.last};
  if (*closed) {
    Result<Cut> stored = periods.cut(period->id);
    if (!stored) return stored.error();
    cut = std::move(*stored);
  }
  const Ns until = *closed ? kForever : std::min(*now, by.period_of(*customer, *period).end);
  const auto index = static_cast<std::size_t>(customer - by.customers.data());
  const auto run = begin(by, *period, std::move(cut), until, index);
  if (!run) return run.error();
  rate(work, *run,
       [this, of = StatementOf{id, *closed, *period, until, *now}, text](PeriodRun& all) -> Status {
         Result<std::string> made = statement_of(of, all);
         if (!made) return made.error();
         *text = std::move(*made);
         return {};
       });
  return {};
}

Result<std::string> Billing::State::statement_of(const StatementOf& of, PeriodRun& run) {
  const Catalogue& by = run.catalogue();
  const Customer& customer = *by.customer(of.customer);
  const Period theirs = by.period_of(customer, of.period);
  const std::vector<UsageRecord> records = run.rating().records;
  const std::vector<OwnedSeries> owned = run.owned();
  const bool closed = of.closed.has_value();
  CustomerStatement statement{
      ledger.id_text(),
      customer.id,
      customer.name,
      customer.zone,
      theirs,
      closed ? period_state_name(of.closed->state) : (of.now < theirs.end ? "running" : "ended"),
      std::min(of.until, theirs.end),
      true,
      {},
      {}};
  std::vector<Message> messages;
  if (closed) {
    Result<std::vector<Message>> stored = periods.messages(of.period.id);
    if (!stored) return stored.error();
    messages = std::move(*stored);
    std::erase_if(messages,
                  [&](const Message& m) { return m.customer != customer.id || m.meter.empty(); });
  } else {
    for (const UsageRecord& record : records) {
      messages.push_back(message_of(record, record_source(ledger)));
    }
  }
  for (const Message& message : messages) {
    Result<StatementMeter> line = statement_meter(message.body);
    if (!line) return line.error();
    const auto now_rated = std::find_if(records.begin(), records.end(), [&](const UsageRecord& r) {
      return r.meter == message.meter;
    });
    if (now_rated == records.end() || now_rated->evidence != message.evidence) {
      statement.plot_as_billed = false;
    }
    if (!closed && now_rated != records.end()) {
      line->id.clear();
      line->forecast = forecast_of(*line, now_rated->active, of.until);
    }
    if (const Meter* meter = by.meter(message.meter)) {
      const MeterInput input = select(*meter, owned, options.slot);
      line->plot = plot_of(*meter, input, {theirs.start, theirs.end}, options.slot);
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
