// Billing's answers to people who decide, and to those who want to know what was decided.

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"
#include "rater/decisions/decisions_json.hpp"
#include "rater/decisions/known_series.hpp"
#include "rater/rating/catalogue_known.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kEntriesShown = 10'000;
constexpr std::size_t kVersionsShown = 1000;
constexpr const char* kOnlyShow[] = {"catalogue log", "audit log", "anomaly ls"};
constexpr const char* kQuestions[] = {"catalogue diff", "review"};
constexpr const char* kDerivedFirst[] = {"catalogue diff", "anomaly accept", "anomaly reject"};

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
  } else if (is_among(kDerivedFirst, command)) {
    work.then(s.derived_first(look));
  } else {
    work.then(State::once(look));
  }
  s.start(std::move(made));
}

Result<std::string> Billing::State::decide(DecisionRequest& request) {
  if (request.command.starts_with("catalogue ")) return decide_catalogue(request);
  if (request.command == "audit log") return audit_text(request);
  if (request.command == "review") {
    return review(request.field("period"), request.field("against"), {});
  }
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

Result<std::string> Billing::State::decide_catalogue(DecisionRequest& request) {
  if (request.command == "catalogue log") {
    const auto versions = catalogues.versions(kVersionsShown);
    if (!versions) return versions.error();
    return catalogue_log_document(*versions);
  }
  if (request.files.empty()) {
    return Error{"no catalogue is given", "", "name a file, or a folder of files"};
  }
  app::ConfigErrors wrong;
  const auto parse = [&](std::span<const ViewFacts> coarse, app::ConfigErrors& mistakes) {
    return parse_catalogue(request.files, options.slot, coarse, mistakes);
  };
  Result<Catalogue> read = read_known(*usage, periods, clock.wall(), parse, wrong);
  if (!read) return read.error();
  Catalogue next = std::move(*read);
  for (const app::ConfigError& error : wrong.sorted()) request.mistakes.push_back(error.text());
  if (!request.mistakes.empty()) {
    return Error{"the catalogue has mistakes; the one in force stays", request.files.front().name,
                 "mend them and apply it again"};
  }
  if (request.command == "catalogue apply") {
    const Hash version = next.version();
    const std::string text = canonical_text(next);
    const Result<bool> applied =
        apply_catalogue(std::move(next), text, request.adjust, false, request.decision);
    if (!applied) return applied.error();
    const Result<AuditMark> head = audit.head();
    if (!head) return head.error();
    return applied_document(version, *applied, *head);
  }
  if (request.command == "catalogue diff") return diff_catalogue(next);
  return Error{"unknown command '" + request.command.substr(0, 64) + "'", "",
               "use the tallyman-rater that belongs to this daemon"};
}

Result<std::string> Billing::State::diff_catalogue(const Catalogue& next) {
  if (!catalogue) return no_catalogue();
  if (const Status kept = keeps_periods(next); !kept) return kept.error();
  if (const Status derived_all = derive_all(); !derived_all) return derived_all.error();
  const Result<std::vector<PeriodChanges>> found = changes_by(next);
  if (!found) return found.error();
  std::vector<ChangedPeriod> lines;
  for (const PeriodChanges& each : *found) {
    ChangedPeriod& line = lines.emplace_back(ChangedPeriod{each.period, each.state, {}});
    for (const Change& change : each.changes) line.lines.push_back(change_line(change));
  }
  return diff_document(catalogue->version(), next.version(), lines);
}

Result<bool> Billing::State::apply_catalogue(Catalogue next, const std::string& text, bool adjust,
                                             bool file, const Decision& decision) {
  if (const Status reason = check_why(decision); !reason) return reason.error();
  const Hash version = next.version();
  if (catalogue && catalogue->version() == version) return false;
  if (const Status kept = keeps_periods(next); !kept) return kept.error();
  if (!adjust) {
    if (const Status kept = keeps_released(next); !kept) return kept.error();
  }
  const Result<std::vector<std::string>> differing = released_differing(next);
  if (!differing) return differing.error();
  const auto due = [&]() -> Status {
    for (const std::string& period : *differing) {
      if (const Status set = adjustments.set_due(period); !set) return set;
    }
    return {};
  };
  const auto applied = catalogues.apply({version, text, adjust, file}, decision, clock.wall(),
                                        adjust ? due : std::function<Status()>());
  if (!applied) return applied.error();
  catalogue = std::move(next);
  catalogue_error.clear();
  log::info("catalogue {} is in force: decided by {}", to_hex(version).substr(0, 12), decision.who);
  return true;
}

Status Billing::State::apply_file(Catalogue next, const std::string& text) {
  const Result<std::optional<Hash>> before = catalogues.last_of_file();
  if (!before) return before.error();
  const bool stale =
      catalogue && *before && **before == next.version() && catalogue->version() != next.version();
  if (stale) {
    log::warning(
        "the catalogue's file is older than what people have applied since, which stays; "
        "`tallyman-rater catalogue apply` brings the file into force");
    return {};
  }
  const Result<bool> applied = apply_catalogue(
      std::move(next), text, false, true, by_configuration("`catalogue` in the configuration"));
  return applied ? Status() : applied.error();
}

}  // namespace tallyman::rater
