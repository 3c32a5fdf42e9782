#include "rater/rating/period_store.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "rater/rating/totals_store.hpp"

namespace tallyman::rater {

namespace {

constexpr const char* kSchema =
    "CREATE TABLE catalogue(n INTEGER PRIMARY KEY AUTOINCREMENT, version BLOB NOT NULL,"
    " applied INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE TABLE billing(one INTEGER PRIMARY KEY CHECK(one = 1), beginning INTEGER NOT NULL);"
    "CREATE TABLE period(id TEXT PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL,"
    " state INTEGER NOT NULL, catalogue BLOB NOT NULL, tz TEXT NOT NULL, cut BLOB NOT NULL,"
    " without BLOB NOT NULL, problems BLOB NOT NULL, records INTEGER NOT NULL,"
    " decision INTEGER NOT NULL DEFAULT 0, decision_hash BLOB) WITHOUT ROWID;"
    "CREATE INDEX period_start ON period(start);"
    "CREATE INDEX period_draft ON period(start) WHERE state = 1;"
    "CREATE TABLE period_stream(period TEXT NOT NULL, agent TEXT NOT NULL, incarnation BLOB NOT"
    " NULL, sequence INTEGER NOT NULL, hash BLOB NOT NULL, watermark INTEGER NOT NULL,"
    " PRIMARY KEY(period, agent, incarnation)) WITHOUT ROWID;"
    "CREATE TABLE unattributed(period TEXT NOT NULL, metric TEXT NOT NULL, source TEXT NOT NULL,"
    " unit TEXT NOT NULL, amount BLOB NOT NULL, series INTEGER NOT NULL,"
    " PRIMARY KEY(period, metric, source)) WITHOUT ROWID;"
    "CREATE TABLE record(period TEXT NOT NULL, n INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT"
    " NULL, customer TEXT NOT NULL, meter TEXT NOT NULL, routing_key TEXT NOT NULL,"
    " evidence BLOB NOT NULL, body TEXT NOT NULL, PRIMARY KEY(period, n)) WITHOUT ROWID;";

constexpr std::size_t kMaxText = 1U << 20U;

/// The third version had one sum of a metric, of all sources.
Status add_source(Database& database) {
  return database.run(
      "ALTER TABLE unattributed RENAME TO unattributed_of_all;"
      "CREATE TABLE unattributed(period TEXT NOT NULL, metric TEXT NOT NULL, source TEXT NOT NULL,"
      " unit TEXT NOT NULL, amount BLOB NOT NULL, series INTEGER NOT NULL,"
      " PRIMARY KEY(period, metric, source)) WITHOUT ROWID;"
      "INSERT INTO unattributed SELECT period, metric, '', unit, amount, series FROM"
      " unattributed_of_all;"
      "DROP TABLE unattributed_of_all");
}

/// Before the third version no decision on usage counted.
Status add_decision(Database& database) {
  return database.run(
      "ALTER TABLE period ADD COLUMN decision INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE period ADD COLUMN decision_hash BLOB");
}

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

}  // namespace

const char* period_state_name(PeriodState state) {
  return state == PeriodState::released ? "released" : "draft";
}

Result<PeriodStore> PeriodStore::open(Ledger& ledger) {
  if (const Status made = ledger.prepare_part("billing", 4, kSchema, {add_decision, add_source});
      !made) {
    return made.error();
  }
  if (const Status made = prepare_totals(ledger); !made) return made.error();
  return PeriodStore(ledger);
}

Status PeriodStore::store(const Drafts& drafts, const Also& also) {
  Transaction transaction(db());
  if (!transaction.begun()) return transaction.begun();
  const Result<std::optional<ClosedPeriod>> there = period(drafts.period.id);
  if (!there) return there.error();
  if (*there && (*there)->state == PeriodState::released) {
    return Error{"the period is released, and stays as it is", drafts.period.id, ""};
  }
  if (const Status cleared = clear(drafts.period.id); !cleared) return cleared;
  if (const Status inserted = insert(drafts); !inserted) return inserted;
  if (const Status noted = also ? also() : Status(); !noted) return noted;
  return transaction.commit();
}

Status PeriodStore::clear(const std::string& id) {
  for (const char* sql :
       {"DELETE FROM period WHERE id = ?", "DELETE FROM period_stream WHERE period = ?",
        "DELETE FROM unattributed WHERE period = ?", "DELETE FROM record WHERE period = ?"}) {
    Statement statement = db().prepare(sql);
    statement.bind(1, id);
    if (const Status done = statement.done(); !done) return done;
  }
  return {};
}

Status PeriodStore::insert(const Drafts& drafts) {
  const std::string& id = drafts.period.id;
  Statement period = db().prepare("INSERT INTO period VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  period.bind(1, id).bind(2, drafts.period.start).bind(3, drafts.period.end);
  period.bind(4, std::int64_t{static_cast<int>(PeriodState::draft)});
  period.bind(5, ByteView(drafts.catalogue)).bind(6, drafts.cut.tz);
  period.bind(7, ByteView(drafts.cut.hash()));
  period.bind(8, ByteView(packed(drafts.cut.closed_without)));
  period.bind(9, ByteView(packed(drafts.problems)));
  period.bind(10, static_cast<std::int64_t>(drafts.messages.size()));
  period.bind(11, drafts.cut.decision.n).bind(12, ByteView(drafts.cut.decision.hash));
  if (const Status done = period.done(); !done) return done;

  Statement stream = db().prepare("INSERT INTO period_stream VALUES(?, ?, ?, ?, ?, ?)");
  for (const StreamMark& mark : drafts.cut.marks) {
    stream.bind(1, id).bind(2, mark.agent).bind(3, ByteView(mark.incarnation));
    stream.bind_u64(4, mark.sequence).bind(5, ByteView(mark.hash)).bind(6, mark.watermark);
    if (const Status done = stream.done(); !done) return done;
  }
  Statement rest = db().prepare("INSERT INTO unattributed VALUES(?, ?, ?, ?, ?, ?)");
  for (const Unattributed& sum : drafts.unattributed) {
    rest.bind(1, id).bind(2, sum.metric).bind(3, sum.source).bind(4, sum.unit);
    rest.bind(5, sum.amount).bind_u64(6, sum.series);
    if (const Status done = rest.done(); !done) return done;
  }
  if (const Status stored = store_totals(db(), id, drafts.totals); !stored) return stored;
  Statement record = db().prepare("INSERT INTO record VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
  std::int64_t n = 0;
  for (const Message& message : drafts.messages) {
    record.bind(1, id).bind(2, ++n).bind(3, message.id).bind(4, message.type);
    record.bind(5, message.customer).bind(6, message.meter).bind(7, message.routing_key);
    record.bind(8, ByteView(message.evidence)).bind(9, message.body);
    if (const Status done = record.done(); !done) return done;
  }
  return {};
}

Status PeriodStore::release(const std::string& id, Outbox& outbox, const Also& also) {
  Transaction transaction(db());
  if (!transaction.begun()) return transaction.begun();
  const Result<std::optional<ClosedPeriod>> there = period(id);
  if (!there) return there.error();
  if (!*there) return Error{"there are no drafts to release", id, "close the period first"};
  if ((*there)->state == PeriodState::released) return {};
  const Result<std::vector<Message>> drafts = messages(id);
  if (!drafts) return drafts.error();
  for (const Message& message : *drafts) {
    const Status put = outbox.put(id, {message.id, message.routing_key, message.body});
    if (!put) return put;
  }
  Statement update = db().prepare("UPDATE period SET state = ? WHERE id = ?");
  update.bind(1, std::int64_t{static_cast<int>(PeriodState::released)}).bind(2, id);
  if (const Status done = update.done(); !done) return done;
  if (const Status noted = also ? also() : Status(); !noted) return noted;
  return transaction.commit();
}

Result<std::vector<ClosedPeriod>> PeriodStore::select(const char* which, std::string_view id) {
  Statement select = db().prepare(
      std::string("SELECT id, start, end, state, catalogue, cut, without, records FROM period ") +
      which);
  if (!id.empty()) select.bind(1, id);
  std::vector<ClosedPeriod> all;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return all;
    ClosedPeriod p;
    p.period = {select.text(0), select.integer(1), select.integer(2)};
    p.state = static_cast<PeriodState>(select.integer(3));
    p.catalogue = select.hash(4);
    p.cut = select.hash(5);
    p.without = unpacked(select.blob(6));
    p.messages = static_cast<std::uint64_t>(select.integer(7));
    all.push_back(std::move(p));
  }
}

Result<std::optional<ClosedPeriod>> PeriodStore::select_one(const char* which,
                                                            std::string_view id) {
  Result<std::vector<ClosedPeriod>> found = select(which, id);
  if (!found) return found.error();
  if (found->empty()) return std::optional<ClosedPeriod>();
  return std::optional(std::move(found->front()));
}

Result<std::vector<ClosedPeriod>> PeriodStore::periods() {
  return select("ORDER BY start, id", "");
}

Result<std::optional<ClosedPeriod>> PeriodStore::period(const std::string& id) {
  if (id.empty()) return std::optional<ClosedPeriod>();
  return select_one("WHERE id = ?", id);
}

Result<std::optional<ClosedPeriod>> PeriodStore::latest() {
  return select_one("ORDER BY start DESC LIMIT 1", "");
}

Result<std::optional<ClosedPeriod>> PeriodStore::earliest_draft() {
  return select_one("WHERE state = 1 ORDER BY start LIMIT 1", "");
}

Result<std::vector<Message>> PeriodStore::messages(const std::string& id) {
  Statement select = db().prepare(
      "SELECT id, type, customer, meter, routing_key, evidence, body FROM record"
      " WHERE period = ? ORDER BY n");
  select.bind(1, id);
  std::vector<Message> all;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back({select.text(0), select.text(1), select.text(2), select.text(3), select.text(4),
                   select.text(6), select.hash(5)});
  }
}

Result<std::string> PeriodStore::period_of_record(const std::string& id) {
  Statement select =
      db().prepare("SELECT period FROM record WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2");
  const Result<bool> row = select.bind(1, id).step();
  if (!row) return row.error();
  if (!*row)
    return Error{"no record has that id", id, "see `tallyman-rater records PERIOD --json`"};
  const std::string period = select.text(0);
  const Result<bool> second = select.step();
  if (!second) return second.error();
  if (*second) return Error{"several records' ids begin so", id, "give more of the id"};
  return period;
}

Result<std::vector<Unattributed>> PeriodStore::unattributed(const std::string& id) {
  Statement select = db().prepare(
      "SELECT metric, unit, amount, series, source FROM unattributed WHERE period = ?"
      " ORDER BY metric, source");
  select.bind(1, id);
  std::vector<Unattributed> all;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back(
        {select.text(0), select.text(1), select.quantity(2), select.u64(3), select.text(4)});
  }
}

