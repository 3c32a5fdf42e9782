#pragma once
// Closed periods, their cuts and records, and the versions of the catalogue, in the ledger.
//
// Tables: catalogue(n, version, applied, text): catalogue_store.hpp has it · period(id, start, end,
// state, catalogue, tz, cut, without, problems, records, decision, decision_hash): state 1 = draft,
// 2 = released; records = how many `record` holds of it; decision = the last one on usage in the
// audit log that counts · period_stream(period, agent, incarnation, sequence, hash,
// watermark): the cut · unattributed(period, metric, source, unit, amount, series) · billing(one,
// beginning) · record(period, n, id, type, customer, meter, routing_key, evidence, body): in the
// order they go out. The columns of a key stand first in its table: behind others, SQLite's
// integrity check takes what it holds for NULL. Rejected: records as columns of figures (what is
// released is bytes, and must stay those).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "rater/bus/outbox.hpp"
#include "rater/ledger/ledger.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/record.hpp"

namespace tallyman::rater {

enum class PeriodState : std::uint8_t { draft = 1, released = 2 };

struct ClosedPeriod {
  Period period;
  PeriodState state = PeriodState::draft;
  Hash catalogue{};
  Hash cut{};
  std::vector<std::string> without;  ///< agents it was closed without
  std::uint64_t messages = 0;
};

/// What a close stores, in one transaction.
struct Drafts {
  Period period;
  Hash catalogue{};
  Cut cut;
  std::vector<Message> messages;
  std::vector<Unattributed> unattributed;
  std::vector<MetricTotal> totals;
  std::vector<std::string> problems;
};

/// Owned by Billing, on the loop's thread. The ledger outlives it. Every writing function is one
/// transaction: it is done whole, or not at all.
class PeriodStore {
 public:
  static Result<PeriodStore> open(Ledger& ledger);

  /// What is to be kept in the same transaction: a decision; may be empty.
  using Also = std::function<Status()>;

  /// Replaces a period's drafts; refused once it is released.
  [[nodiscard]] Status store(const Drafts& drafts, const Also& also = {});
  /// Makes the drafts immutable and queues them. Once released, nothing more happens.
  [[nodiscard]] Status release(const std::string& id, Outbox& outbox, const Also& also = {});

  /// Earliest first.
  [[nodiscard]] Result<std::vector<ClosedPeriod>> periods();
  [[nodiscard]] Result<std::optional<ClosedPeriod>> period(const std::string& id);
  /// The one that begins last.
  [[nodiscard]] Result<std::optional<ClosedPeriod>> latest();
  /// The earliest one that is not released.
  [[nodiscard]] Result<std::optional<ClosedPeriod>> earliest_draft();
  [[nodiscard]] Result<std::vector<Message>> messages(const std::string& id);
  /// The period that holds the record of that id, or of the one whose id begins so; an error when
  /// it is none, or not one alone.
  [[nodiscard]] Result<std::string> period_of_record(const std::string& id);
  /// What a period was closed under; empty when there is no such period.
  [[nodiscard]] Result<Cut> cut(const std::string& id);
  [[nodiscard]] Result<std::vector<Unattributed>> unattributed(const std::string& id);
  [[nodiscard]] Result<std::vector<std::string>> problems(const std::string& id);
  [[nodiscard]] Result<std::vector<MetricTotal>> totals(const std::string& id);
  /// Where the first period begins: moved only while nothing is closed.
  [[nodiscard]] Result<std::optional<Ns>> beginning();
  [[nodiscard]] Status set_beginning(Ns instant);

 private:
  explicit PeriodStore(Ledger& ledger) : ledger_(&ledger) {}
  [[nodiscard]] Database& db() { return ledger_->database(); }
  [[nodiscard]] Result<std::vector<ClosedPeriod>> select(const char* which, std::string_view id);
  [[nodiscard]] Result<std::optional<ClosedPeriod>> select_one(const char* which,
                                                               std::string_view id);
  [[nodiscard]] Status clear(const std::string& id);
  [[nodiscard]] Status insert(const Drafts& drafts);

  Ledger* ledger_;
};

[[nodiscard]] const char* period_state_name(PeriodState state);

}  // namespace tallyman::rater
