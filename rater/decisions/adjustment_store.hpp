#pragma once
// Rounds of adjustments in the ledger (adjustment.hpp says what a round is).
//
// Tables (part "adjustments"): adjustment_round(period, revision, state, catalogue, tz, without,
// decision, decision_hash, cut): its cut; state 1 = draft, 2 = released; a period has at most one
// draft · adjustment_stream(period, revision, agent, incarnation, sequence, hash, watermark): of
// the cut, as period_stream · adjustment(period, revision, n, id, type, customer, meter,
// routing_key, body): in the order they go out · adjustment_due(period): released periods that
// something has reached into and that nobody has rated again since.

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "rater/bus/outbox.hpp"
#include "rater/decisions/adjustment.hpp"
#include "rater/ledger/ledger.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

struct AdjustmentRound {
  std::string period;
  std::uint64_t revision = 2;
  PeriodState state = PeriodState::draft;
  Hash catalogue{};
  Cut cut;
  std::vector<Message> messages;
};

/// Owned by Billing, on the loop's thread. The ledger outlives it. Every writing function but
/// set_due() is one transaction.
class AdjustmentStore {
 public:
  using Also = PeriodStore::Also;
  static Result<AdjustmentStore> open(Ledger& ledger);

  /// Notes released periods as due, of which some part lies in (from, to) and which begin at
  /// `since` or later; inside the caller's transaction, or by itself.
  [[nodiscard]] Status set_due(Ns from, Ns to, Ns since);
  [[nodiscard]] Status set_due(const std::string& period);
  /// The period that is due first, by name; nothing when none is.
  [[nodiscard]] Result<std::optional<std::string>> due();
  [[nodiscard]] Result<std::uint64_t> due_count();

  /// Takes the place of the period's draft round, which is gone when this one has no messages; the
  /// period is not due any more.
  [[nodiscard]] Status draft(const AdjustmentRound& round);
  /// Makes the draft round immutable and queues it. False when there is none.
  [[nodiscard]] Result<bool> release(const std::string& period, Outbox& outbox,
                                     const Also& also = {});

  /// All rounds of a period, ascending, without their messages' cut streams where not asked for.
  [[nodiscard]] Result<std::vector<AdjustmentRound>> rounds(const std::string& period);
  /// The last released one's number; 1 when there is none.
  [[nodiscard]] Result<std::uint64_t> last_released(const std::string& period);
  [[nodiscard]] Result<std::optional<AdjustmentRound>> drafted(const std::string& period);
  /// The earliest period, by name, that has a draft round.
  [[nodiscard]] Result<std::optional<std::string>> first_draft();
  [[nodiscard]] Result<std::uint64_t> drafts();
  /// Records as they stand after all released rounds.
  [[nodiscard]] Result<std::vector<RecordVersion>> standing(PeriodStore& periods,
                                                            const std::string& period);

 private:
  explicit AdjustmentStore(Ledger& ledger) : ledger_(&ledger) {}
  [[nodiscard]] Database& db() { return ledger_->database(); }
  [[nodiscard]] Status clear(const std::string& period);
  [[nodiscard]] Status insert(const AdjustmentRound& round);
  [[nodiscard]] Status read_cut(AdjustmentRound& round);
  [[nodiscard]] Status read_messages(AdjustmentRound& round);
  [[nodiscard]] Result<std::uint64_t> count(const char* sql);

  Ledger* ledger_;
};

}  // namespace tallyman::rater
