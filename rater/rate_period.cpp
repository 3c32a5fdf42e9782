#include "rater/rate_period.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "rater/decisions/anomaly_runs.hpp"

namespace tallyman::rater {

namespace {

/// A period's usage with the anomalies that were accepted. `unseen` are views of which nothing but
/// those is known in it.
class RatedUsage : public UsageSource {
 public:
  RatedUsage(std::unique_ptr<UsageSource> known, std::vector<ViewFacts> unseen, Decisions decided,
             Ns slot, const Span& span)
      : known_(std::move(known)), views_(known_->views()), slot_(slot), span_(span) {
    std::move(unseen.begin(), unseen.end(), std::back_inserter(views_));
    for (AnomalyContent& each : decided.accepted) {
      accepted_[each.view].accepted.push_back(std::move(each));
    }
  }
  [[nodiscard]] const std::vector<ViewFacts>& views() const override { return views_; }
  [[nodiscard]] Result<SlotArray> slots(std::size_t view) override {
    Result<SlotArray> slots =
        view < known_->views().size() ? known_->slots(view) : Result<SlotArray>(SlotArray(slot_));
    const ViewFacts& facts = views_[view];
    const auto accepted = accepted_.find(facts.view);
    if (!slots || accepted == accepted_.end()) return slots;
    ViewUsage usage{facts, slots->list()};
    apply_accepted(accepted->second, slot_, span_.from, span_.to, usage);
    SlotArray out(slot_);
    for (const SlotUsage& each : usage.slots) out.add(each);
    return out;
  }

 private:
  std::unique_ptr<UsageSource> known_;
  std::vector<ViewFacts> views_;
  std::map<ViewKey, Decisions> accepted_;
  Ns slot_;
  Span span_;
};

/// Views whose accepted anomalies reach into a span before anything else is known of them: a start
/// may lie a period before the first reading.
Result<std::vector<ViewFacts>> unseen_views(UsageStore& usage,
                                            const std::vector<std::string>& metrics,
                                            const Decisions& decisions, const Span& span,
                                            const std::vector<ViewFacts>& seen) {
  std::set<ViewKey> accepted;
  for (const AnomalyContent& each : decisions.accepted) {
    const bool metered =
        std::find(metrics.begin(), metrics.end(), each.view.series.metric) != metrics.end();
    if (metered && each.from < span.to && each.to > span.from) accepted.insert(each.view);
  }
  if (!accepted.empty()) {
    for (const ViewFacts& facts : seen) accepted.erase(facts.view);
  }
  std::map<std::string, std::set<ViewKey>> wanted;  // by agent
  for (const ViewKey& view : accepted) wanted[view.agent].insert(view);
  std::vector<ViewFacts> out;
  for (const auto& [agent, views] : wanted) {
    const auto later = usage.source(metrics, span.from, kForever, agent);
    if (!later) return later.error();
    for (const ViewFacts& facts : (*later)->views()) {
      if (!views.contains(facts.view)) continue;
      out.push_back(facts);
      out.back().absent.clear();  // else it would have been seen in the span itself
    }
  }
  return out;
}

}  // namespace

Result<Decisions> standing(UsageStore& usage, Decisions decisions, const Span& span) {
  const auto may_go = [](const AnomalyContent& each) {
    return each.cause == AnomalyCause::witnesses;
  };
  const auto may_differ = [&](const AnomalyContent& each) {
    return may_go(each) || each.cause == AnomalyCause::room;
  };
  if (std::none_of(decisions.accepted.begin(), decisions.accepted.end(), may_differ)) {
    return decisions;
  }
  const auto kept = usage.anomalies(span.from, span.to);
  if (!kept) return kept.error();
  const std::vector<AnomalyRun> there = runs_of(*kept, decisions);
  const auto before = [](const AnomalyRun& run, const AnomalyContent& of) {
    return run.content < of;
  };
  std::erase_if(decisions.accepted, [&](const AnomalyContent& each) {
    if (!may_go(each)) return false;
    const auto at = std::lower_bound(there.begin(), there.end(), each, before);
    return at == there.end() || at->content != each;
  });
  return in_parts(std::move(decisions), there, span);
}

std::string record_source(const Ledger& ledger) { return "/tallyman/" + ledger.id_text(); }

Result<std::unique_ptr<UsageSource>> rated_usage(UsageStore& usage, const Catalogue& catalogue,
                                                 const Period& period, const Decisions& decisions,
                                                 Ns until) {
  const Span span = usage_span(catalogue, period);
  const Span part{span.from, std::min(span.to, until)};
  Result<std::unique_ptr<UsageSource>> known =
      usage.source(catalogue.metrics(), part.from, part.to);
  if (!known || decisions.accepted.empty()) return known;
  Result<Decisions> counted = standing(usage, decisions, part);
  if (!counted) return counted.error();
  Result<std::vector<ViewFacts>> unseen =
      unseen_views(usage, catalogue.metrics(), *counted, part, (*known)->views());
  if (!unseen) return unseen.error();
  return std::unique_ptr<UsageSource>(std::make_unique<RatedUsage>(
      std::move(*known), std::move(*unseen), std::move(*counted), usage.slot(), part));
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
