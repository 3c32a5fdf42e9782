// The queue of what takes long: closes, releases, running figures, statements, adjustments, and the
// decisions that what they rate by depends on. One at a time, and while one is under way nothing is
// derived: so all that a work reads is of one moment.

#include <utility>

#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kMostWaiting = 256;  ///< further ones are refused

}  // namespace

Work& Billing::State::make_work(std::string name, Work::Done done) {
  if (works.size() >= kMostWaiting) {
    return *(refused = std::make_unique<Work>(std::move(name), std::move(done)));
  }
  ++works_made;
  works.push_back(std::make_unique<Work>(std::move(name), std::move(done)));
  return *works.back();
}

void Billing::State::start(Work& work) {
  if (refused.get() == &work) {
    const std::unique_ptr<Work> none = std::exchange(refused, nullptr);
    return none->end(Error{"too many questions wait for an answer", none->name(), "ask again"});
  }
  if (works.size() == 1) {
    // Of those that follow each other at once none keeps usage from being derived.
    if (std::exchange(rest, false)) note(kDerive, derive_some());
    work_some(options.close_step);
  }
  if (!works.empty()) more = true;
  if (more && wake) wake();
}

void Billing::State::work_some(Ns budget) {
  const Ns until = clock.boot() + budget;
  do {
    const Result<bool> going = works.front()->go_on();
    if (going && *going) continue;
    const std::unique_ptr<Work> ended = std::move(works.front());
    works.pop_front();
    rest = true;
    // What begins by itself and fails is tried again with the next tick, not at once.
    more = going.ok() || !works.empty();
    return ended->end(going ? Status() : Status(going.error()));
  } while (clock.boot() < until);
  more = true;
}

void Billing::State::finish_works() {
  while (!works.empty()) work_some(kForever / 2);
}

Work::Step Billing::State::derived_first(std::function<Status()> then) {
  return [this, then = std::move(then)]() -> Result<bool> {
    if (const Status done = derive_some(); !done) return done.error();
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
