// What a rating is made from: the period's usage with what people accepted.

#include "rater/billing_state.hpp"
#include "rater/rate_period.hpp"

namespace tallyman::rater {

Result<std::unique_ptr<UsageSource>> Billing::State::usage_of(const Period& period, Ns until,
                                                              const Decisions& decided) {
  return rated_usage(*usage, *catalogue, period, decided, until);
}

Result<Rating> Billing::State::rate_until(const Period& period, const Cut& cut, Ns until) {
  const Result<Decisions> decided = decisions_at(cut.decision);
  if (!decided) return decided.error();
  const Result<std::unique_ptr<UsageSource>> source = usage_of(period, until, *decided);
  if (!source) return source.error();
  return rate(RatingTerms{*catalogue, period, options.slot, cut.closed_without, until, *decided},
              **source);
}

}  // namespace tallyman::rater
