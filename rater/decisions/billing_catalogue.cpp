// Billing's side of catalogues: what another one would change, and how it comes into force. Whole
// periods are rated for that, so both are steps of a work. While it is under way nothing else that
// bills is done; what it was compared with is looked at again in the transaction that keeps it.

#include <algorithm>
#include <memory>
#include <utility>

#include "app/log.hpp"
#include "rater/billing_state.hpp"
#include "rater/decisions/decisions_json.hpp"
#include "rater/decisions/known_series.hpp"
#include "rater/rating/catalogue_known.hpp"

namespace tallyman::rater {

namespace {

std::vector<RecordVersion> versions_of(const std::vector<Message>& messages) {
  std::vector<RecordVersion> out;
  for (const Message& message : messages) {
    if (auto version = version_of(message)) out.push_back(std::move(*version));
  }
  return newest(std::move(out), {});
}

std::string lines_of(const app::ConfigErrors& errors) {
  std::string lines = errors.text();
  while (lines.ends_with('\n')) lines.pop_back();
  return lines;
}

Status refuse(const PeriodChanges& changes) {
  const Change& first = changes.changes.front();
  return Error{"it would alter " + std::to_string(changes.changes.size()) + " records of period " +
                   changes.period + ", which is released: `" + first.meter + "` of customer `" +
                   first.customer + "`",
               "", "see `tallyman-rater catalogue diff`, and apply it with --adjust --why"};
}

}  // namespace

/// What a comparison stands on.
struct Billing::State::Basis {
  std::optional<Hash> in_force{};
  std::vector<ClosedPeriod> closed{};

