#pragma once
// A close under way. It is rated in bounded steps on the loop's thread, between which batches go on
// being received and acknowledged, and everything else is answered; only nothing is derived, so
// that all slots are those of the cut it began with. Rejected: a worker with a connection of its
// own (SQLite's snapshot would keep the write-ahead log from being cut meanwhile, and the code that
// rates would have to be safe on two threads, for the half minute a month that it takes).

#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/derive/usage.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// Owned by Billing, on the loop's thread; it keeps the catalogue that it began with.
class PeriodClose {
 public:
  using Done = std::function<void(const Status&)>;

  /// `done`, when there is one, is called by whoever ends it, once.
  PeriodClose(Catalogue catalogue, const Period& period, Cut cut, Ns slot, Decisions decisions,
              std::unique_ptr<UsageSource> usage, Done done);

  [[nodiscard]] const Period& period() const { return drafts_.period; }
  [[nodiscard]] const Done& done() const { return done_; }
  PeriodStore::Also also{};  ///< what is kept with the drafts
  /// Rates until all is rated, or the clock has gone on by `budget`; false: all is.
  [[nodiscard]] Result<bool> rate_some(const Clock& clock, Ns budget);
  /// What is to be stored, once all is rated; an error when usage is not conserved. `source` names
  /// the ledger in messages.
  [[nodiscard]] Result<Drafts> take(const std::string& source);

 private:
  const Catalogue catalogue_;
  std::unique_ptr<UsageSource> usage_;
  PeriodRating rating_;
  Drafts drafts_;
  Done done_;
};

}  // namespace tallyman::rater
