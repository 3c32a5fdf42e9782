// What rating reads.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "rater/derive/usage_store_rows.hpp"
#include "rater/derive/usage_store_state.hpp"
#include "rater/derive/witness_tables.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {
namespace {

struct Range {
  Ns from = 0, to = 0;
  std::int64_t first_slot = 0, last_slot = 0;
};

/// Runs of polling of each instance of each agent.
using Runs = std::map<std::pair<std::string, std::string>, std::vector<Span>>;

Result<Runs> read_runs(Database& db, const Range& range) {
  Runs out;
  auto read = db.prepare(
      "SELECT agent, instance, from_ns, to_ns FROM usage_run WHERE from_ns < ? AND to_ns > ?"
      " ORDER BY agent, instance, from_ns");
  read.bind(1, range.to).bind(2, range.from);
  for (;;) {
    const auto row = read.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out[{read.text(0), read.text(1)}].push_back({read.integer(2), read.integer(3)});
  }
}

/// The parts of [from, to) in which the runs say that somebody looked, clipped to the range.
void add_absent(std::vector<Span>& out, Span absent, const std::vector<Span>& runs,
                const Range& range) {
  for (const Span& run : runs) {
    const Span part{std::max({absent.from, run.from, range.from}),
                    std::min({absent.to, run.to, range.to})};
    if (part.from < part.to) out.push_back(part);
  }
}

/// Spans without [gap.from, gap.to).
void cut_out(std::vector<Span>& spans, const Span& gap) {
  std::vector<Span> out;
  for (const Span& span : spans) {
    const Ns end = std::min(span.to, gap.from), begin = std::max(span.from, gap.to);
    if (span.from < end) out.push_back({span.from, end});
    if (begin < span.to) out.push_back({begin, span.to});
  }
  spans = std::move(out);
}

/// Reads the facts of one view after another.
class ViewReader {
 public:
  ViewReader(Database& db, const Range& range, Runs runs, SlotTables& slots)
      : range_(range),
        runs_(std::move(runs)),
        slots_(slots),
        info_(db.prepare("SELECT from_ns, labels FROM usage_info WHERE view = ? ORDER BY from_ns")),
        absent_(db.prepare("SELECT from_ns, to_ns FROM usage_absent WHERE view = ?"
                           " AND from_ns < ? ORDER BY from_ns")),
        part_gaps_(db.prepare("SELECT from_ns, to_ns FROM usage_part_gap WHERE agent = ?"
                              " AND instance = ? AND subject = ? AND from_ns < ? AND to_ns > ?")) {}

  /// False when nothing is known of the view in the range, nor anything expected.
  Result<bool> read(std::int64_t view, bool expected, ViewFacts& out) {
    const auto runs = runs_.find({out.view.agent, out.view.instance});
    absent_.bind(1, view).bind(2, range_.to);
    Status status = each(absent_, [&] {
      const Span absent{absent_.integer(0), absent_.null(1) ? wire::kMaxTime : absent_.integer(1)};
      if (absent.from <= range_.from && absent.to >= range_.to) expected = false;
      if (runs != runs_.end()) add_absent(out.absent, absent, runs->second, range_);
      return Status();
    });
    if (!status.ok()) return status.error();
    if (Status cut = cut_part_gaps(out); !cut.ok()) return cut.error();
    if (out.absent.empty() && !expected) {
      const auto slots = slots_.read(view, range_.first_slot, range_.last_slot + 1);
      if (!slots.ok()) return slots.error();
      if (slots->empty()) return false;
    }
    info_.bind(1, view);
    status = each(info_, [&]() -> Status {
      auto labels = decode_labels(info_.blob(1));
      if (!labels.ok()) return labels.error();
      out.info.push_back({info_.integer(0), std::move(*labels)});
      return {};
    });
    if (!status.ok()) return status.error();
    return true;
  }

