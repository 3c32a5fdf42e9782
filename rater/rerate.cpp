#include "rater/rerate.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "rater/decisions/catalogue_store.hpp"
#include "rater/intake/intake_verify.hpp"
#include "rater/intake/raw_tables.hpp"

namespace tallyman::rater {

namespace {

constexpr std::size_t kBatchesAtOnce = 256;  ///< derived between two looks at the progress
constexpr const char* kRestore = "restore the ledger from a backup that has them";

std::string stream_text(const StreamMark& mark) {
  return mark.agent + "/" + to_hex(mark.incarnation).substr(0, 8);
}

Result<Stream> stream_of(Intake& intake, const StreamMark& mark) {
  const auto found = intake.stream(mark.agent, mark.incarnation);
  if (!found.ok()) return found.error();
  if (found->has_value()) return **found;
  return Error{"the ledger lacks a stream that the period was closed by", stream_text(mark),
               "is this the period's own ledger?"};
}

/// The chain's hash at the mark, by the batch that ends there.
Status check_mark(Database& db, const Stream& stream, const StreamMark& mark) {
  auto query = db.prepare("SELECT hash FROM batch WHERE stream = ? AND sequence <= ? AND last = ?");
  const auto row =
      query.bind(1, stream.id).bind_u64(2, mark.sequence).bind_u64(3, mark.sequence).step();
  if (!row.ok()) return row.error();
  const std::string where = stream_text(mark) + ", batch " + std::to_string(mark.sequence);
  if (!*row) return Error{"the ledger lacks a batch that the period was closed by", where, ""};
  if (query.hash(0) == mark.hash) return {};
  return Error{"the batch is not the one that the period was closed by: its hash differs", where,
               "`tallyman-rater verify` tells what is damaged"};
}

/// Whether the raw bytes of one day's batches, up to the mark, are all there.
Status check_day(Database& db, const Stream& stream, const StreamMark& mark, std::int64_t day) {
  const std::string table = raw_table(day);
  const std::string missing = table + ", " + stream_text(mark);
  auto there = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  const auto held = there.bind(1, table).step();
  if (!held.ok()) return held.error();
  if (!*held) {
    return Error{"the raw batches of a day that the period draws on are no longer held", missing,
                 kRestore};
  }
  auto lacks = db.prepare("SELECT b.sequence FROM batch b LEFT JOIN " + table +
                          " r ON r.stream = b.stream AND r.sequence = b.sequence WHERE b.stream = ?"
                          " AND b.sequence <= ? AND b.day = ? AND r.stream IS NULL LIMIT 1");
  const auto lack = lacks.bind(1, stream.id).bind_u64(2, mark.sequence).bind(3, day).step();
  if (!lack.ok()) return lack.error();
  if (!*lack) return {};
  return Error{"the raw bytes of a batch that the period draws on are missing",
               missing + ", batch " + std::to_string(lacks.u64(0)), kRestore};
}

/// How many batches lead up to the mark, all of them there.
Result<std::uint64_t> check_stream(Database& db, const Stream& stream, const StreamMark& mark) {
  if (mark.sequence == 0) return std::uint64_t{0};
  if (Status status = check_mark(db, stream, mark); !status.ok()) return status.error();
  auto days =
      db.prepare("SELECT day, count(*) FROM batch WHERE stream = ? AND sequence <= ? GROUP BY day");
  days.bind(1, stream.id).bind_u64(2, mark.sequence);
  std::uint64_t batches = 0;
  for (;;) {
    const auto row = days.step();
    if (!row.ok()) return row.error();
    if (!*row) return batches;
    batches += days.u64(1);
    if (Status status = check_day(db, stream, mark, days.integer(0)); !status.ok()) {
      return status.error();
    }
  }
}

/// The cut's streams by what the ledger holds of them, and how many batches they are up to it.
struct Log {
  std::vector<Stream> streams;
  std::uint64_t batches = 0;
};

Result<Log> log_of(Snapshot& snapshot, const Cut& cut) {
  Log log;
  for (const StreamMark& mark : cut.marks) {
    auto stream = stream_of(snapshot.intake(), mark);
    // Of a stream without a batch nothing need be left.
    if (!stream.ok() && mark.sequence == 0) continue;
    if (!stream.ok()) return stream.error();
    const auto batches = check_stream(snapshot.ledger().database(), *stream, mark);
    if (!batches.ok()) return batches.error();
    log.batches += *batches;
    log.streams.push_back(std::move(*stream));
  }
  return log;
}

}  // namespace

Result<std::unique_ptr<Snapshot>> Snapshot::open(const std::string& path, const Clock& clock) {
  auto ledger = Ledger::open_to_read(path);
  if (!ledger.ok()) return ledger.error();
  std::unique_ptr<Snapshot> snapshot(new Snapshot(std::move(*ledger), clock));
  auto intake = Intake::open(*snapshot->ledger_, clock);
  if (!intake.ok()) return intake.error();
  snapshot->intake_ = std::move(*intake);
  auto periods = PeriodStore::open(*snapshot->ledger_);
  if (!periods.ok()) return periods.error();
  snapshot->periods_ = *periods;
  auto audit = AuditLog::open(*snapshot->ledger_);
  if (!audit.ok()) return audit.error();
  snapshot->audit_ = *audit;
  if (Status status = snapshot->read_slot(); !status.ok()) return status.error();
  return snapshot;
}

Status Snapshot::read_slot() {
  auto read = ledger_->database().prepare("SELECT slot FROM usage_slot_length");
  const auto row = read.step();
  if (!row.ok()) return row.error();
  if (*row) slot_ = read.integer(0);
  if (slot_ > 0) return {};
  return Error{"the ledger does not know its slots' length yet", ledger_->path(),
               "let a rater run on it first"};
}

Result<ClosedPeriod> Snapshot::period(const std::string& id) {
  const auto found = periods_->period(id);
  if (!found.ok()) return found.error();
  if (found->has_value()) return **found;
  return Error{"no closed period of that name", id, "see `tallyman-rater periods`"};
}

Result<Catalogue> Snapshot::catalogue_of(const ClosedPeriod& period) {
  const auto text = CatalogueStore(*ledger_, *audit_).text_of(period.catalogue);
  if (!text.ok()) return text.error();
  const std::string name = "catalogue " + to_hex(period.catalogue).substr(0, 12);
  if (!text->has_value()) {
    return Error{"the ledger lacks the catalogue that the period was rated by",
                 period.period.id + ", " + name, "close the period again"};
  }
  app::ConfigErrors errors;
  Catalogue catalogue = parse_catalogue(**text, name, slot_, errors);
  if (!errors.empty()) return Error{errors.text(), "", ""};
  if (catalogue.version() == period.catalogue) return catalogue;
  return Error{"the catalogue does not have the content that the period was rated by",
               period.period.id + ", " + name,
               "use the rater that closed the period, or see what changed the ledger"};
}

Result<Decisions> Snapshot::decisions_of(const Cut& cut) {
  auto decisions = load_decisions(*audit_, cut.decision.n);
  if (!decisions.ok() || decisions->last == cut.decision) return decisions;
  return Error{"the decisions in the ledger are not those that the period was closed by",
               "decision " + std::to_string(cut.decision.n),
               "`tallyman-rater verify` tells what is damaged"};
}

Result<std::unique_ptr<UsageAgain>> UsageAgain::derive(Snapshot& snapshot, const Cut& cut,
                                                       const RerateProgress& progress) {
  const auto log = log_of(snapshot, cut);
  if (!log.ok()) return log.error();
  auto scratch = Ledger::open_scratch(snapshot.clock());
  if (!scratch.ok()) return scratch.error();
  std::unique_ptr<UsageAgain> again(new UsageAgain(std::move(*scratch)));
  auto usage = UsageStore::open(*again->scratch_, snapshot.intake(), snapshot.slot());
  if (!usage.ok()) return usage.error();
  again->usage_ = std::move(*usage);
  std::vector<StreamMark> marks = cut.marks;
  std::erase_if(marks, [](const StreamMark& mark) { return mark.sequence == 0; });
  for (bool more = true; more;) {
    const auto done = again->usage_->advance_to(marks, kBatchesAtOnce);
    if (!done.ok()) return done.error();
    again->batches_ += done->batches;
    more = done->more;
    if (progress) progress(again->batches_, log->batches);
  }
  return again;
}

Result<Rerated> rerate(Snapshot& snapshot, const Period& period, const Cut& cut,
                       const Catalogue& catalogue, const RerateProgress& progress) {
  const auto again = UsageAgain::derive(snapshot, cut, progress);
  if (!again.ok()) return again.error();
  const auto decisions = snapshot.decisions_of(cut);
  if (!decisions.ok()) return decisions.error();
  auto drafts = drafts_of((*again)->usage(), catalogue, period, cut, *decisions,
                          record_source(snapshot.ledger()));
  if (!drafts.ok()) return drafts.error();
  const auto streams = static_cast<std::uint64_t>(
      std::count_if(cut.marks.begin(), cut.marks.end(),
                    [](const StreamMark& mark) { return mark.sequence != 0; }));
  return Rerated{std::move(*drafts), streams, (*again)->batches()};
}

Result<LedgerReport> verify_cut(Snapshot& snapshot, const Cut& cut,
                                const LedgerProgress& progress) {
  LedgerReport report;
  report.path = snapshot.ledger().path();
  report.id = snapshot.ledger().id_text();
  const auto found = [&](LedgerFinding finding) {
    ++report.damages;
    if (report.findings.size() < kMaxLedgerFindings) report.findings.push_back(std::move(finding));
  };
  std::vector<Stream> streams;
  for (const StreamMark& mark : cut.marks) {
    if (mark.sequence == 0) continue;
    auto stream = stream_of(snapshot.intake(), mark);
    Status fine = stream.ok() ? check_mark(snapshot.ledger().database(), *stream, mark)
                              : Status(stream.error());
    if (!fine.ok()) {
      found({fine.error().what, "batch", mark.agent, to_hex(mark.incarnation), mark.sequence,
             mark.sequence});
    }
    if (stream.ok()) streams.push_back(std::move(*stream));
  }
  Status done = verify_these(snapshot.ledger().database(), streams, report, found, progress);
  if (!done.ok()) return done.error();
  return report;
}

}  // namespace tallyman::rater
