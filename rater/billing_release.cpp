// What releases a period: by a person, or by itself once it is complete and still right.

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"

namespace tallyman::rater {

Status Billing::State::still_right(Work& work, const ClosedPeriod& draft,
                                   std::function<Status(const Status&)> use) {
  if (!catalogue) return no_catalogue();
  if (catalogue->version() != draft.catalogue) {
    return use(Error{"the drafts were rated by another catalogue than the one in force",
                     draft.period.id, "close it again, and review it"});
  }
  Result<Cut> cut = periods.cut(draft.period.id);
  if (!cut) return cut.error();
  if (cut->decision != decisions.last) {
    return use(Error{"people have decided on usage since the drafts were made", draft.period.id,
                     "close it again, and review it"});
  }
  const auto run = begin(*catalogue, draft.period, std::move(*cut));
  if (!run) return run.error();
  rate(work, *run, [this, id = draft.period.id, use = std::move(use)](PeriodRun& all) -> Status {
    const Result<Drafts> now = all.drafts(record_source(ledger));
    if (!now) return now.error();
    const Result<std::vector<Message>> stored = periods.messages(id);
    if (!stored) return stored.error();
    const bool same =
        std::equal(stored->begin(), stored->end(), now->messages.begin(), now->messages.end(),
                   [](const Message& a, const Message& b) { return a.id == b.id; });
    if (same) return use({});
    return use(Error{"the drafts are not what would be rated now: usage has come since", id,
                     "close it again, and review it"});
  });
  return {};
}

Status Billing::State::release_in(Work& work, const std::string& id, const Decision& decision,
                                  const std::shared_ptr<std::string>& text) {
  const auto draft = id.empty() ? periods.earliest_draft() : periods.period(id);
  if (!draft) return draft.error();
  const Result<std::optional<std::string>> adjusted = adjustments.first_draft();
  if (!adjusted) return adjusted.error();
  const std::string of = !id.empty() ? id : adjusted->value_or("");
  const bool is_released = *draft && (*draft)->state == PeriodState::released;
  if (is_released || (!*draft && !of.empty())) {
    review_in(work, of, "", false, text);
    return release_adjustments(work, of, decision);
  }
  if (!*draft) return Error{"there is no draft to release", id, "close a period first"};
  const std::string which = (*draft)->period.id;
  review_in(work, which, "", false, text);
  return still_right(work, **draft, [this, which, decision](const Status& right) -> Status {
    if (!right) return right;
    return periods.release(which, *outbox, note_of("release", which, decision));
  });
}

void Billing::release(const std::string& id, const Decision& decision, Answer answer) {
  State& s = *state_;
  if (const Status reason = check_why(decision); !reason) return answer(reason.error());
  const auto text = std::make_shared<std::string>();
  auto made = std::make_unique<Work>("release " + id, State::answering(std::move(answer), text));
  Work& work = *made;
  work.then(s.derived_first(
      [&s, &work, id, decision, text] { return s.release_in(work, id, decision, text); }));
  s.start(std::move(made));
}

Billing::State::Due Billing::State::release_due() {
  const Result<std::optional<ClosedPeriod>> found = periods.earliest_draft();
  if (!found) return found.error();
  if (!*found) return release_due_adjustments();
  if (!catalogue) return no_catalogue();
  const ClosedPeriod& draft = **found;
  const Result<Cut> cut = cut_at(draft.period);
  if (!cut) return cut.error();
  const bool complete = draft.without.empty();
  if (!import_into(draft.period).empty()) return Due{nullptr};
  const Fresh now{draft.period.id, derived, catalogue->version(), decisions.last};
  const bool right = draft.catalogue == now.catalogue && draft.without == cut->closed_without;
  if (right && !complete &&
      clock.wall() < usage_span(*catalogue, draft.period).to + options.grace) {
    return Due{nullptr};
  }
  auto made = std::make_unique<Work>("release by itself",
                                     [this](const Status& how) { note(kRelease, how); });
  Work& work = *made;
  work.then(once([this, &work, draft, right, known = fresh == now]() -> Status {
    const auto release = [this, &work, draft](const Status& is_right) -> Status {
      if (is_right) return release_by_itself(draft);
      log::info("closing period {} again: its drafts are not what would be rated now",
                draft.period.id);
      return close_in(work, draft.period, {});
    };
    if (!right) return release(Error{"", "", ""});
    return known ? release({}) : still_right(work, draft, release);
  }));
  return made;
}

Status Billing::State::release_by_itself(const ClosedPeriod& draft) {
  const std::string& id = draft.period.id;
  const Status released =
      periods.release(id, *outbox, note_of("release", id, by_configuration("[release] automatic")));
  if (released) log::info("released period {}: {} messages", id, draft.messages);
  return released;
}

}  // namespace tallyman::rater