Result<std::vector<MetricTotal>> PeriodStore::totals(const std::string& id) {
  return totals_of(db(), id);
}

Result<std::vector<std::string>> PeriodStore::problems(const std::string& id) {
  Statement select = db().prepare("SELECT problems FROM period WHERE id = ?");
  select.bind(1, id);
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return *row ? unpacked(select.blob(0)) : std::vector<std::string>{};
}

Result<Cut> PeriodStore::cut(const std::string& id) {
  Cut cut;
  Statement period =
      db().prepare("SELECT tz, without, decision, decision_hash FROM period WHERE id = ?");
  period.bind(1, id);
  const Result<bool> there = period.step();
  if (!there) return there.error();
  if (!*there) return cut;
  cut.tz = period.text(0);
  cut.closed_without = unpacked(period.blob(1));
  cut.decision = {period.integer(2), period.hash(3)};
  Statement select = db().prepare(
      "SELECT agent, incarnation, sequence, hash, watermark FROM period_stream WHERE period = ?"
      " ORDER BY agent, incarnation");
  select.bind(1, id);
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return cut;
    StreamMark mark{.agent = select.text(0)};
    const Bytes incarnation = select.blob(1);
    std::copy_n(incarnation.begin(), std::min(incarnation.size(), mark.incarnation.size()),
                mark.incarnation.begin());
    mark.sequence = select.u64(2);
    mark.hash = select.hash(3);
    mark.watermark = select.integer(4);
    cut.marks.push_back(std::move(mark));
  }
}

Result<std::optional<Ns>> PeriodStore::beginning() {
  Statement select = db().prepare("SELECT beginning FROM billing");
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return *row ? std::optional<Ns>(select.integer(0)) : std::optional<Ns>();
}

Status PeriodStore::set_beginning(Ns instant) {
  Statement insert = db().prepare(
      "INSERT INTO billing VALUES(1, ?) ON CONFLICT(one) DO UPDATE SET beginning ="
      " excluded.beginning WHERE NOT EXISTS(SELECT 1 FROM period)");
  insert.bind(1, instant);
  return insert.done();
}

}  // namespace tallyman::rater
