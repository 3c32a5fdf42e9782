#include "rater/billing_close.hpp"

#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"

namespace tallyman::rater {

PeriodClose::PeriodClose(Catalogue catalogue, const Period& period, Cut cut, Ns slot,
                         Decisions decisions, std::unique_ptr<UsageSource> usage, Done done)
    : catalogue_(std::move(catalogue)),
      usage_(std::move(usage)),
      rating_(
          RatingTerms{catalogue_, period, slot, cut.closed_without, kForever, std::move(decisions)},
          *usage_),
      drafts_{period, catalogue_.version(), std::move(cut), {}, {}, {}, {}},
      done_(std::move(done)) {}

Result<bool> PeriodClose::rate_some(const Clock& clock, Ns budget) {
  const Ns until = clock.boot() + budget;
  for (;;) {
    Result<bool> more = rating_.step();
    if (!more || !*more || clock.boot() >= until) return more;
  }
}

Result<Drafts> PeriodClose::take(const std::string& source) {
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

Result<std::unique_ptr<PeriodClose>> Billing::State::begin(const Period& period, Cut cut,
                                                           PeriodClose::Done done) {
  Result<Decisions> decided = decisions_at(cut.decision);
  if (!decided) return decided.error();
  Result<std::unique_ptr<UsageSource>> source = usage_of(period, kForever, *decided);
  if (!source) return source.error();
  return std::make_unique<PeriodClose>(*catalogue, period, std::move(cut), options.slot,
                                       std::move(*decided), std::move(*source), std::move(done));
}

Result<Drafts> Billing::State::drafts_of(const Period& period, Cut cut) {
  const Result<std::unique_ptr<PeriodClose>> all = begin(period, std::move(cut), {});
  if (!all) return all.error();
  const Result<bool> rated = (*all)->rate_some(clock, kForever / 2);
  if (!rated) return rated.error();
  return (*all)->take("/tallyman/" + ledger.id_text());
}

Status Billing::State::start_close(const Period& period, const PeriodStore::Also& also,
                                   PeriodClose::Done done) {
  if (closing) {
    return Error{"another close is under way: of " + closing->period().id, period.id,
                 "ask again when it is done"};
  }
  Result<Cut> cut = cut_at(period);
  if (!cut) return cut.error();
  Result<std::unique_ptr<PeriodClose>> begun = begin(period, std::move(*cut), std::move(done));
  if (!begun) return begun.error();
  closing = std::move(*begun);
  closing->also = also;
  return {};
}

Status Billing::State::close_some(Ns budget) {
  const Result<bool> rating = closing->rate_some(clock, budget);
  more = true;
  if (rating && *rating) return {};
  const std::unique_ptr<PeriodClose> ended = std::exchange(closing, nullptr);
  Status stored = rating ? store(*ended) : Status(rating.error());
  if (!ended->done()) return stored;
  ended->done()(stored);
  return {};
}

Status Billing::State::store(PeriodClose& ended) {
  const Result<Drafts> drafts = ended.take("/tallyman/" + ledger.id_text());
  if (!drafts) return drafts.error();
  const std::string& id = drafts->period.id;
  for (const std::string& problem : drafts->problems) log::warning("period {}: {}", id, problem);
  if (const Status stored = periods.store(*drafts, ended.also); !stored) return stored;
  fresh = Fresh{id, derived, drafts->catalogue, drafts->cut.decision};
  log::info("closed period {}: draft", id);
  return {};
}

Status Billing::State::finish_close() {
  while (closing) {
    if (Status done = close_some(kForever / 2); !done) return done;
  }
  return {};
}

Status Billing::State::close(const Period& period, const PeriodStore::Also& also) {
  if (Status ended = finish_close(); !ended) return ended;
  if (Status started = start_close(period, also, {}); !started) return started;
  return finish_close();
}

void Billing::close(const std::string& id, const Decision& decision, Answer answer) {
  State& s = *state_;
  const auto begin = [&]() -> Status {
    if (Status reason = check_why(decision); !reason) return reason;
    if (s.closing) {
      return Error{"another close is under way: of " + s.closing->period().id, id,
                   "ask again when it is done"};
    }
    if (Status derived = s.derive_all(); !derived) return derived;
    const Result<Period> period = s.period_to_close(id);
    if (!period) return period.error();
    const auto done = [this, answer, which = period->id](const Status& closed) {
      answer(closed ? review(which) : Result<std::string>(closed.error()));
    };
    return s.start_close(*period, s.note_of("close", period->id, decision), done);
  };
  if (const Status begun = begin(); !begun) return answer(begun.error());
  // How it ends is told to `answer`.
  static_cast<void>(s.close_some(s.options.close_step));
}

}  // namespace tallyman::rater