  [[nodiscard]] bool same_as(const Basis& other) const {
    const auto alike = [](const ClosedPeriod& a, const ClosedPeriod& b) {
      return a.period.id == b.period.id && a.state == b.state;
    };
    return in_force == other.in_force &&
           std::equal(closed.begin(), closed.end(), other.closed.begin(), other.closed.end(),
                      alike);
  }
};

/// Another catalogue beside the one in force, period by period.
struct Billing::State::Comparison {
  Catalogue next;
  Basis basis;
  struct Line {
    Period period;
    std::string state;
  };
  std::vector<Line> left{};                        ///< the last one is the next
  std::vector<std::string> differing{};            ///< of those done: where it may change something
  std::function<Status(PeriodChanges)> changed{};  ///< empty: nothing is rated
};

Result<Billing::State::Basis> Billing::State::basis() {
  Basis out;
  if (!catalogue) return out;
  out.in_force = catalogue->version();
  Result<std::vector<ClosedPeriod>> closed = periods.periods();
  if (!closed) return closed.error();
  out.closed = std::move(*closed);
  return out;
}

Status Billing::State::stands_on(const Basis& then) {
  const Result<Basis> now = basis();
  if (!now) return now.error();
  if (now->same_as(then)) return {};
  return Error{
      "what is in force or closed has changed while the new catalogue was compared with it", "",
      "apply it again"};
}

Status Billing::State::compare_in(Work& work, const std::shared_ptr<Comparison>& with,
                                  const std::function<Status()>& use) {
  if (with->left.empty()) return use();
  work.then(once([this, &work, with, use]() -> Status {
    const Comparison::Line line = std::move(with->left.back());
    with->left.pop_back();
    work.then(once([this, &work, with, use] { return compare_in(work, with, use); }));
    if (same_within(*catalogue, with->next, line.period)) return {};
    with->differing.push_back(line.period.id);
    return with->changed ? changes_in(work, with, line.period, line.state) : Status();
  }));
  return {};
}

Status Billing::State::changes_in(Work& work, const std::shared_ptr<Comparison>& with,
                                  const Period& period, const std::string& state) {
  const Result<Cut> cut = cut_at(period);
  if (!cut) return cut.error();
  const auto before = begin(*catalogue, period, *cut);
  if (!before) return before.error();
  rate(work, *before, [this, &work, with, period, state, cut = *cut](PeriodRun& all) -> Status {
    const Result<Drafts> drafts = all.drafts(record_source(ledger));
    if (!drafts) return drafts.error();
    const auto after = begin(with->next, period, cut);
    if (!after) return after.error();
    rate(
        work, *after,
        [this, with, period, state, was = versions_of(drafts->messages)](PeriodRun& run) -> Status {
          const Result<Drafts> is = run.drafts(record_source(ledger));
          if (!is) return is.error();
          std::vector<Change> changes = changes_between(was, is->messages);
          if (changes.empty()) return {};
          return with->changed({period.id, state, std::move(changes)});
        });
    return {};
  });
  return {};
}

Status Billing::State::catalogue_in(Work& work, const std::shared_ptr<DecisionRequest>& asked,
                                    const std::shared_ptr<std::string>& text) {
  if (asked->files.empty()) {
    return Error{"no catalogue is given", "", "name a file, or a folder of files"};
  }
  app::ConfigErrors wrong;
  const auto parse = [&](std::span<const ViewFacts> coarse, app::ConfigErrors& mistakes) {
    return parse_catalogue(asked->files, options.slot, coarse, mistakes);
  };
  Result<Catalogue> next = read_known(*usage, periods, clock.wall(), parse, wrong);
  if (!next) return next.error();
  for (const app::ConfigError& error : wrong.sorted()) asked->mistakes.push_back(error.text());
  if (!asked->mistakes.empty()) {
    return Error{"the catalogue has mistakes; the one in force stays", asked->files.front().name,
                 "mend them and apply it again"};
  }
  if (asked->command == "catalogue diff") return diff_in(work, std::move(*next), text);
  const Hash version = next->version();
  return apply_in(work, std::move(*next), {asked->adjust, false, asked->decision},
                  [this, version, text](bool changed) -> Status {
                    const Result<AuditMark> head = audit.head();
                    if (!head) return head.error();
                    *text = applied_document(version, changed, *head);
                    return {};
                  });
}

Status Billing::State::diff_in(Work& work, Catalogue next,
                               const std::shared_ptr<std::string>& text) {
  if (!catalogue) return no_catalogue();
  if (const Status kept = keeps_periods(next); !kept) return kept.error();
  Result<Basis> now = basis();
  if (!now) return now.error();
  const auto with = std::make_shared<Comparison>(Comparison{std::move(next), std::move(*now)});
  for (const ClosedPeriod& each : with->basis.closed) {
    with->left.push_back({each.period, period_state_name(each.state)});
  }
  if (with->next.period == catalogue->period) {
    const Result<std::optional<Period>> open = next_period();
    if (!open) return open.error();
    if (*open) with->left.push_back({**open, clock.wall() < (*open)->end ? "running" : "ended"});
  }
  std::reverse(with->left.begin(), with->left.end());
  const auto lines = std::make_shared<std::vector<ChangedPeriod>>();
  with->changed = [lines](const PeriodChanges& found) -> Status {
    ChangedPeriod& line = lines->emplace_back(ChangedPeriod{found.period, found.state, {}});
    for (const Change& change : found.changes) line.lines.push_back(change_line(change));
    return {};
  };
  return compare_in(work, with, [this, with, lines, text]() -> Status {
    *text = diff_document(catalogue->version(), with->next.version(), *lines);
    return {};
  });
}

Status Billing::State::apply_in(Work& work, Catalogue next, const ApplyTerms& terms,
                                std::function<Status(bool changed)> use) {
  if (const Status reason = check_why(terms.decision); !reason) return reason.error();
  if (catalogue && catalogue->version() == next.version()) return use(false);
  if (const Status kept = keeps_periods(next); !kept) return kept.error();
  Result<Basis> now = basis();
  if (!now) return now.error();
  const auto with = std::make_shared<Comparison>(Comparison{std::move(next), std::move(*now)});
  for (const ClosedPeriod& each : with->basis.closed) {
    if (each.state != PeriodState::released) continue;
    with->left.push_back({each.period, period_state_name(each.state)});
  }
  std::reverse(with->left.begin(), with->left.end());
  if (!terms.adjust) with->changed = refuse;
  return compare_in(work, with, [this, with, terms, use = std::move(use)]() -> Status {
    if (const Status applied = bring_into_force(*with, terms); !applied) return applied;
    return use(true);
  });
}

Status Billing::State::bring_into_force(const Comparison& with, const ApplyTerms& terms) {
  const Hash version = with.next.version();
  const auto also = [&]() -> Status {
    if (const Status same = stands_on(with.basis); !same) return same;
    if (!terms.adjust) return {};
    for (const std::string& period : with.differing) {
      if (const Status set = adjustments.set_due(period); !set) return set;
    }
    return {};
  };
  const auto applied =
      catalogues.apply({version, canonical_text(with.next), terms.adjust, terms.file},
                       terms.decision, clock.wall(), also);
  if (!applied) return applied.error();
  catalogue = with.next;
  catalogue_error.clear();
  log::info("catalogue {} is in force: decided by {}", to_hex(version).substr(0, 12),
            terms.decision.who);
  return {};
}

Status Billing::State::read_file_in(Work& work, const std::shared_ptr<bool>& read) {
  app::ConfigErrors wrong;
  const auto load = [&](std::span<const ViewFacts> coarse, app::ConfigErrors& mistakes) {
    return load_catalogue(options.catalogue_path, options.slot, coarse, mistakes);
  };
  Result<Catalogue> next = read_known(*usage, periods, clock.wall(), load, wrong);
  if (!next) return next.error();
  if (!wrong.empty()) return Error{lines_of(wrong), "", ""};
  for (const std::string& warning : next->warnings) log::warning("catalogue: {}", warning);
  *read = true;
  const Result<std::optional<Hash>> before = catalogues.last_of_file();
  if (!before) return before.error();
  const Hash version = next->version();
  if (catalogue && *before == version && catalogue->version() != version) {
    log::warning(
        "the catalogue's file is older than what people have applied since, which stays; "
        "`tallyman-rater catalogue apply` brings the file into force");
    return {};
  }
  return apply_in(work, std::move(*next),
                  {false, true, by_configuration("`catalogue` in the configuration")},
                  [](bool) { return Status(); });
}

}  // namespace tallyman::rater
