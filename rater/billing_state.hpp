#pragma once
// The inside of Billing: its parts, and the steps that a tick and the commands are made of.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rater/billing.hpp"
#include "rater/billing_close.hpp"
#include "rater/billing_json.hpp"
#include "rater/bus/outbox.hpp"
#include "rater/decisions/adjustment_store.hpp"
#include "rater/decisions/audit_log.hpp"
#include "rater/decisions/catalogue_store.hpp"
#include "rater/decisions/decisions.hpp"
#include "rater/decisions/retired_agents.hpp"
#include "rater/decisions/within.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rate_period.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"
#include "rater/work_queue.hpp"

namespace tallyman::rater {

inline constexpr const char* kCatalogueFile = "the catalogue's file";  ///< a work's name

/// What another catalogue changes in one period.
struct PeriodChanges {
  std::string period, state;
  std::vector<Change> changes;
};

/// Owned by Billing, on the loop's thread.
struct Billing::State {
  Ledger& ledger;
  Intake& intake;
  BillingOptions options;
  const Clock& clock;
  std::unique_ptr<UsageStore> usage;
  PeriodStore periods;
  std::unique_ptr<Outbox> outbox;
  AuditLog audit;
  CatalogueStore catalogues;
  AdjustmentStore adjustments;
  RetiredAgents retired{audit};
  std::optional<Catalogue> catalogue{};
  Decisions decisions{};  ///< all of the audit log's
  enum Step : std::uint8_t { kDerive, kClose, kAdjust, kRelease, kPublish, kSteps };
  std::array<std::string, kSteps> errors{};  ///< what each step of a tick failed with last
  std::string catalogue_error{};             ///< why the file is not what is in force
  bool more = false;                         ///< the last tick left work behind
  bool deriving = false;                     ///< committed batches wait to be derived, or it failed
  Ns derive_next = 0;                        ///< boot clock
  std::size_t streams_known = 0;             ///< with batches, that the beginning was sought in
  std::uint64_t derived = 0;                 ///< batches since the start

  WorkQueue works{};              ///< while one is under way nothing is derived but by itself
  bool rest = false;              ///< one has ended, and nothing was derived since
  Ns rest_until = 0;              ///< boot clock: so long those that wait let it be derived
  Ns begun = 0;                   ///< boot clock: the one under way
  bool was_by_itself = false;     ///< the last one: those that wait come next
  std::size_t due_next = 0;       ///< which step of a tick is asked first whether it is due
  Step begun_by_itself = kClose;  ///< the last one
  std::array<Ns, kSteps> due_not_before{};                ///< boot clock: after a step has failed
  std::function<void()> wake{};                           ///< may be empty
  std::function<std::optional<Importing>()> importing{};  ///< may be empty
  std::string bus_said{};                                 ///< its state, as the log has it

  /// What the earliest draft was last seen to agree with.
  struct Fresh {
    std::string period;
    std::uint64_t derived = 0;
    Hash catalogue{};
    AuditMark decision{};
    friend bool operator==(const Fresh&, const Fresh&) = default;
  };
  std::optional<Fresh> fresh{};

