#include "rater/views/explain_adjusted.hpp"

#include <algorithm>
#include <utility>

#include "base/time_text.hpp"
#include "rater/decisions/catalogue_store.hpp"
#include "rater/decisions/decisions_json.hpp"
#include "rater/views/record_texts.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kAtOnce = 1000;   ///< entries of the log in memory
constexpr std::size_t kShortHash = 12;  ///< digits
using Texts = std::map<std::string, std::string>;

std::string at(const Texts& texts, const std::string& path) {
  const auto it = texts.find(path);
  return it == texts.end() || it->second == "unknown" ? std::string() : it->second;
}

std::string decided_text(const AuditEntry& entry) {
  return entry.kind + " by " + (entry.user.empty() ? "nobody known" : entry.user) + ", " +
         to_rfc3339_short(entry.at) + ": " + entry.why;
}

/// Streams that the later cut has more of.
void note_late_data(const Cut& before, const Cut& now, std::vector<std::string>& causes) {
  for (const StreamMark& mark : now.marks) {
    const auto old = std::find_if(before.marks.begin(), before.marks.end(), [&](const auto& each) {
      return each.agent == mark.agent && each.incarnation == mark.incarnation;
    });
    const std::uint64_t known = old == before.marks.end() ? 0 : old->sequence;
    if (mark.sequence <= known) continue;
    causes.push_back("data came after: " + mark.agent + "/" +
                     to_hex(mark.incarnation).substr(0, 8) + " batch " + std::to_string(known + 1) +
                     " to " + std::to_string(mark.sequence));
  }
}

/// Whether a decision on usage may have moved the record.
bool concerns(const AuditEntry& entry, const std::string& period, const Message& adjustment) {
  if (entry.kind == kAnomalyAccept || entry.kind == kAnomalyReject || entry.kind == kWaive) {
    return true;
  }
  if (entry.kind != kCorrect) return false;
  // One of this record takes the place of one that is there, or withdraws it.
  Decisions probe;
  probe.corrections = {{adjustment.customer, adjustment.meter, period, "0", {}}};
  if (!take_in(entry, probe).ok()) return false;
  return probe.corrections.empty() || probe.corrections.front().decision != Hash{};
}

/// Entries of the audit log, all of them, in order.
template <typename Visit>
Status each_entry(AuditLog& log, Visit&& visit) {
  for (std::int64_t after = 0;;) {
    const auto entries = log.entries(after, kAtOnce);
    if (!entries.ok()) return entries.error();
    if (entries->empty()) return {};
    for (const AuditEntry& entry : *entries) visit(entry);
    after = entries->back().mark.n;
  }
}

}  // namespace

Result<ExplainedAdjustment> adjusted_by(Snapshot& snapshot, const StandingRound& standing,
                                        const Message& adjustment) {
  const AdjustmentRound& round = standing.round;
  const Texts texts = data_texts(adjustment.body);
  ExplainedAdjustment out;
  out.revision = round.revision;
  out.original = at(texts, "original");
  out.previous = at(texts, "previous");
  for (const char* name : {"quantity", "exact", "amount"}) {
    const std::string inner = std::string(name) == "amount" ? "" : ".billed";
    out.changes.push_back({name, at(texts, "old." + std::string(name) + inner),
                           at(texts, "new." + std::string(name) + inner),
                           at(texts, "difference." + std::string(name))});
  }
  if (at(texts, "old.evidence") != at(texts, "new.evidence")) {
    note_late_data(standing.previous, round.cut, out.causes);
  }
  const std::string version = at(texts, "new.catalogue_version");
  const bool other = version != at(texts, "old.catalogue_version");
  std::string applied;
  const std::string subject = round_subject(round.period, round.revision);
  const Status read = each_entry(snapshot.audit(), [&](const AuditEntry& entry) {
    const std::int64_t n = entry.mark.n;
    if (n > standing.previous.decision.n && n <= round.cut.decision.n &&
        concerns(entry, round.period, adjustment)) {
      out.causes.push_back(decided_text(entry));
    } else if (entry.kind == kCatalogueApply && other && !version.empty() &&
               entry.what.find(version) != std::string::npos) {
      applied = decided_text(entry);
    } else if (entry.kind == "release" && entry.what == subject) {
      out.released = decided_text(entry);
    }
  });
  if (!read.ok()) return read.error();
  if (other && !version.empty()) {
    out.causes.push_back("catalogue " + version.substr(0, kShortHash) +
                         (applied.empty() ? "" : ", " + applied));
  }
  return out;
}

}  // namespace tallyman::rater
