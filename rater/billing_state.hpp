#pragma once
// The inside of Billing: its parts, and the steps that a tick and the commands are made of.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rater/billing.hpp"
#include "rater/billing_json.hpp"
#include "rater/bus/outbox.hpp"
#include "rater/derive/usage_store.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// Owned by Billing, on the loop's thread.
struct Billing::State {
  Ledger& ledger;
  Intake& intake;
  BillingOptions options;
  const Clock& clock;
  std::unique_ptr<UsageStore> usage;
  PeriodStore periods;
  std::unique_ptr<Outbox> outbox;
  std::optional<Catalogue> catalogue{};
  std::string error{};            ///< what the last tick failed with
  bool more = false;              ///< the last tick left work behind
  bool deriving = false;          ///< committed batches wait to be derived
  std::size_t streams_known = 0;  ///< that the beginning was sought in
  std::uint64_t derived = 0;      ///< batches since the start

  /// Kept from one status to the next: what it took to know.
  struct Late {
    std::string period;
    std::uint64_t derived = 0;
    Ns at = 0;  ///< boot clock
    std::optional<std::uint64_t> records;
  };
  std::optional<Late> late{};

  [[nodiscard]] Status step();
  [[nodiscard]] Status derive_all();
  /// The next period to close by itself; nothing before the first data.
  [[nodiscard]] Result<std::optional<Period>> next_period();
  [[nodiscard]] Status close_due();
  /// For `close ID`: known, ended, in its turn.
  [[nodiscard]] Result<Period> period_to_close(const std::string& id);
  [[nodiscard]] Status close(const Period& period);
  [[nodiscard]] Result<Cut> cut_at(const Period& period);
  [[nodiscard]] Result<Rating> rate_until(const Period& period,
                                          const std::vector<std::string>& without, Ns until);
  /// How far metering has come: the newest watermark, else now.
  [[nodiscard]] Result<Ns> metered_until();
  /// How many records of a released period would come out otherwise now; nothing when the catalogue
  /// is not the one it was rated by. An answer not older than `max_age` will do.
  [[nodiscard]] Result<std::optional<std::uint64_t>> late_records(const ClosedPeriod& closed,
                                                                  Ns max_age);
  /// Appends the periods that are not closed, up to the running one.
  [[nodiscard]] Status open_periods(std::vector<PeriodLine>& lines);
  [[nodiscard]] Result<BillingStatus> status();

  [[nodiscard]] static PeriodLine line_of(const ClosedPeriod& closed);
  [[nodiscard]] static Error no_catalogue();

 private:
  [[nodiscard]] Status find_beginning();
};

}  // namespace tallyman::rater
