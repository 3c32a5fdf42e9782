// What a rating is made from: the period's usage with what people accepted.

#include <algorithm>
#include <utility>

#include "rater/billing_state.hpp"

namespace tallyman::rater {

namespace {

/// A period's usage with the anomalies that were accepted.
class RatedUsage : public UsageSource {
 public:
  RatedUsage(std::unique_ptr<UsageSource> known, Decisions decided, Ns slot, const Span& span)
      : known_(std::move(known)), decided_(std::move(decided)), slot_(slot), span_(span) {}
  [[nodiscard]] const std::vector<ViewFacts>& views() const override { return known_->views(); }
  [[nodiscard]] Result<SlotArray> slots(std::size_t view) override {
    Result<SlotArray> slots = known_->slots(view);
    const ViewFacts& facts = views()[view];
    const bool accepted =
        std::any_of(decided_.accepted.begin(), decided_.accepted.end(),
                    [&](const AnomalyContent& each) { return each.view == facts.view; });
    if (!slots || !accepted) return slots;
    ViewUsage usage{facts, slots->list()};
    apply_accepted(decided_, slot_, span_.from, span_.to, usage);
    SlotArray out(slot_);
    for (const SlotUsage& each : usage.slots) out.add(each);
    return out;
  }

 private:
  std::unique_ptr<UsageSource> known_;
  Decisions decided_;
  Ns slot_;
  Span span_;
};

}  // namespace

Result<std::unique_ptr<UsageSource>> Billing::State::usage_of(const Period& period, Ns until,
                                                              const Decisions& decided) {
  const Span span = usage_span(*catalogue, period);
  const Span part{span.from, std::min(span.to, until)};
  Result<std::unique_ptr<UsageSource>> known =
      usage->source(catalogue->metrics(), part.from, part.to);
  if (!known || decided.accepted.empty()) return known;
  return std::unique_ptr<UsageSource>(
      std::make_unique<RatedUsage>(std::move(*known), decided, options.slot, part));
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
