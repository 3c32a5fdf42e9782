#include "rater/billing_close.hpp"

#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

RatingTerms with_catalogue(const Catalogue& catalogue, RatingTerms terms, const Cut& cut) {
  return {catalogue,          terms.period, terms.slot,
          cut.closed_without, terms.until,  std::move(terms.decisions),
          terms.only};
}

}  // namespace

PeriodRun::PeriodRun(Catalogue catalogue, RatingTerms terms, Cut cut,
                     std::unique_ptr<UsageSource> usage)
    : catalogue_(std::move(catalogue)),
      usage_(std::move(usage)),
      drafts_{terms.period, catalogue_.version(), std::move(cut), {}, {}, {}, {}},
      rating_(with_catalogue(catalogue_, std::move(terms), drafts_.cut), *usage_) {}

Result<Drafts> PeriodRun::drafts(const std::string& source) {
  Rating rating = rating_.take();
  if (const Status all = conserved(rating.totals); !all) return all.error();
  for (const UsageRecord& record : rating.records) {
    drafts_.messages.push_back(message_of(record, source));
  }
  for (const PeriodRecord& record :
       period_records(rating.records, drafts_.period, drafts_.catalogue, drafts_.cut.hash(),
                      drafts_.cut.closed_without)) {
    drafts_.messages.push_back(message_of(record, source));
  }
  drafts_.unattributed = std::move(rating.unattributed);
  drafts_.totals = std::move(rating.totals);
  drafts_.problems = std::move(rating.problems);
  return std::move(drafts_);
}

Result<std::shared_ptr<PeriodRun>> Billing::State::begin(const Catalogue& by, const Period& period,
                                                         Cut cut, Ns until,
                                                         std::optional<std::size_t> only) {
  Result<Decisions> decided = decisions_at(cut.decision);
  if (!decided) return decided.error();
  Result<std::unique_ptr<UsageSource>> source = rated_usage(*usage, by, period, *decided, until);
  if (!source) return source.error();
  RatingTerms terms{by, period, options.slot, {}, until, std::move(*decided), only};
  return std::make_shared<PeriodRun>(by, std::move(terms), std::move(cut), std::move(*source));
}

Result<Drafts> Billing::State::drafts_of(const Period& period, Cut cut) {
  const auto run = begin(*catalogue, period, std::move(cut));
  if (!run) return run.error();
  for (;;) {
    const Result<bool> going = (*run)->step();
    if (!going) return going.error();
    if (!*going) return (*run)->drafts(record_source(ledger));
  }
}

Status Billing::State::close_in(Work& work, const Period& period, const PeriodStore::Also& also) {
  if (!catalogue) return no_catalogue();
  Result<Cut> cut = cut_at(period);
  if (!cut) return cut.error();
  const auto run = begin(*catalogue, period, std::move(*cut));
  if (!run) return run.error();
  rate(work, *run, [this, also](PeriodRun& all) { return store(all, also); });
  return {};
}

Status Billing::State::store(PeriodRun& run, const PeriodStore::Also& also) {
  const Result<Drafts> drafts = run.drafts(record_source(ledger));
  if (!drafts) return drafts.error();
  const std::string& id = drafts->period.id;
  for (const std::string& problem : drafts->problems) log::warning("period {}: {}", id, problem);
  if (const Status stored = periods.store(*drafts, also); !stored) return stored;
  fresh = Fresh{id, derived, drafts->catalogue, drafts->cut.decision};
  log::info("closed period {}: draft", id);
  return {};
}

void Billing::close(const std::string& id, const Decision& decision, Answer answer) {
  State& s = *state_;
  if (const Work* other = s.works.find("close")) {
    return answer(
        Error{"another close is under way: " + other->name(), id, "ask again when it is done"});
  }
  if (const Status reason = check_why(decision); !reason) return answer(reason.error());
  const auto text = std::make_shared<std::string>();
  auto made = std::make_unique<Work>("close " + id, State::answering(std::move(answer), text));
  Work& work = *made;
  work.then(s.derived_first([&s, &work, id, decision, text]() -> Status {
    const Result<Period> period = s.period_to_close(id);
    if (!period) return period.error();
    s.review_in(work, period->id, "", false, text);
    return s.close_in(work, *period, s.note_of("close", period->id, decision));
  }));
  s.start(std::move(made));
}

}  // namespace tallyman::rater
