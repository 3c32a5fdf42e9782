#pragma once
// Rating a period, pure: catalogue + usage + cut → records.

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "rater/derive/usage.hpp"
#include "rater/rating/catalogue.hpp"
#include "rater/rating/measure_claims.hpp"
#include "rater/rating/record.hpp"

namespace tallyman::rater {

/// What a period's rating is a function of, beside usage and catalogue.
struct Cut {
  std::vector<StreamMark> marks;  ///< ascending by agent and incarnation
  std::string tz;
  std::vector<std::string> closed_without;  ///< agents still awaited, ascending
  AuditMark decision;  ///< the last one on usage that counts; none: before the first

  [[nodiscard]] Hash hash() const;
};

struct Rating {
  std::vector<UsageRecord> records;  ///< ascending by customer and meter
  std::vector<Unattributed> unattributed;
  std::vector<LooseSeries> loose;     ///< series by series
  std::vector<MetricTotal> totals;    ///< conserved() tells whether they agree
  std::vector<std::string> problems;  ///< claimed twice, or unfit for a meter; in words, ascending
};

/// What a rating is a function of, beside usage. With `until` it gives the figures of a running
/// period, as if it ended there; allowances stay those of the whole period. A record names those of
/// `closed_without` that it draws on. Accepted anomalies are in the usage already
/// (apply_accepted()); of the decisions waivers and corrections count here.
struct RatingTerms {
  const Catalogue& catalogue;
  Period period;
  Ns slot = 0;
  std::vector<std::string> closed_without{};
  Ns until = kForever;
  Decisions decisions{};
  /// Of the catalogue's customers, the one that is rated alone: there are no totals then, and
  /// nothing of what nobody holds.
  std::optional<std::size_t> only{};
};

struct Line;

/// Rates a period customer by customer, in the memory of the largest one's slots that are not
/// merely added up. Catalogue and source outlive it, and stay as they are; one thread.
class PeriodRating {
 public:
  PeriodRating(RatingTerms terms, UsageSource& source);
  ~PeriodRating();
  PeriodRating(const PeriodRating&) = delete;
  PeriodRating& operator=(const PeriodRating&) = delete;
  /// Reads some of the next customer's series, bills one meter of them, hashes some of what that
  /// one read, or counts some of what nobody holds; false once all is done. An error is the
  /// source's.
  [[nodiscard]] Result<bool> step();
  /// Once, after the last step.
  [[nodiscard]] Rating take();
  /// After the last step, of the customer that was rated alone: its series, ascending.
  [[nodiscard]] std::vector<OwnedSeries> take_owned() { return std::move(owned_); }

 private:
  struct Metered;
  [[nodiscard]] Line line_of(const Meter& meter) const;
  void begin_customer();
  [[nodiscard]] Status read_some();
  void take_in(OwnedSeries& series);
  void bill_next();
  void hash_some();
  void end_customer();

  RatingTerms terms_;
  Attributor attributor_;
  Hash version_;
  std::size_t next_ = 0;  ///< customer
  std::size_t last_;      ///< one behind it
  std::size_t read_ = 0;  ///< of the customer's series
  bool begun_ = false, all_read_ = false;
  std::vector<OwnedSeries> owned_;                  ///< the customer's, so far
  std::vector<std::unique_ptr<Metered>> meters_{};  ///< the customer's
  std::size_t meter_ = 0;                           ///< whose record comes next
  bool hashing_ = false;                            ///< it is there, but for its evidence
  std::set<std::string> problems_;
  Rating rating_;
};

/// All steps at once.
[[nodiscard]] Result<Rating> rate(RatingTerms terms, UsageSource& source);

/// Usage in any order, at least of the span that usage_span() tells.
[[nodiscard]] Rating rate(const Catalogue& catalogue, const Period& period, Ns slot,
                          std::span<const ViewUsage> usage,
                          const std::vector<std::string>& closed_without, Ns until = kForever,
                          const Decisions& decisions = {});

/// From the first customer's start to the last one's end.
[[nodiscard]] Span usage_span(const Catalogue& catalogue, const Period& period);

/// Agents of whom something before `end` may still come: the newest watermark of all their
/// incarnations lies before it. Imports, and streams that sent nothing yet, are none. Ascending.
/// The wait is for all agents together, whosever customers they meter: the grace ends it.
[[nodiscard]] std::vector<std::string> awaited(std::span<const StreamMark> marks, Ns end);

}  // namespace tallyman::rater