 private:
  template <typename Take>
  Status each(Statement& statement, Take&& take) {
    Status status;
    while (status.ok()) {
      const auto row = statement.step();
      if (!row.ok()) status = row.error();
      if (!row.ok() || !*row) break;
      status = take();
    }
    statement.reset();
    return status;
  }
  Status cut_part_gaps(ViewFacts& out) {
    if (out.absent.empty()) return {};
    for (const std::string& subject : part_subjects(out.view.series)) {
      part_gaps_.bind(1, out.view.agent)
          .bind(2, out.view.instance)
          .bind(3, as_bytes(subject))
          .bind(4, range_.to)
          .bind(5, range_.from);
      Status status = each(part_gaps_, [&] {
        cut_out(out.absent, {part_gaps_.integer(0), part_gaps_.integer(1)});
        return Status();
      });
      if (!status.ok()) return status;
    }
    return {};
  }

  Range range_;
  Runs runs_;
  SlotTables& slots_;
  Statement info_, absent_, part_gaps_;
};

/// Without what is known of [first, end) but what crosses the start of it: that bounds what stands
/// before it.
SlotArray only_crossing(const SlotArray& slots, std::int64_t first, std::int64_t end) {
  const SlotUsage edge = slots.at(first);
  SlotArray left = slots.part(slots.first(), first);
  const SlotUsage crossing{.slot = first, .before = edge.before, .after = edge.after};
  if (first < end && !is_nothing(crossing)) left.add(crossing);
  left.add(slots.part(end, slots.end()));
  return left;
}

Error unknown_cause(std::int64_t number) {
  return {"an anomaly has the unknown cause " + std::to_string(number), "ledger",
          "restore the ledger from a backup"};
}

/// What the ledger holds of a span.
class LedgerUsage : public UsageSource {
 public:
  LedgerUsage(Database& db, Ns slot, const Range& range)
      : db_(db), range_(range), slots_(db, slot) {}
  [[nodiscard]] const std::vector<ViewFacts>& views() const override { return views_; }
  [[nodiscard]] Result<SlotArray> slots(std::size_t view) override {
    const std::int64_t behind = range_.last_slot + 1;
    auto slots = slots_.read(ids_[view], range_.first_slot, behind + 1);
    if (!slots.ok()) return slots;
    if (slots->end() > behind) *slots = only_crossing(*slots, behind, behind + 1);
    if (views_[view].view.series.scope != wire::Scope::shared) return slots;
    const auto others = withheld(db_, ids_[view], range_.from, range_.to);
    if (!others.ok()) return others.error();
    for (const Span& other : *others) {
      *slots = only_crossing(*slots, other.from / slots->length(), other.to / slots->length());
    }
    return slots;
  }

  Status load(Database& db, const std::set<std::string>& metrics, const std::string& agent) {
    if (range_.from >= range_.to) return {};
    auto runs = read_runs(db, range_);
    if (!runs.ok()) return runs.error();
    ViewReader reader(db, range_, std::move(*runs), slots_);
    auto views = db.prepare(
        "SELECT id, key, resolution, first_ns, last_ns FROM usage_view WHERE metric = ?1"
        " AND (?2 = '' OR agent = ?2)");
    std::map<ViewKey, std::pair<std::int64_t, ViewFacts>> found;
    for (const std::string& metric : metrics) {
      views.bind(1, metric).bind(2, agent);
      for (;;) {
        const auto row = views.step();
        if (!row.ok()) return row.error();
        if (!*row) break;
        auto key = decode_view_key(views.blob(1));
        if (!key.ok()) return key.error();
        ViewFacts facts;
        facts.view = std::move(*key);
        facts.resolution = views.integer(2);
        const Ns first = views.integer(3), last = views.integer(4);
        const bool expected = first != 0 && first < range_.to && last >= range_.from - kExpectedFor;
        const std::int64_t id = views.integer(0);
        const auto known = reader.read(id, expected, facts);
        if (!known.ok()) return known.error();
        if (!*known) continue;
        ViewKey name = facts.view;
        found.emplace(std::move(name), std::pair(id, std::move(facts)));
      }
      views.reset();
    }
    for (auto& [key, each] : found) {
      ids_.push_back(each.first);
      views_.push_back(std::move(each.second));
    }
    return {};
  }

