#include "rater/rating/runs.hpp"

#include <algorithm>

#include "rater/rating/measure_claims.hpp"

namespace tallyman::rater {

Doubt doubt_at(const SlotArray& slots, Ns at) {
  const Ns length = slots.length();
  const std::int64_t slot = at / length - (at % length < 0 ? 1 : 0);
  const Ns within = at - slot * length;
  const SlotUsage here = slots.at(slot);
  if (within == 0) {
    return {here.before, here.after, here.before == kNoEnd || here.after == kNoEnd};
  }
  const u128 first = share_of(here.amount, 0, within, length);
  const std::uint64_t later = slots.at(slot + 1).after;
  return {here.before + first, here.amount - first + later,
          here.before == kNoEnd || later == kNoEnd};
}

Leeway leeway_of(std::span<const Run> runs) {
  Leeway sum;
  for (auto run = runs.begin(); run != runs.end();) {
    const Run& first = *run;
    u128 amount = 0;
    const Run* last = &first;
    for (; run != runs.end(); ++run) {
      if (&*run != &first && (run->view != last->view || run->span.from != last->span.to)) break;
      amount += run->amount;
      last = &*run;
    }
    const bool no_end = first.begin.no_end || last->end.no_end;
    sum.less += no_end ? amount : std::min(amount, first.begin.after + last->end.before);
    sum.more += first.begin.before + last->end.after;
    sum.no_end |= no_end;
  }
  return sum;
}

std::vector<Run> cut_runs(std::span<const Run> runs, std::span<const Span> spans) {
  std::vector<Run> out;
  auto span = spans.begin();
  for (const Run& run : runs) {
    while (span != spans.end() && span->to <= run.span.from) ++span;
    for (auto at = span; at != spans.end() && at->from < run.span.to; ++at) {
      Run part = run;
      part.span = {std::max(run.span.from, at->from), std::min(run.span.to, at->to)};
      const u128 most = run.amount + run.begin.before + run.end.after;
      const Doubt all{most, most, run.begin.no_end || run.end.no_end};
      if (part.span.from != run.span.from) part.begin = all;
      if (part.span.to != run.span.to) part.end = all;
      out.push_back(part);
    }
  }
  return out;
}

}  // namespace tallyman::rater
