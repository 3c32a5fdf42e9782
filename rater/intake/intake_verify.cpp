#include "rater/intake/intake_verify.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <unordered_map>

#include "rater/intake/raw_tables.hpp"

namespace tallyman::rater {
namespace {

constexpr std::uint64_t kTellEvery = 256;

/// A row of `batch`.
struct Row {
  std::uint64_t sequence = 0, last = 0, bytes = 0;
  Hash hash = kNoHash;
  Hash content = kNoHash;
  std::int64_t day = 0;
};

/// The days whose raw bytes are there.
Result<std::set<std::int64_t>> raw_days(Database& database) {
  auto query = database.prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'raw_[0-9]*'");
  std::set<std::int64_t> out;
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    const std::string name = query.text(0);
    int year = 0;
    unsigned month = 0, day = 0;
    const auto number = [&](std::size_t at, std::size_t size, auto& to) {
      std::from_chars(name.data() + std::min(at, name.size()),
                      name.data() + std::min(at + size, name.size()), to);
    };
    number(4, 4, year), number(8, 2, month), number(10, 2, day);
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                           std::chrono::day{day}};
    if (!date.ok()) continue;
    const std::int64_t number_of_day = std::chrono::sys_days{date}.time_since_epoch().count();
    if (raw_table(number_of_day) == name) out.insert(number_of_day);
  }
}

/// Checks one stream. Used once.
class StreamCheck {
 public:
  StreamCheck(Database& database, LedgerReport& report, const LedgerFound& found,
              const std::set<std::int64_t>& days, Stream stream)
      : database_(database),
        report_(report),
        found_(found),
        days_(days),
        stream_(std::move(stream)),
        raw_(database) {}

  Status run(const std::function<void()>& batch_done);

 private:
  Status definitions();
  Status batch(const Row& row);
  void content(const Row& row, ByteView bytes);
  void head(const Row& row, const wire::BatchHead& head, ByteView bytes);
  void entries(const Row& row, const wire::Batch& batch);
  void mark();
  void tell(std::string what, std::string table, std::uint64_t first, std::uint64_t last) {
    found_({std::move(what), std::move(table), stream_.agent, to_hex(stream_.incarnation), first,
            last});
  }

  Database& database_;
  LedgerReport& report_;
  const LedgerFound& found_;
  const std::set<std::int64_t>& days_;
  Stream stream_;
  RawReader raw_;
  References references_;
  std::unordered_map<wire::DefNo, Hash> bodies_;
  std::uint64_t last_ = 0, batches_ = 0, bytes_ = 0;
  Hash hash_ = kNoHash;
};

Status StreamCheck::definitions() {
  auto query =
      database_.prepare("SELECT number, body FROM definition WHERE stream = ? ORDER BY number");
  query.bind(1, stream_.id);
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    ++report_.definitions;
    const std::uint64_t number = query.u64(0);
    const Bytes body = query.blob(1);
    const auto definition = wire::decode_definition(body);
    if (!definition.ok()) {
      tell("does not decode: " + definition.error().what, "definition", number, number);
      continue;
    }
    if (definition->number != number) {
      tell(fmt::format("says that its number is {}", definition->number), "definition", number,
           number);
      continue;
    }
    if (const std::string wrong = references_.check(*definition); !wrong.empty())
      tell(wrong, "definition", number, number);
    references_.add(*definition);
    bodies_.emplace(number, hash_of(body));
  }
  const wire::DefNo held = references_.contiguous(0);
  if (held != stream_.highest_definition)
    tell(fmt::format("notes definitions up to {}; they are there up to {}",
                     stream_.highest_definition, held),
         "stream", 0, 0);
  return {};
}

Status StreamCheck::batch(const Row& row) {
  ++report_.batches;
  ++batches_;
  bytes_ += row.bytes;
  if (row.sequence != last_ + 1)
    tell(row.sequence > last_ + 1 ? "missing" : "overlaps the batch before it", "batch",
         std::min(last_ + 1, row.sequence), std::max(last_, row.sequence - 1));
  if (row.last < row.sequence)
    tell(fmt::format("ends with {}, before it begins", row.last), "batch", row.sequence,
         row.sequence);
  if (!days_.contains(row.day)) {
    // Nothing drops a day's raw batches yet.
    tell("its day's raw batches are gone", raw_table(row.day), row.sequence, row.last);
  } else {
    const auto bytes = raw_.read(row.day, stream_.id, row.sequence);
    if (!bytes.ok()) return bytes.error();
    content(row, *bytes);
  }
  last_ = std::max(row.last, row.sequence);
  hash_ = row.hash;
  return {};
}

void StreamCheck::content(const Row& row, ByteView bytes) {
  const std::string table = raw_table(row.day);
  if (bytes.empty()) return tell("its raw bytes are missing", table, row.sequence, row.last);
  report_.bytes += bytes.size();
  if (bytes.size() != row.bytes)
    tell(fmt::format("{} raw bytes, where {} are noted", bytes.size(), row.bytes), table,
         row.sequence, row.last);
  if (wire::batch_hash(bytes) != row.content)
    return tell("its raw bytes are not those whose hash is noted", table, row.sequence, row.last);
  const auto batch = wire::decode_batch(bytes);
  if (!batch.ok())
    return tell("does not decode: " + batch.error().text(), table, row.sequence, row.last);
  head(row, batch->head, bytes);
  entries(row, *batch);
}

