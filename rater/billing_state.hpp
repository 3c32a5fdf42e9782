#pragma once
// The inside of Billing: its parts, and the steps that a tick and the commands are made of.

#include <array>
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
#include "rater/decisions/within.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// What another catalogue would change in one period.
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

  std::unique_ptr<PeriodClose> closing{};  ///< nothing is derived while there is one

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
  [[nodiscard]] Status derive_all();
  /// The next period to close by itself; nothing before the first data.
  [[nodiscard]] Result<std::optional<Period>> next_period();
  [[nodiscard]] Status close_due();
  /// For `close ID`: known, ended, in its turn; one before the first only when it has data, as an
  /// import brings it.
  [[nodiscard]] Result<Period> period_to_close(const std::string& id);
  /// From beginning to end.
  [[nodiscard]] Status close(const Period& period, const PeriodStore::Also& also = {});
  /// Begins a close; an error when there is one already. Once begun, all that happens to it is told
  /// to `done`, when there is one.
  [[nodiscard]] Status start_close(const Period& period, const PeriodStore::Also& also,
                                   PeriodClose::Done done);
  [[nodiscard]] Status close_some(Ns budget);  ///< of what was begun
  [[nodiscard]] Status finish_close();         ///< of what was begun, if anything was
  [[nodiscard]] Result<Cut> cut_at(const Period& period);
  /// What a close would store under this cut.
  [[nodiscard]] Result<Drafts> drafts_of(const Period& period, Cut cut);
  /// Nothing when the drafts are what rating gives now under their own cut; else why they are not.
  [[nodiscard]] Status still_right(const ClosedPeriod& draft);
  /// Of the cut only marks and agents awaited count.
  [[nodiscard]] Result<Rating> rate_until(const Period& period, const Cut& cut, Ns until);
  /// Periods lie end to end only as long as their rule and zones stay: refuses a catalogue with
  /// others once a period is closed.
  [[nodiscard]] Status keeps_periods(const Catalogue& next);
  /// Brings a catalogue into force, with who decided it and why; false when it is in force already.
  [[nodiscard]] Result<bool> apply_catalogue(Catalogue next, const std::string& text, bool adjust,
                                             bool file, const Decision& decision);
  /// The configured file's, when it says something new.
  [[nodiscard]] Status apply_file(Catalogue next, const std::string& text);
  /// A decision on a period, to be kept with its effect.
  [[nodiscard]] PeriodStore::Also note_of(const char* kind, const std::string& period,
                                          const Decision& decision);
  [[nodiscard]] Result<std::string> decide_catalogue(DecisionRequest& request);
  [[nodiscard]] Result<std::string> diff_catalogue(const Catalogue& next);
  [[nodiscard]] Result<std::string> review(const std::string& id, const std::string& against,
                                           bool series);
  [[nodiscard]] Result<std::string> audit_text(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_usage(const DecisionRequest& request);
  /// Those that touch [from, to), by content.
  [[nodiscard]] Result<std::vector<AnomalyContent>> anomalies(Ns from, Ns to);
  /// As they were when the audit log ended with `mark`.
  [[nodiscard]] Result<Decisions> decisions_at(const AuditMark& mark);
  /// Released periods that have a part in [from, to) are to be rated again: inside the transaction
  /// of what reaches into them.
  [[nodiscard]] Status touch_released(Ns from, Ns to);
  /// Rates one released period again that is due, and drafts what comes out otherwise.
  [[nodiscard]] Status adjust_due();
  /// The round that would be drafted now.
  [[nodiscard]] Result<AdjustmentRound> adjustments_of(const ClosedPeriod& closed);
  /// Of the period's draft round, once it is what would be drafted now.
  [[nodiscard]] Status release_adjustments(const std::string& period, const Decision& decision);
  /// What another catalogue changes in closed periods and the next one to close.
  [[nodiscard]] Result<std::vector<PeriodChanges>> changes_by(const Catalogue& next);
  [[nodiscard]] Result<std::vector<Change>> changes_in(const Catalogue& next, const Period& period);
  /// Released periods in which it might change something.
  [[nodiscard]] Result<std::vector<std::string>> released_differing(const Catalogue& next);
  /// An error when it would change a released record.
  [[nodiscard]] Status keeps_released(const Catalogue& next);
  /// How far metering has come: the newest watermark, else now.
  [[nodiscard]] Result<Ns> metered_until();
  /// Appends the periods that are not closed, up to the running one.
  [[nodiscard]] Status open_periods(std::vector<PeriodLine>& lines);
  [[nodiscard]] Result<BillingStatus> status();

  /// The one that a closed period was rated by.
  [[nodiscard]] Result<Catalogue> catalogue_of(const ClosedPeriod& closed);
  [[nodiscard]] static PeriodLine line_of(const ClosedPeriod& closed);
  [[nodiscard]] static Error no_catalogue();

 private:
  [[nodiscard]] Result<AuditMark> take_decision(const char* kind, const std::string& what,
                                                const Span& touched, const Decision& decision);
  [[nodiscard]] Status compare(const ClosedPeriod& closed, const std::string& against,
                               Review& review);
  [[nodiscard]] Result<std::string> list_anomalies(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_anomaly(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_waive(const DecisionRequest& request);
  [[nodiscard]] Result<std::string> decide_correct(const DecisionRequest& request);
  void note(Step step, const Status& done);
  [[nodiscard]] Result<std::unique_ptr<PeriodClose>> begin(const Period& period, Cut cut,
                                                           PeriodClose::Done done);
  [[nodiscard]] Status store(PeriodClose& ended);
  [[nodiscard]] Status release_due();
  [[nodiscard]] Status release_due_adjustments();
  [[nodiscard]] Status publish_some();
  [[nodiscard]] Status find_beginning();
  [[nodiscard]] Result<bool> has_data(const Period& period);
  /// A period's usage with the anomalies that were accepted.
  [[nodiscard]] Result<std::unique_ptr<UsageSource>> usage_of(const Period& period, Ns until,
                                                              const Decisions& decided);
};

}  // namespace tallyman::rater
