// Billing's answers to people who decide, and to those who want to know what was decided.

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>

#include "rater/billing_state.hpp"
#include "rater/decisions/decisions_json.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kEntriesShown = 10'000;
constexpr std::size_t kVersionsShown = 1000;
constexpr const char* kOnlyShow[] = {"catalogue log", "audit log", "anomaly ls"};
constexpr const char* kQuestions[] = {"catalogue diff", "review"};
constexpr const char* kDerivedFirst[] = {"anomaly accept", "anomaly reject"};

template <typename Names>
bool is_among(const Names& names, const std::string& command) {
  return std::find(std::begin(names), std::end(names), command) != std::end(names);
}

}  // namespace

void Billing::decide(const DecisionRequest& request, const DecisionAnswer& answer, Wanted wanted) {
  State& s = *state_;
  const auto asked = std::make_shared<DecisionRequest>(request);
  const auto text = std::make_shared<std::string>();
  const auto done = State::answering(
      [asked, answer](const Result<std::string>& answered) { answer(*asked, answered); }, text);
  const std::string& command = asked->command;
  const bool series = !asked->field("unattributed").empty();
  const auto look = [&s, asked, text]() -> Status {
    Result<std::string> decided = s.decide(*asked);
    if (!decided) return decided.error();
    *text = std::move(*decided);
    return {};
  };
  // What only shows what is kept need not wait for what is being rated.
  const auto due = s.adjustments.due();
  const bool shown = command == "review" && !series && due && !*due;
  if (shown || is_among(kOnlyShow, command)) return done(look());
  auto made = std::make_unique<Work>(command, done);
  Work& work = *made;
  work.keeps(asked->bytes());
  if (is_among(kQuestions, command)) work.only_while(std::move(wanted));
  if (command == "review") {
    s.review_in(work, asked->field("period"), asked->field("against"), series, text);
  } else if (command == "catalogue diff") {
    work.then(
        s.derived_first([&s, &work, asked, text] { return s.catalogue_in(work, asked, text); }));
  } else if (command == "catalogue apply") {
    work.then(State::once([&s, &work, asked, text] { return s.catalogue_in(work, asked, text); }));
  } else if (is_among(kDerivedFirst, command)) {
    work.then(s.derived_first(look));
  } else {
    work.then(State::once(look));
  }
  s.start(std::move(made));
}

Result<std::string> Billing::State::decide(const DecisionRequest& request) {
  if (request.command == "catalogue log") return catalogue_log();
  if (request.command == "audit log") return audit_text(request);
  if (request.command == "review") {
    return review(request.field("period"), request.field("against"), {});
  }
  if (request.command == "outbox skip") return skip_message(request);
  if (request.command == "outbox resend") return resend_messages(request);
  if (request.command.starts_with("anomaly ") || request.command == kWaive ||
      request.command == kCorrect) {
    return decide_usage(request);
  }
  return Error{"unknown command '" + request.command.substr(0, 64) + "'", "",
               "use the tallyman-rater that belongs to this daemon"};
}

Result<std::string> Billing::State::audit_text(const DecisionRequest& request) {
  const std::string from = request.field("from");
  const std::int64_t after = from.empty() ? 0 : std::strtoll(from.c_str(), nullptr, 10);
  const auto entries = audit.entries(after, kEntriesShown);
  if (!entries) return entries.error();
  const Result<AuditMark> head = audit.head();
  if (!head) return head.error();
  return audit_document(*entries, *head);
}

PeriodStore::Also Billing::State::note_of(const char* kind, const std::string& period,
                                          const Decision& decision) {
  return [this, kind, period, decision]() -> Status {
    const auto mark = audit.append(kind, period_subject(period), decision, clock.wall());
    return mark ? Status() : mark.error();
  };
}

Result<std::string> Billing::State::catalogue_log() {
  const auto versions = catalogues.versions(kVersionsShown);
  if (!versions) return versions.error();
  return catalogue_log_document(*versions);
}

}  // namespace tallyman::rater
