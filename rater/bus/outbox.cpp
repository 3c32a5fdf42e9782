#include "rater/bus/outbox.hpp"

#include <algorithm>
#include <utility>

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
  Result<std::size_t> marked = mark_owed();
  if (!marked) return marked;
  if (!good_) {
    if (const Status recovered = recover(most); !recovered) return recovered.error();
    good_ = true;
  }
  more_ = false;
  if (const Status submitted = submit(most); !submitted) return submitted.error();
  Result<std::vector<std::string>> safe = bus_->confirmed();
  if (!safe) {
    good_ = false;
    return safe.error();
  }
  owed_ = std::move(*safe);
  const Result<std::size_t> further = mark_owed();
  if (!further) return further;
  return *marked + *further;
}

Result<std::size_t> Outbox::mark_owed() {
  if (const Status marked = mark(owed_); !marked) return marked.error();
  return std::exchange(owed_, {}).size();
}

Status Outbox::recover(std::size_t most) {
  in_flight_.clear();
  submitted_ = 0;
  // Rows go out in order and at most `most` at once, but that number may have been another before.
  Statement select =
      ledger_.database().prepare("SELECT n, id FROM outbox WHERE confirmed = 0 ORDER BY n LIMIT ?");
  select.bind(1, static_cast<std::int64_t>(std::max<std::size_t>(most, 10'000)));
  std::vector<std::string> ids;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) break;
    ids.push_back(select.text(1));
    in_flight_[ids.back()] = select.integer(0);
  }
  const Result<std::vector<std::string>> there = bus_->recover(ids);
  if (!there) return there.error();
  owed_ = *there;
  if (const Result<std::size_t> marked = mark_owed(); !marked) return marked.error();
  in_flight_.clear();
  return {};
}

Status Outbox::hand_over(const BusMessage& message, std::int64_t n) {
  in_flight_[message.id] = n;
  Status done = bus_->submit(message);
  if (!done) good_ = false;
  return done;
}

Result<std::size_t> Outbox::submit_wanted(std::size_t most) {
  const std::vector<std::string> ids = bus_->wanted(most);
  if (ids.empty()) return std::size_t{0};
  Statement select = ledger_.database().prepare(
      "SELECT n, routing_key, body FROM outbox WHERE id = ? AND confirmed = 0");
  for (const std::string& id : ids) {
    const Result<bool> row = select.bind(1, id).step();
    if (!row) return row.error();
    if (*row) {
      const BusMessage message{id, select.text(1), select.text(2)};
      const std::int64_t n = select.integer(0);
      if (const Status done = hand_over(message, n); !done) return done.error();
    } else {
      forget(id);
    }
    select.reset();
  }
  return ids.size();
}

Status Outbox::submit(std::size_t most) {
  const std::size_t room = std::min(most, bus_->room());
  const Result<std::size_t> again = submit_wanted(room);
  if (!again) return again.error();
  const std::size_t limit = room - *again;
  if (limit == 0) return {};
  Statement select = ledger_.database().prepare(
      "SELECT n, id, routing_key, body FROM outbox WHERE confirmed = 0 AND n > ? ORDER BY n"
      " LIMIT ?");
  select.bind(1, submitted_).bind(2, static_cast<std::int64_t>(limit));
  for (std::size_t taken = *again;; ++taken) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    more_ = taken == most;
    if (!*row) return {};
    const BusMessage message{select.text(1), select.text(2), select.text(3)};
    const std::int64_t n = select.integer(0);
    const bool is_there = in_flight_.contains(message.id);
    if (const Status done = is_there ? Status() : hand_over(message, n); !done) return done;
    submitted_ = n;
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

Result<OutboxRow> Outbox::find(const std::string& id, bool waits) {
  // No digit of an id comes behind this letter.
  Statement select = ledger_.database().prepare(
      "SELECT n, id, period, routing_key FROM outbox WHERE (confirmed = 0) = ? AND id >= ? AND"
      " id < ? LIMIT 2");
  select.bind(1, std::int64_t{waits ? 1 : 0}).bind(2, id).bind(3, id + "g");
  const Result<bool> row = id.empty() ? Result<bool>(false) : select.step();
  if (!row) return row.error();
  if (!*row) {
    return Error{waits ? "no message that waits has this id" : "no message that went has this id",
                 id, "see what waits: tallyman-rater outbox ls --json"};
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

Result<std::map<std::string, OutboxMark>> Outbox::of_period(Ledger& ledger,
                                                            const std::string& period) {
  Statement select =
      ledger.database().prepare("SELECT id, confirmed FROM outbox WHERE period = ? ORDER BY n");
  select.bind(1, period);
  std::map<std::string, OutboxMark> out;
  for (;;) {
    const Result<bool> row = select.step();
    if (!row) return row.error();
    if (!*row) return out;
    const std::int64_t mark = select.integer(1);
    if (mark < 0 || mark > 2) return Error{"a row of the outbox is damaged", select.text(0), ""};
    out[select.text(0)] = static_cast<OutboxMark>(mark);
  }
}

Result<std::string> Outbox::period_of(Ledger& ledger, const std::string& id) {
  Statement select = ledger.database().prepare("SELECT period FROM outbox WHERE id = ?");
  const Result<bool> row = select.bind(1, id).step();
  if (!row) return row.error();
  return *row ? select.text(0) : std::string();
}

Result<std::uint64_t> Outbox::put_back(const std::string& id, const std::string& body) {
  Statement update = ledger_.database().prepare(
      "UPDATE outbox SET confirmed = 0, body = ? WHERE id = ? AND confirmed != 0");
  if (const Status done = update.bind(1, body).bind(2, id).done(); !done) return done.error();
  Statement changes = ledger_.database().prepare("SELECT changes()");
  const Result<bool> row = changes.step();
  if (!row) return row.error();
  return static_cast<std::uint64_t>(changes.integer(0));
}

void Outbox::forget(const std::string& id) {
  in_flight_.erase(id);
  bus_->forget(id);
}

}  // namespace tallyman::rater
