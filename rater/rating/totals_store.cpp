#include "rater/rating/totals_store.hpp"

namespace tallyman::rater {

namespace {

constexpr const char* kTotals =
    "CREATE TABLE period_total(period TEXT NOT NULL, metric TEXT NOT NULL, source TEXT NOT NULL,"
    " unit TEXT NOT NULL, read BLOB NOT NULL, customers BLOB NOT NULL, nobody BLOB NOT NULL,"
    " elsewhere BLOB NOT NULL, PRIMARY KEY(period, metric, source)) WITHOUT ROWID";

/// The first version summed up all sources of a metric: what was is kept as that.
Status add_source(Database& db) {
  return db.run(std::string("ALTER TABLE period_total RENAME TO period_total_of_all;") + kTotals +
                ";INSERT INTO period_total SELECT period, metric, '', unit, read, customers,"
                " nobody, elsewhere FROM period_total_of_all;"
                "DROP TABLE period_total_of_all");
}

}  // namespace

Status prepare_totals(Ledger& ledger) {
  return ledger.prepare_part("totals", 2, kTotals, {add_source});
}

Status store_totals(Database& db, const std::string& period, std::span<const MetricTotal> totals) {
  Statement clear = db.prepare("DELETE FROM period_total WHERE period = ?");
  if (const Status cleared = clear.bind(1, period).done(); !cleared) return cleared;
  Statement insert = db.prepare("INSERT INTO period_total VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  for (const MetricTotal& sum : totals) {
    insert.bind(1, period).bind(2, sum.metric).bind(3, sum.source).bind(4, sum.unit);
    insert.bind(5, sum.read).bind(6, sum.customers).bind(7, sum.nobody).bind(8, sum.elsewhere);
    if (const Status done = insert.done(); !done) return done;
  }
  return {};
}

Result<std::vector<MetricTotal>> totals_of(Database& db, const std::string& period) {
  Statement select = db.prepare(
      "SELECT metric, unit, read, customers, nobody, elsewhere, source FROM period_total"
      " WHERE period = ? ORDER BY metric, source");
  select.bind(1, period);
  std::vector<MetricTotal> all;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return all;
    all.push_back({select.text(0), select.text(1), select.quantity(2), select.quantity(3),
                   select.quantity(4), select.quantity(5), select.text(6)});
  }
}

}  // namespace tallyman::rater