 private:
  Database& db_;
  Range range_;
  SlotTables slots_;
  std::vector<std::int64_t> ids_;
  std::vector<ViewFacts> views_;
};

}  // namespace

Result<std::unique_ptr<UsageSource>> UsageStore::source(std::span<const std::string> metrics,
                                                        Ns from, Ns to, const std::string& agent) {
  Range range{from, to, 0, -1};
  if (from < to && to > 0) {
    range.from = std::max<Ns>(from, 0);
    range.first_slot = range.from / state_->slot;
    range.last_slot = (to - 1) / state_->slot;
  } else {
    range.to = range.from;
  }
  Database& db = state_->ledger.database();
  auto source = std::make_unique<LedgerUsage>(db, state_->slot, range);
  Status loaded = source->load(db, {metrics.begin(), metrics.end()}, agent);
  if (!loaded.ok()) return loaded.error();
  return std::unique_ptr<UsageSource>(std::move(source));
}

Result<std::vector<ViewUsage>> UsageStore::slots(std::span<const std::string> metrics, Ns from,
                                                 Ns to, const std::string& agent) {
  const auto found = source(metrics, from, to, agent);
  if (!found.ok()) return found.error();
  std::vector<ViewUsage> out;
  for (const ViewFacts& facts : (*found)->views()) {
    const auto held = (*found)->slots(out.size());
    if (!held.ok()) return held.error();
    out.push_back({facts, held->list()});
  }
  return out;
}

Result<std::vector<StreamMark>> UsageStore::marks() {
  const auto streams = state_->intake.streams();
  if (!streams.ok()) return streams.error();
  std::vector<StreamMark> out;
  for (const Stream& stream : *streams) {
    StreamMark mark{.agent = stream.agent, .incarnation = stream.incarnation};
    mark.imported = stream.imported;
    mark.empty = stream.batches == 0;
    if (const auto it = state_->done.find(stream.id); it != state_->done.end()) {
      mark.sequence = it->second.sequence;
      mark.hash = it->second.hash;
      mark.watermark = it->second.watermark;
    }
    out.push_back(std::move(mark));
  }
  return out;
}

Result<std::vector<KeptAnomaly>> UsageStore::anomalies(Ns from, Ns to) {
  auto read = state_->ledger.database().prepare(
      "SELECT a.id, v.key, a.from_ns, a.to_ns, a.value, a.cause, '' FROM usage_anomaly a"
      " JOIN usage_view v ON v.id = a.view WHERE a.from_ns < ?1 AND a.to_ns > ?2 OR a.cause = ?4"
      " AND a.view IN (SELECT view FROM usage_anomaly"
      "  WHERE cause = ?4 AND from_ns < ?1 AND to_ns > ?2) UNION ALL"
      " SELECT 0, v.key, a.from_ns, a.to_ns, a.value, ?3, a.why FROM usage_witness a"
      " JOIN usage_view v ON v.id = a.view WHERE a.from_ns < ?1 AND a.to_ns > ?2"
      " AND a.value IS NOT NULL");
  read.bind(1, to).bind(2, from).bind(3, static_cast<std::int64_t>(AnomalyCause::witnesses));
  read.bind(4, static_cast<std::int64_t>(AnomalyCause::room));
  std::vector<KeptAnomaly> out;
  for (;;) {
    const auto row = read.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    auto key = decode_view_key(read.blob(1));
    if (!key.ok()) return key.error();
    const auto cause = cause_of_number(read.integer(5));
    if (!cause) return unknown_cause(read.integer(5));
    std::string why = read.text(6);
    out.push_back({.id = read.integer(0),
                   .view = std::move(*key),
                   .from = read.integer(2),
                   .to = read.integer(3),
                   .value = read.quantity(4),
                   .cause = *cause,
                   .why = why.empty() ? std::string(why_of(*cause)) : std::move(why)});
  }
}

}  // namespace tallyman::rater
