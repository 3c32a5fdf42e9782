#include "rater/decisions/adjustment_store.hpp"

#include <algorithm>
#include <utility>

#include "base/bytes.hpp"

namespace tallyman::rater {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr const char* kTables =
    "CREATE TABLE adjustment_round(period TEXT NOT NULL, revision INTEGER NOT NULL,"
    " state INTEGER NOT NULL, catalogue BLOB NOT NULL, tz TEXT NOT NULL, without BLOB NOT NULL,"
    " decision INTEGER NOT NULL, decision_hash BLOB NOT NULL, cut BLOB NOT NULL,"
    " PRIMARY KEY(period, revision)) WITHOUT ROWID;"
    "CREATE INDEX adjustment_draft ON adjustment_round(period) WHERE state = 1;"
    "CREATE TABLE adjustment_stream(period TEXT NOT NULL, revision INTEGER NOT NULL, agent TEXT NOT"
    " NULL, incarnation BLOB NOT NULL, sequence INTEGER NOT NULL, hash BLOB NOT NULL,"
    " watermark INTEGER NOT NULL, PRIMARY KEY(period, revision, agent, incarnation)) WITHOUT"
    " ROWID;"
    "CREATE TABLE adjustment(period TEXT NOT NULL, revision INTEGER NOT NULL, n INTEGER NOT NULL,"
    " id TEXT NOT NULL, type TEXT NOT NULL, customer TEXT NOT NULL, meter TEXT NOT NULL,"
    " routing_key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(period, revision, n)) WITHOUT"
    " ROWID;"
    "CREATE TABLE adjustment_due(period TEXT PRIMARY KEY) WITHOUT ROWID;";

constexpr std::size_t kMaxText = 1U << 20U;
constexpr std::int64_t kDraft = static_cast<std::int64_t>(PeriodState::draft);
constexpr std::int64_t kReleased = static_cast<std::int64_t>(PeriodState::released);

Bytes packed(const std::vector<std::string>& texts) {
  Bytes out;
  ByteWriter writer(out);
  writer.varint(texts.size());
  for (const std::string& text : texts) writer.text(text);
  return out;
}

std::vector<std::string> unpacked(ByteView bytes) {
  ByteReader reader(bytes);
  std::vector<std::string> texts(reader.count());
  for (std::string& text : texts) text = reader.text(kMaxText);
  return texts;
}

Result<std::optional<std::string>> one_text(Statement& select) {
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return *row ? std::optional(select.text(0)) : std::optional<std::string>();
}

}  // namespace

Result<AdjustmentStore> AdjustmentStore::open(Ledger& ledger) {
  if (const Status made = ledger.prepare_part("adjustments", kVersion, kTables); !made) {
    return made.error();
  }
  return AdjustmentStore(ledger);
}

Status AdjustmentStore::set_due(Ns from, Ns to, Ns since) {
  return db()
      .prepare(
          "INSERT OR IGNORE INTO adjustment_due SELECT id FROM period WHERE state = 2"
          " AND start >= ?3 AND start < ?2 AND end > ?1")
      .bind(1, from)
      .bind(2, to)
      .bind(3, since)
      .done();
}

Status AdjustmentStore::set_due(const std::string& period) {
  return db().prepare("INSERT OR IGNORE INTO adjustment_due VALUES(?)").bind(1, period).done();
}

Result<std::optional<std::string>> AdjustmentStore::due() {
  Statement select = db().prepare("SELECT period FROM adjustment_due ORDER BY period LIMIT 1");
  return one_text(select);
}

Result<std::optional<std::string>> AdjustmentStore::first_draft() {
  Statement select =
      db().prepare("SELECT period FROM adjustment_round WHERE state = 1 ORDER BY period LIMIT 1");
  return one_text(select);
}

Result<std::uint64_t> AdjustmentStore::count(const char* sql) {
  Statement select = db().prepare(sql);
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return static_cast<std::uint64_t>(select.integer(0));
}