void StreamCheck::head(const Row& row, const wire::BatchHead& head, ByteView bytes) {
  const auto wrong = [&](std::string what) {
    tell(std::move(what), "batch", row.sequence, row.last);
  };
  if (head.agent != stream_.agent || head.incarnation != stream_.incarnation)
    wrong("is of another stream: of agent " + head.agent);
  const bool range = head.kind == wire::BatchKind::stand_in;
  if (head.last != row.last || head.sequence > row.sequence ||
      (!range && head.sequence != row.sequence))
    wrong(fmt::format("covers the numbers {} to {}", head.sequence, head.last));
  if (chain_hash(head, bytes) != row.hash) wrong("has another hash in the chain than is noted");
  if (head.sequence == row.sequence && row.sequence == last_ + 1 && head.previous != hash_)
    wrong("the chain is broken: it does not name the hash of the batch before it");
}

void StreamCheck::entries(const Row& row, const wire::Batch& batch) {
  for (const auto& entry : batch.entries) {
    std::string wrong;
    if (const auto* definition = std::get_if<wire::Definition>(&entry)) {
      const auto held = bodies_.find(definition->number);
      if (held == bodies_.end() || held->second != hash_of(wire::encode_definition(*definition)))
        wrong =
            fmt::format("its definition {} is not held, or with other content", definition->number);
    } else if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
      wrong = references_.check(*poll);
    } else {
      wrong = references_.check(std::get<wire::Gap>(entry));
    }
    if (wrong.empty()) continue;
    tell(wrong, "definition", row.sequence, row.last);
    return;
  }
}

void StreamCheck::mark() {
  if (stream_.mark != last_)
    tell(fmt::format("its mark is {}, its last batch {}", stream_.mark, last_), "stream",
         std::min(stream_.mark, last_) + 1, std::max(stream_.mark, last_));
  if (stream_.mark == last_ && stream_.mark_hash != hash_)
    tell("its mark has another hash than its last batch", "stream", last_, last_);
  if (stream_.batches != batches_ || stream_.bytes != bytes_)
    tell(fmt::format("notes {} batches of {} bytes; there are {} of {}", stream_.batches,
                     stream_.bytes, batches_, bytes_),
         "stream", 0, 0);
}

Status StreamCheck::run(const std::function<void()>& batch_done) {
  if (Status done = definitions(); !done.ok()) return done;
  auto query = database_.prepare(
      "SELECT sequence, last, bytes, hash, content, day FROM batch WHERE stream = ?"
      " ORDER BY sequence");
  query.bind(1, stream_.id);
  for (;;) {
    const auto step = query.step();
    if (!step.ok()) return step.error();
    if (!*step) break;
    Row row{query.u64(0),  query.u64(1),  query.u64(2),
            query.hash(3), query.hash(3), query.integer(5)};
    if (!query.null(4)) row.content = query.hash(4);
    if (Status done = batch(row); !done.ok()) return done;
    batch_done();
  }
  mark();
  return {};
}

/// Raw bytes that no batch accounts for.
Status orphans(Database& database, const std::set<std::int64_t>& days, const LedgerFound& found) {
  for (const std::int64_t day : days) {
    const std::string table = raw_table(day);
    auto query = database.prepare("SELECT r.stream, r.sequence FROM " + table +
                                  " r LEFT JOIN batch b ON b.stream = r.stream AND b.sequence ="
                                  " r.sequence AND b.day = ? WHERE b.stream IS NULL");
    query.bind(1, day);
    for (;;) {
      const auto row = query.step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      found({fmt::format("raw bytes of stream {} that no batch accounts for", query.integer(0)),
             table, "", "", query.u64(1), query.u64(1)});
    }
  }
  return {};
}

}  // namespace

Status verify_these(Database& database, std::span<const Stream> streams, LedgerReport& report,
                    const LedgerFound& found, const LedgerProgress& progress) {
  const auto days = raw_days(database);
  if (!days.ok()) return days.error();
  std::uint64_t total = 0;
  for (const auto& stream : streams) total += stream.batches;
  const auto batch_done = [&] {
    if (progress && (report.batches % kTellEvery == 0 || report.batches == total))
      progress(report.batches, total);
  };
  for (const auto& stream : streams) {
    ++report.streams;
    Status done = StreamCheck(database, report, found, *days, stream).run(batch_done);
    if (!done.ok()) return done;
  }
  return {};
}

Status verify_streams(Database& database, LedgerReport& report, const LedgerFound& found,
                      const LedgerProgress& progress) {
  const auto streams = all_streams(database);
  if (!streams.ok()) return streams.error();
  Status done = verify_these(database, *streams, report, found, progress);
  if (!done.ok()) return done;
  const auto days = raw_days(database);
  if (!days.ok()) return days.error();
  return orphans(database, *days, found);
}

}  // namespace tallyman::rater
