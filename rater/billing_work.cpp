// What takes long: closes, releases, running figures, statements, adjustments, and the decisions
// that what they rate by depends on. One at a time, and while one is under way nothing is derived:
// so all that a work reads is of one moment. Between two of them it is derived, for as long as the
// last one took when others wait; what is due by itself then comes after decisions that wait, and
// before questions; of two that follow each other one at most is so.

#include <algorithm>
#include <utility>

#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

constexpr std::uint64_t kMostCompared = 64;  ///< series whose past is waited for

}  // namespace

void Billing::State::start(std::unique_ptr<Work> work, bool always) {
  const bool first = works.idle();
  if (always) {
    works.push_always(std::move(work));
  } else {
    works.push(std::move(work));
  }
  if (first && rest) {
    take_turns();
  } else if (first) {
    begin_next();
  }
  if (first && works.busy()) work_some(options.close_step);
  if (!works.idle()) more = true;
  if (more && wake) wake();
}

bool Billing::State::begin_next() {
  begun = clock.boot();
  return works.begin_next();
}

void Billing::State::work_some(Ns budget) {
  const Ns until = clock.boot() + budget;
  do {
    const std::optional<WorkQueue::Ended> ended = works.go_on();
    if (!ended) continue;
    rest = true;
    rest_until = clock.boot() + (clock.boot() - begun);
    was_by_itself = ended->by_itself;
    // What begins by itself and fails is tried again later, not at once.
    more = ended->how.ok() || !works.idle();
    if (ended->by_itself && !ended->how.ok()) {
      due_not_before[begun_by_itself] =
          clock.boot() + std::max(options.derive_every, clock.boot() - begun);
    }
    if (ended->work) ended->work->end(ended->how);
    return;
  } while (clock.boot() < until);
  more = true;
}

void Billing::State::finish_works() {
  while (works.busy() || begin_next()) work_some(kForever / 2);
}

void Billing::State::take_turns() {
  rest = false;
  const bool again = std::exchange(more, false);
  if (again || deriving || clock.boot() >= derive_next) {
    const Status done = derive_some();
    note(kDerive, done);
    derive_next = clock.boot() + options.derive_every;
    if (done && deriving && works.waiting() && clock.boot() < rest_until) return;
    // What was decided counts in what closes or goes out by itself.
    if (!works.decision_waits() && (!works.waiting() || !was_by_itself)) begin_due();
  }
  if (!works.busy()) {
    was_by_itself = false;
    begin_next();
  }
}

void Billing::State::begin_due() {
  struct Kind {
    Step step;
    bool wanted;
    Due (State::*due)();
  };
  const std::array<Kind, 3> kinds{{
      // A period that closed without what is in the ledger already would be wrong for good.
      {kClose, catalogue && options.close_automatically && !deriving, &State::close_due},
      {kAdjust, !deriving, &State::adjust_due},
      {kRelease, options.release_automatically && !deriving, &State::release_due},
  }};
  for (std::size_t n = 0; n < kinds.size() && !works.busy(); ++n) {
    if (was_by_itself && works.waiting()) return;
    // The one after the last: one that fails keeps none of the others from its turn.
    const Kind& kind = kinds[std::exchange(due_next, (due_next + 1) % kinds.size())];
    if (!kind.wanted || clock.boot() < due_not_before[kind.step]) continue;
    Due work = (this->*kind.due)();
    if (!work || !*work) note(kind.step, work ? Status() : Status(work.error()));
    if (!work || !*work) continue;
    begun = clock.boot();
    begun_by_itself = kind.step;
    works.begin(std::move(*work));
    work_some(options.close_step);
  }
}

Work::Step Billing::State::derived_first(std::function<Status()> then) {
  return [this, then = std::move(then)]() -> Result<bool> {
    if (const Status done = derive_some(); !done) return done.error();
    if (const std::uint64_t left = usage->comparing(); left > kMostCompared) {
      return Error{"the past of " + std::to_string(left) + " shared series is still compared", "",
                   "ask again later; `tallyman-rater status` tells how far it is"};
    }
    if (deriving) return true;
    if (const Status done = then(); !done) return done.error();
    return false;
  };
}

Work::Step Billing::State::once(std::function<Status()> what) {
  return [what = std::move(what)]() -> Result<bool> {
    if (const Status done = what(); !done) return done.error();
    return false;
  };
}

Work::Done Billing::State::answering(Billing::Answer answer, std::shared_ptr<std::string> text) {
  return [answer = std::move(answer), text = std::move(text)](const Status& how) {
    answer(how ? Result<std::string>(*text) : Result<std::string>(how.error()));
  };
}

void Billing::State::rate(Work& work, std::shared_ptr<PeriodRun> run,
                          std::function<Status(PeriodRun&)> use) {
  work.then([run = std::move(run), use = std::move(use)]() -> Result<bool> {
    const Result<bool> going = run->step();
    if (!going || *going) return going;
    if (const Status used = use(*run); !used) return used.error();
    return false;
  });
}

}  // namespace tallyman::rater
