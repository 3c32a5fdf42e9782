#include "rater/decisions/anomaly_runs.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace tallyman::rater {
namespace {

constexpr std::size_t kDigits = 64;  ///< of a whole id

/// Numbers what is alike; ascending.
template <typename Each, typename ContentOf>
void number_alike(std::vector<Each>& all, ContentOf content) {
  for (Each& each : all) content(each).ordinal = 0;
  std::stable_sort(all.begin(), all.end(),
                   [&](const Each& a, const Each& b) { return content(a) < content(b); });
  for (std::size_t i = 1; i < all.size(); ++i) {
    AnomalyContent alike = content(all[i - 1]);
    alike.ordinal = 0;
    if (alike == content(all[i])) content(all[i]).ordinal = content(all[i - 1]).ordinal + 1;
  }
}

/// Of each view, where runs that were decided on begin, and where they end.
using Decided = std::map<ViewKey, std::map<Ns, Ns>>;

Decided decided_runs(const Decisions& decisions) {
  Decided out;
  const auto take = [&](const AnomalyContent& each) {
    if (each.cause == AnomalyCause::room) out[each.view].emplace(each.from, each.to);
  };
  for (const AnomalyContent& each : decisions.accepted) take(each);
  for (const auto& [id, each] : decisions.rejected) take(each);
  return out;
}

/// Of parts that ascend, those that lie in one time with another.
std::vector<bool> overlapping(const std::vector<AnomalyContent>& parts) {
  std::vector<bool> out(parts.size(), false);
  std::size_t longest = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].from < parts[longest].to) out[i] = out[longest] = true;
    if (parts[i].to > parts[longest].to) longest = i;
  }
  return out;
}

/// Joins the parts of one view, ascending.
void join(std::vector<AnomalyContent> parts, const std::map<Ns, Ns>& decided,
          std::vector<AnomalyRun>& out) {
  const std::vector<bool> beside = overlapping(parts);
  bool open = false;  // the last run may go on
  Ns settled = 0;     // up to here it is one that was decided on
  for (std::size_t i = 0; i < parts.size(); ++i) {
    AnomalyContent& part = parts[i];
    const auto begins = decided.find(part.from);
    const bool follows = open && !beside[i] && out.back().content.to == part.from &&
                         (part.from < settled || begins == decided.end()) && part.from != settled;
    if (follows) {
      out.back().content.to = part.to;
      out.back().content.value += part.value;
      out.back().parts.push_back(std::move(part));
      continue;
    }
    open = !beside[i];
    settled = begins == decided.end() ? 0 : begins->second;
    out.push_back({part, {part}});
  }
}

}  // namespace

std::vector<AnomalyContent> content_of(const std::vector<KeptAnomaly>& kept) {
  std::vector<AnomalyContent> all;
  for (const KeptAnomaly& each : kept) {
    all.push_back({each.view, each.from, each.to, each.value, each.why, 0, each.cause});
  }
  number_alike(
      all, [](auto& each) -> auto& { return each; });
  return all;
}

std::vector<AnomalyRun> runs_of(const std::vector<KeptAnomaly>& kept, const Decisions& decisions) {
  std::vector<AnomalyRun> out;
  std::map<ViewKey, std::vector<AnomalyContent>> full;
  for (AnomalyContent& each : content_of(kept)) {
    if (each.cause == AnomalyCause::room) {
      full[each.view].push_back(std::move(each));
    } else {
      out.push_back({each, {each}});
    }
  }
  const Decided decided = decided_runs(decisions);
  static const std::map<Ns, Ns> kNone;
  for (auto& [view, parts] : full) {
    const auto of_view = decided.find(view);
    join(std::move(parts), of_view == decided.end() ? kNone : of_view->second, out);
  }
  number_alike(
      out, [](auto& each) -> auto& { return each.content; });
  return out;
}

std::vector<AnomalyContent> runs_named(const std::vector<AnomalyRun>& runs,
                                       const Decisions& decisions, const std::string& id) {
  std::vector<AnomalyContent> whole, begun;
  for (const AnomalyRun& run : runs) {
    const Hash mine = run.content.id();
    if (to_hex(mine).starts_with(id)) whole.push_back(run.content);
    if (id.size() < kDigits || decisions.accepts(mine) || decisions.rejects(mine)) continue;
    AnomalyContent then = run.content;
    then.value = 0;
    for (std::size_t i = 0; i + 1 < run.parts.size(); ++i) {
      then.to = run.parts[i].to;
      then.value += run.parts[i].value;
      if (to_hex(then.id()) == id) begun.push_back(then);
    }
  }
  return whole.empty() ? begun : whole;
}

Decisions in_parts(Decisions decisions, const std::vector<AnomalyRun>& runs, const Span& span) {
  std::vector<AnomalyContent> counted;
  for (AnomalyContent& each : decisions.accepted) {
    const auto at = std::lower_bound(
        runs.begin(), runs.end(), each,
        [](const AnomalyRun& run, const AnomalyContent& of) { return run.content < of; });
    if (at != runs.end() && at->content == each && at->parts.size() > 1) {
      std::copy_if(
          at->parts.begin(), at->parts.end(), std::back_inserter(counted),
          [&](const AnomalyContent& part) { return part.from < span.to && part.to > span.from; });
    } else {
      counted.push_back(std::move(each));
    }
  }
  std::sort(counted.begin(), counted.end());
  decisions.accepted = std::move(counted);
  return decisions;
}

}  // namespace tallyman::rater
