#pragma once
// A period's rating under way. It is rated in bounded steps on the loop's thread (work.hpp),
// between which batches go on being received and acknowledged, and everything else is answered;
// only nothing is derived, so that all slots are those of the cut it began with. Rejected: a worker
// with a connection of its own (SQLite's snapshot would keep the write-ahead log from being cut
// meanwhile, and the code that rates would have to be safe on two threads, for the half minute a
// month that it takes).

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rater/derive/usage.hpp"
#include "rater/rating/close.hpp"
#include "rater/rating/period_store.hpp"

namespace tallyman::rater {

/// Owned by a step of a Work, on the loop's thread; it keeps the catalogue that it began with.
class PeriodRun {
 public:
  /// Of the terms the catalogue is not looked at, and the agents awaited are the cut's.
  PeriodRun(Catalogue catalogue, RatingTerms terms, Cut cut, std::unique_ptr<UsageSource> usage);

  [[nodiscard]] const Catalogue& catalogue() const { return catalogue_; }
  /// False: all is rated. Then once one of those below.
  [[nodiscard]] Result<bool> step() { return rating_.step(); }
  /// What a close stores; an error when usage is not conserved. `source` names the ledger in
  /// messages.
  [[nodiscard]] Result<Drafts> drafts(const std::string& source);
  [[nodiscard]] Rating rating() { return rating_.take(); }
  [[nodiscard]] std::vector<OwnedSeries> owned() { return rating_.take_owned(); }

 private:
  const Catalogue catalogue_;
  std::unique_ptr<UsageSource> usage_;
  Drafts drafts_;
  PeriodRating rating_;
};

}  // namespace tallyman::rater
