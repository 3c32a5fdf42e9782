#include "rater/rate_period.hpp"

#include <algorithm>
#include <utility>

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

std::string record_source(const Ledger& ledger) { return "/tallyman/" + ledger.id_text(); }

Result<std::unique_ptr<UsageSource>> rated_usage(UsageStore& usage, const Catalogue& catalogue,
                                                 const Period& period, const Decisions& decisions,
                                                 Ns until) {
  const Span span = usage_span(catalogue, period);
  const Span part{span.from, std::min(span.to, until)};
  Result<std::unique_ptr<UsageSource>> known =
      usage.source(catalogue.metrics(), part.from, part.to);
  if (!known || decisions.accepted.empty()) return known;
  return std::unique_ptr<UsageSource>(
      std::make_unique<RatedUsage>(std::move(*known), decisions, usage.slot(), part));
}

Result<Rating> rate_period(UsageStore& usage, const Catalogue& catalogue, const Period& period,
                           const Cut& cut, const Decisions& decisions, Ns until) {
  const Result<std::unique_ptr<UsageSource>> source =
      rated_usage(usage, catalogue, period, decisions, until);
  if (!source) return source.error();
  return rate(RatingTerms{catalogue, period, usage.slot(), cut.closed_without, until, decisions},
              **source);
}

Result<Drafts> drafts_of(UsageStore& usage, const Catalogue& catalogue, const Period& period,
                         Cut cut, const Decisions& decisions, const std::string& source) {
  Result<Rating> rating = rate_period(usage, catalogue, period, cut, decisions);
  if (!rating) return rating.error();
  Drafts drafts;
  drafts.period = period;
  drafts.catalogue = catalogue.version();
  drafts.cut = std::move(cut);
  for (const UsageRecord& record : rating->records) {
    drafts.messages.push_back(message_of(record, source));
  }
  for (const PeriodRecord& record : period_records(rating->records, period, drafts.catalogue,
                                                   drafts.cut.hash(), drafts.cut.closed_without)) {
    drafts.messages.push_back(message_of(record, source));
  }
  drafts.unattributed = std::move(rating->unattributed);
  drafts.totals = std::move(rating->totals);
  drafts.problems = std::move(rating->problems);
  return drafts;
}

}  // namespace tallyman::rater