  /// The steps in their order. One that fails keeps none of the others from running, but what is
  /// not derived is not closed by itself.
  void tick();
  [[nodiscard]] std::string error_text() const;
  /// A bounded part of what waits.
  [[nodiscard]] Status derive_some();
  /// The next period to close by itself; nothing before the first data.
  [[nodiscard]] Result<std::optional<Period>> next_period();
  /// What is due by itself, as a work to begin now; nullptr: nothing is.
  using Due = Result<std::unique_ptr<Work>>;
  [[nodiscard]] Due close_due();
  /// For `close ID`: known, ended, in its turn; one before the first only when it has data, as an
  /// import brings it.
  [[nodiscard]] Result<Period> period_to_close(const std::string& id);
  /// Takes its turn behind those that wait, or is refused. How it ends is told to itself alone.
  /// `always`: it is not refused.
  void start(std::unique_ptr<Work> work, bool always = false);
  void work_some(Ns budget);  ///< of the one under way
  void finish_works();        ///< all that wait
  /// Steps: `then` once all that is committed is derived; and something short.
  [[nodiscard]] Work::Step derived_first(std::function<Status()> then);
  [[nodiscard]] static Work::Step once(std::function<Status()> what);
  /// Answers with the text that is there in the end.
  [[nodiscard]] static Work::Done answering(Answer answer, std::shared_ptr<std::string> text);
  /// Rates a period as the work's next step; `use` is called with all of it.
  static void rate(Work& work, std::shared_ptr<PeriodRun> run,
                   std::function<Status(PeriodRun&)> use);
  /// The steps that close a period; that release one, and then review it into `text`; that review
  /// one: further steps of a work.
  [[nodiscard]] Status close_in(Work& work, const Period& period, const PeriodStore::Also& also);
  [[nodiscard]] Status release_in(Work& work, const std::string& id, const Decision& decision,
                                  const std::shared_ptr<std::string>& text);
  /// A work of its own for a question; `begin` gives it the steps that fill its answer.
  using View = std::function<Status(Work&, const std::shared_ptr<std::string>&)>;
  void show(std::string name, Answer answer, Wanted wanted, View begin);
  [[nodiscard]] Status usage_in(Work& work, const std::string& customer, const std::string& id,
                                const std::shared_ptr<std::string>& text);
  struct StatementOf;
  [[nodiscard]] Status statement_in(Work& work, const std::string& customer,
                                    const std::string& named,
                                    const std::shared_ptr<std::string>& text);
  [[nodiscard]] Result<std::string> statement_of(const StatementOf& of, PeriodRun& run);
  void review_in(Work& work, const std::string& id, const std::string& against, bool series,
                 const std::shared_ptr<std::string>& text);
  [[nodiscard]] Result<Cut> cut_at(const Period& period);
  /// A period's rating under this cut, by a catalogue; of one customer alone, by its index.
  [[nodiscard]] Result<std::shared_ptr<PeriodRun>> begin(const Catalogue& by, const Period& period,
                                                         Cut cut, Ns until = kForever,
                                                         std::optional<std::size_t> only = {});
  /// What a close would store under this cut.
  [[nodiscard]] Result<Drafts> drafts_of(const Period& period, Cut cut);
  /// Tells `use` nothing when the drafts are what rating gives now under their own cut; else why
  /// they are not.
  [[nodiscard]] Status still_right(Work& work, const ClosedPeriod& draft,
                                   std::function<Status(const Status&)> use);
  /// Periods lie end to end only as long as their rule and zones stay: refuses a catalogue with
  /// others once a period is closed.
  [[nodiscard]] Status keeps_periods(const Catalogue& next);
  struct ApplyTerms {
    bool adjust = false;  ///< released periods may come to differ
    bool file = false;    ///< it is the configured file's
    Decision decision{};
  };
  struct Comparison;
  /// The steps that bring a catalogue into force, or tell what it would change; a file's, when it
  /// says something new. `use` is told false when it is in force already.
  [[nodiscard]] Status apply_in(Work& work, Catalogue next, const ApplyTerms& terms,
                                std::function<Status(bool changed)> use);
  [[nodiscard]] Status diff_in(Work& work, Catalogue next,
                               const std::shared_ptr<std::string>& text);
  [[nodiscard]] Status catalogue_in(Work& work, const std::shared_ptr<DecisionRequest>& asked,
                                    const std::shared_ptr<std::string>& text);
  /// `read` becomes true once the file has no mistakes.
  [[nodiscard]] Status read_file_in(Work& work, const std::shared_ptr<bool>& read);
  /// A decision on a period, to be kept with its effect.
  [[nodiscard]] PeriodStore::Also note_of(const char* kind, const std::string& period,
                                          const Decision& decision);
  /// `loose`: what nobody holds, when asked for.
  [[nodiscard]] Result<std::string> review(const std::string& id, const std::string& against,
                                           const std::vector<LooseSeries>& loose);
  /// A decision, or what may be asked while something is rated.
  [[nodiscard]] Result<std::string> decide(const DecisionRequest& request);
  /// Moves the outbox on, and tells the log when the bus comes to another state.
  [[nodiscard]] Status publish_some();
  [[nodiscard]] Result<std::string> skip_message(const DecisionRequest& request);
  /// Of a period's records and adjustments, those that are released.
  [[nodiscard]] Result<std::vector<Message>> released_messages(const std::string& period);
  [[nodiscard]] Result<std::string> resend_messages(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> audit_text(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_usage(const DecisionRequest& request);
  /// Those that touch [from, to), by content.
  [[nodiscard]] Result<std::vector<AnomalyContent>> anomalies(Ns from, Ns to);
  /// As they were when the audit log ended with `mark`.
  [[nodiscard]] Result<Decisions> decisions_at(const AuditMark& mark);
  /// Released periods that have a part in [from, to) are to be rated again: inside the transaction
  /// of what reaches into them.
  [[nodiscard]] Status touch_released(Ns from, Ns to);
  /// Rates one released period again that is due, to draft what comes out otherwise.
  [[nodiscard]] Due adjust_due();
  /// The same as further steps of a work.
  [[nodiscard]] Status adjust_in(Work& work);
  /// Tells `use` the round that would be drafted now.
  [[nodiscard]] Status adjustments_of(Work& work, const ClosedPeriod& closed,
                                      std::function<Status(AdjustmentRound)> use);
  /// Of the period's draft round, once it is what would be drafted now.
  [[nodiscard]] Status release_adjustments(Work& work, const std::string& period,
                                           const Decision& decision);
  /// How far metering has come: the newest watermark, else now.
  [[nodiscard]] Result<Ns> metered_until();
  /// Appends the periods that are not closed, up to the running one.
  [[nodiscard]] Status open_periods(std::vector<PeriodLine>& lines);
  [[nodiscard]] Result<BillingStatus> status();

  /// The one that a closed period was rated by.
  [[nodiscard]] Result<Catalogue> catalogue_of(const ClosedPeriod& closed);
  [[nodiscard]] PeriodLine line_of(const ClosedPeriod& closed) const;
  /// The file of an import under way that may write into the period; empty: none does.
  [[nodiscard]] std::string import_into(const Period& period) const;
  [[nodiscard]] static Error no_catalogue();

 private:
  struct Basis;
  [[nodiscard]] Result<Basis> basis();
  /// An error when that is not what there is now.
  [[nodiscard]] Status stands_on(const Basis& then);
  /// Compares what is left of it, and then `use`s it.
  [[nodiscard]] Status compare_in(Work& work, const std::shared_ptr<Comparison>& with,
                                  const std::function<Status()>& use);
  /// Tells it what changes in a period.
  [[nodiscard]] Status changes_in(Work& work, const std::shared_ptr<Comparison>& with,
                                  const Period& period, const std::string& state);
  [[nodiscard]] Status bring_into_force(const Comparison& with, const ApplyTerms& terms);
  [[nodiscard]] Result<std::string> catalogue_log();
  [[nodiscard]] Result<AuditMark> take_decision(const char* kind, const std::string& what,
                                                const Span& touched, const Decision& decision);
  [[nodiscard]] Status compare(const ClosedPeriod& closed, const std::string& against,
                               Review& review);
  [[nodiscard]] Result<std::string> list_anomalies(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_anomaly(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_waive(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_correct(const DecisionRequest& request);
  void note(Step step, const Status& done);
  /// Between two works.
  void take_turns();
  /// Begins what is due by itself.
  void begin_due();
  bool begin_next();
  [[nodiscard]] Status store(PeriodRun& run, const PeriodStore::Also& also);
  [[nodiscard]] Status release_by_itself(const ClosedPeriod& draft);
  [[nodiscard]] Status release_round(const AdjustmentRound& drafted, const AdjustmentRound& now,
                                     const Decision& decision);
  [[nodiscard]] Due release_due();
  [[nodiscard]] Due release_due_adjustments();
  [[nodiscard]] Status find_beginning();
  [[nodiscard]] Result<bool> has_data(const Period& period);
};

}  // namespace tallyman::rater