Result<std::uint64_t> AdjustmentStore::last_released(const std::string& period) {
  Statement select =
      db().prepare("SELECT max(revision) FROM adjustment_round WHERE period = ? AND state = 2");
  const Result<bool> row = select.bind(1, period).step();
  if (!row) return row.error();
  return *row && !select.null(0) ? static_cast<std::uint64_t>(select.integer(0)) : 1;
}

Result<std::uint64_t> AdjustmentStore::due_count() {
  return count("SELECT COUNT(*) FROM adjustment_due");
}

Result<std::uint64_t> AdjustmentStore::drafts() {
  return count(
      "SELECT COUNT(*) FROM adjustment a JOIN adjustment_round r ON r.period = a.period"
      " AND r.revision = a.revision WHERE r.state = 1 AND a.meter != ''");
}

Status AdjustmentStore::draft(const AdjustmentRound& round) {
  Transaction transaction(db());
  if (!transaction.begun()) return transaction.begun();
  if (const Status cleared = clear(round.period); !cleared) return cleared;
  if (!round.messages.empty()) {
    if (const Status inserted = insert(round); !inserted) return inserted;
  }
  const Status done =
      db().prepare("DELETE FROM adjustment_due WHERE period = ?").bind(1, round.period).done();
  return done ? transaction.commit() : done;
}

Status AdjustmentStore::clear(const std::string& period) {
  const auto drafts =
      " WHERE period = ?1 AND revision IN (SELECT revision FROM adjustment_round"
      " WHERE period = ?1 AND state = 1)";
  for (const char* table : {"adjustment", "adjustment_stream", "adjustment_round"}) {
    Statement statement = db().prepare(std::string("DELETE FROM ") + table + drafts);
    statement.bind(1, period);
    if (const Status done = statement.done(); !done) return done;
  }
  return {};
}

