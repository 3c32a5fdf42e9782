#pragma once
// What billing answers, as JSON documents. Pure: values in, text out. nlohmann-json is included by
// billing_json.cpp only, which also writes the messages that record.hpp declares.

#include <optional>
#include <string>
#include <vector>

#include "rater/decisions/adjustment_store.hpp"
#include "rater/decisions/decisions.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// Of a period that is not closed yet, or was.
struct PeriodLine {
  Period period;
  std::string state;  ///< running, ended, draft, released
  std::uint64_t messages = 0;
  std::vector<std::string> without;  ///< closed without these agents
  std::vector<std::string> awaited;  ///< agents that a close still waits for
  std::string import{};              ///< a file that is being imported into it; empty: none is
};

/// {"period":{…},"until":…,"usage":[{the data of a record}…],"unattributed":[…],"problems":[…]};
/// "" = every customer.
[[nodiscard]] std::string usage_document(const Period& period, Ns until, const Rating& rating,
                                         const std::string& customer);
[[nodiscard]] std::string periods_document(const std::vector<PeriodLine>& periods);
[[nodiscard]] std::string records_document(const std::string& period,
                                           const std::vector<Message>& messages);

struct Review {
  PeriodLine line;
  std::vector<Message> messages;
  std::vector<Unattributed> unattributed;
  std::vector<MetricTotal> totals;
  std::vector<std::string> problems;
  std::vector<AnomalyContent> anomalies;
  Decisions decisions;
  std::vector<AdjustmentRound> rounds;  ///< released: of adjustments, ascending
  std::string against;                  ///< the period that lines are compared with; may be empty
  std::vector<RecordVersion> before;    ///< its records, as they stand
  std::vector<LooseSeries> loose;       ///< when asked for: what nobody holds, series by series
};
[[nodiscard]] std::string review_document(const Review& review);

[[nodiscard]] std::string outbox_document(const std::vector<OutboxRow>& rows, std::uint64_t waiting,
                                          const std::string& bus, const BusState& state);
/// {"bus","state","node","detail","in_flight","held","repeated"}, without what is not so.
[[nodiscard]] std::string bus_document(const std::string& bus, const BusState& state);
/// {"skipped":id,…}
[[nodiscard]] std::string skipped_document(const OutboxRow& row);
/// What the audit log keeps of it.
[[nodiscard]] std::string skip_subject(const OutboxRow& row);
[[nodiscard]] std::string resend_subject(const std::string& what, std::uint64_t messages);

struct BillingStatus {
  std::string catalogue_path, catalogue_read;  ///< read: the file that is being compared
  std::optional<Hash> catalogue;               ///< none is in force
  std::size_t customers = 0, meters = 0, plans = 0, resources = 0;
  std::optional<PeriodLine> running, next;  ///< next: the one to close next
  std::optional<PeriodLine> draft, latest;  ///< earliest draft; the last one closed
  /// Released periods that are to be rated again, and adjustments that wait to be released.
  std::uint64_t adjustments_due = 0, adjustments = 0;
  std::uint64_t waiting = 0, confirmed = 0, skipped = 0;
  std::string bus, error;
  BusState bus_state;
  bool deriving = false;
  std::uint64_t comparing = 0;  ///< shared series whose past is compared anew
};
[[nodiscard]] std::string status_document(const BillingStatus& status);

}  // namespace tallyman::rater
