#include "rater/bus/outbox.hpp"

#include <algorithm>

namespace tallyman::rater {

namespace {

constexpr const char* kSchema =
    "CREATE TABLE outbox(n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " period TEXT NOT NULL, routing_key TEXT NOT NULL, body TEXT, confirmed INTEGER NOT NULL);"
    "CREATE INDEX outbox_waiting ON outbox(n) WHERE confirmed = 0;";

}  // namespace

Result<std::unique_ptr<Outbox>> Outbox::open(Ledger& ledger, std::unique_ptr<Bus> bus) {
  if (const Status made = ledger.prepare_part("outbox", 1, kSchema); !made) return made.error();
  return std::unique_ptr<Outbox>(new Outbox(ledger, std::move(bus)));
}

Status Outbox::put(const std::string& period, const BusMessage& message) {
  Statement insert = ledger_.database().prepare(
      "INSERT INTO outbox(id, period, routing_key, body, confirmed) VALUES(?, ?, ?, ?, 0)"
      " ON CONFLICT(id) DO NOTHING");
  insert.bind(1, message.id).bind(2, period).bind(3, message.routing_key).bind(4, message.body);
  return insert.done();
}

Result<std::size_t> Outbox::publish(std::size_t most) {
  if (!good_) {
    if (const Status recovered = recover(most); !recovered) return recovered.error();
  }
  more_ = false;
  good_ = false;  // until everything below has gone well
  if (const Status submitted = submit(most); !submitted) return submitted.error();
  const Result<std::vector<std::string>> safe = bus_->confirmed();
  if (!safe) return safe.error();
  if (const Status marked = mark(*safe); !marked) return marked.error();
  good_ = true;
  return safe->size();
}

Status Outbox::recover(std::size_t most) {
  in_flight_.clear();
  submitted_ = 0;
  // Rows go out in order and at most `most` at once, but that number may have been another before.
  const Result<std::vector<OutboxRow>> rows = list(std::max<std::size_t>(most, 10'000));
  if (!rows) return rows.error();
  std::vector<std::string> ids;
  for (const OutboxRow& row : *rows) {
    ids.push_back(row.id);
    in_flight_[row.id] = row.n;
  }
  const Result<std::vector<std::string>> there = bus_->recover(ids);
  if (!there) return there.error();
  const Status marked = mark(*there);
  in_flight_.clear();
  return marked;
}

Status Outbox::submit(std::size_t most) {
  const std::size_t limit = std::min(most, bus_->room());
  if (limit == 0) return {};
  Statement select = ledger_.database().prepare(
      "SELECT n, id, routing_key, body FROM outbox WHERE confirmed = 0 AND n > ? ORDER BY n"
      " LIMIT ?");
  select.bind(1, submitted_).bind(2, static_cast<std::int64_t>(limit));
  for (std::size_t taken = 0;; ++taken) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    more_ = taken == most;
    if (!*row) return {};
    const BusMessage message{select.text(1), select.text(2), select.text(3)};
    submitted_ = select.integer(0);
    in_flight_[message.id] = submitted_;
    if (const Status done = bus_->submit(message); !done) return done;
  }
}

Status Outbox::mark(const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  Transaction transaction(ledger_.database());
  if (!transaction.begun()) return transaction.begun();
  Statement update =
      ledger_.database().prepare("UPDATE outbox SET confirmed = 1, body = NULL WHERE n = ?");
  for (const std::string& id : ids) {
    const auto row = in_flight_.find(id);
    if (row == in_flight_.end()) continue;
    update.bind(1, row->second);
    if (const Status done = update.done(); !done) return done;
  }
  if (const Status committed = transaction.commit(); !committed) return committed;
  for (const std::string& id : ids) in_flight_.erase(id);
  return {};
}

Result<std::uint64_t> Outbox::count(const char* which) {
  Statement select =
      ledger_.database().prepare(std::string("SELECT COUNT(*) FROM outbox WHERE ") + which);
  const Result<bool> row = select.step();
  if (!row) return row.error();
  return static_cast<std::uint64_t>(select.integer(0));
}

Result<std::uint64_t> Outbox::waiting() { return count("confirmed = 0"); }
Result<std::uint64_t> Outbox::confirmed() { return count("confirmed = 1"); }
Result<std::uint64_t> Outbox::skipped() { return count("confirmed = 2"); }

Result<std::vector<OutboxRow>> Outbox::list(std::size_t most) {
  Statement select = ledger_.database().prepare(
      "SELECT n, id, period, routing_key FROM outbox WHERE confirmed = 0 ORDER BY n LIMIT ?");
  select.bind(1, static_cast<std::int64_t>(most));
  std::vector<OutboxRow> rows;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return rows;
    rows.push_back({select.integer(0), select.text(1), select.text(2), select.text(3),
                    state_of(select.text(1))});
  }
}

std::string Outbox::state_of(const std::string& id) const {
  const std::string state = bus_->state_of(id);
  return state.empty() ? "waiting" : state;
}

Result<OutboxRow> Outbox::find(const std::string& id) {
  Statement select = ledger_.database().prepare(
      "SELECT n, id, period, routing_key FROM outbox WHERE confirmed = 0 AND substr(id, 1, ?) = ?"
      " LIMIT 2");
  select.bind(1, static_cast<std::int64_t>(id.size())).bind(2, id);
  const Result<bool> row = id.empty() ? Result<bool>(false) : select.step();
  if (!row) return row.error();
  if (!*row) {
    return Error{"no message that waits has this id", id,
                 "see what waits: tallyman-rater outbox ls --json"};
  }
  OutboxRow found{select.integer(0), select.text(1), select.text(2), select.text(3),
                  state_of(select.text(1))};
  const Result<bool> another = select.step();
  if (!another) return another.error();
  if (*another) return Error{"several messages have an id that begins so", id, "give more of it"};
  return found;
}

Status Outbox::skip(const OutboxRow& row) {
  Statement update = ledger_.database().prepare(
      "UPDATE outbox SET confirmed = 2, body = NULL WHERE n = ? AND confirmed = 0");
  return update.bind(1, row.n).done();
}

void Outbox::forget(const std::string& id) {
  in_flight_.erase(id);
  bus_->forget(id);
}

}  // namespace tallyman::rater