Status AdjustmentStore::insert(const AdjustmentRound& round) {
  const auto revision = static_cast<std::int64_t>(round.revision);
  Statement head = db().prepare("INSERT INTO adjustment_round VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  head.bind(1, round.period).bind(2, revision).bind(3, kDraft);
  head.bind(4, ByteView(round.catalogue)).bind(5, round.cut.tz);
  head.bind(6, ByteView(packed(round.cut.closed_without)));
  head.bind(7, round.cut.decision.n).bind(8, ByteView(round.cut.decision.hash));
  head.bind(9, ByteView(round.cut.hash()));
  if (const Status done = head.done(); !done) return done;
  Statement stream = db().prepare("INSERT INTO adjustment_stream VALUES(?, ?, ?, ?, ?, ?, ?)");
  for (const StreamMark& mark : round.cut.marks) {
    stream.bind(1, round.period).bind(2, revision).bind(3, mark.agent);
    stream.bind(4, ByteView(mark.incarnation)).bind_u64(5, mark.sequence);
    stream.bind(6, ByteView(mark.hash)).bind(7, mark.watermark);
    if (const Status done = stream.done(); !done) return done;
  }
  Statement row = db().prepare("INSERT INTO adjustment VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  std::int64_t n = 0;
  for (const Message& message : round.messages) {
    row.bind(1, round.period).bind(2, revision).bind(3, ++n).bind(4, message.id);
    row.bind(5, message.type).bind(6, message.customer).bind(7, message.meter);
    row.bind(8, message.routing_key).bind(9, message.body);
    if (const Status done = row.done(); !done) return done;
  }
  return {};
}

Result<bool> AdjustmentStore::release(const std::string& period, Outbox& outbox, const Also& also) {
  Transaction transaction(db());
  if (!transaction.begun()) return transaction.begun().error();
  const auto round = drafted(period);
  if (!round) return round.error();
  if (!*round) return false;
  for (const Message& message : (*round)->messages) {
    const Status put = outbox.put(period, {message.id, message.routing_key, message.body});
    if (!put) return put.error();
  }
  Statement update =
      db().prepare("UPDATE adjustment_round SET state = ? WHERE period = ? AND state = ?");
  update.bind(1, kReleased).bind(2, period).bind(3, kDraft);
  if (const Status done = update.done(); !done) return done.error();
  if (const Status noted = also ? also() : Status(); !noted) return noted.error();
  if (const Status kept = transaction.commit(); !kept) return kept.error();
  return true;
}

Result<std::vector<AdjustmentRound>> AdjustmentStore::rounds(const std::string& period) {
  std::vector<AdjustmentRound> out;
  {
    Statement select = db().prepare(
        "SELECT revision, state, catalogue, tz, without, decision, decision_hash"
        " FROM adjustment_round WHERE period = ? ORDER BY revision");
    select.bind(1, period);
    for (;;) {
      const Result<bool> row = select.step();
      if (!row) return row.error();
      if (!*row) break;
      AdjustmentRound round;
      round.period = period;
      round.revision = static_cast<std::uint64_t>(select.integer(0));
      round.state = static_cast<PeriodState>(select.integer(1));
      round.catalogue = select.hash(2);
      round.cut.tz = select.text(3);
      round.cut.closed_without = unpacked(select.blob(4));
      round.cut.decision = {select.integer(5), select.hash(6)};
      out.push_back(std::move(round));
    }
  }
  for (AdjustmentRound& round : out) {
    if (const Status read = read_cut(round); !read) return read.error();
    if (const Status read = read_messages(round); !read) return read.error();
  }
  return out;
}

Status AdjustmentStore::read_cut(AdjustmentRound& round) {
  Statement select = db().prepare(
      "SELECT agent, incarnation, sequence, hash, watermark FROM adjustment_stream"
      " WHERE period = ? AND revision = ? ORDER BY agent, incarnation");
  select.bind(1, round.period).bind(2, static_cast<std::int64_t>(round.revision));
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return {};
    StreamMark mark{.agent = select.text(0)};
    const Bytes incarnation = select.blob(1);
    std::copy_n(incarnation.begin(), std::min(incarnation.size(), mark.incarnation.size()),
                mark.incarnation.begin());
    mark.sequence = select.u64(2);
    mark.hash = select.hash(3);
    mark.watermark = select.integer(4);
    round.cut.marks.push_back(std::move(mark));
  }
}

Status AdjustmentStore::read_messages(AdjustmentRound& round) {
  Statement select = db().prepare(
      "SELECT id, type, customer, meter, routing_key, body FROM adjustment"
      " WHERE period = ? AND revision = ? ORDER BY n");
  select.bind(1, round.period).bind(2, static_cast<std::int64_t>(round.revision));
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return {};
    round.messages.push_back({select.text(0),
                              select.text(1),
                              select.text(2),
                              select.text(3),
                              select.text(4),
                              select.text(5),
                              {}});
  }
}

Result<std::optional<AdjustmentRound>> AdjustmentStore::drafted(const std::string& period) {
  Result<std::vector<AdjustmentRound>> all = rounds(period);
  if (!all) return all.error();
  if (all->empty() || all->back().state != PeriodState::draft) {
    return std::optional<AdjustmentRound>();
  }
  return std::optional(std::move(all->back()));
}

Result<std::vector<RecordVersion>> AdjustmentStore::standing(PeriodStore& periods,
                                                             const std::string& period) {
  const auto versions = [](const std::vector<Message>& messages) {
    std::vector<RecordVersion> out;
    for (const Message& message : messages) {
      if (auto version = version_of(message)) out.push_back(std::move(*version));
    }
    return out;
  };
  const Result<std::vector<Message>> first = periods.messages(period);
  if (!first) return first.error();
  std::vector<RecordVersion> out = newest(versions(*first), {});
  const Result<std::vector<AdjustmentRound>> all = rounds(period);
  if (!all) return all.error();
  for (const AdjustmentRound& round : *all) {
    if (round.state == PeriodState::released) {
      out = newest(std::move(out), versions(round.messages));
    }
  }
  return out;
}

}  // namespace tallyman::rater
