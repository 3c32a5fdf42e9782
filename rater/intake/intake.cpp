#include "rater/intake/intake.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "rater/intake/intake_staged.hpp"
#include "rater/intake/intake_tables.hpp"
#include "rater/intake/raw_tables.hpp"

namespace tallyman::rater {
namespace {

constexpr const char* kAgent = "agent";
constexpr const char* kImport = "import";
constexpr const char* kStreamColumns =
    "SELECT id, agent, incarnation, mark, mark_hash, definitions, watermark, claimed,"
    " first_received, last_received, batches, bytes, kind FROM stream ";

Stream stream_of(const Statement& row) {
  Stream out;
  out.id = row.integer(0);
  out.agent = row.text(1);
  const Bytes incarnation = row.blob(2);
  std::copy_n(incarnation.begin(), std::min(incarnation.size(), out.incarnation.size()),
              out.incarnation.begin());
  out.mark = row.u64(3);
  out.mark_hash = row.hash(4);
  out.highest_definition = row.u64(5);
  out.watermark = row.integer(6);
  out.claimed_watermark = row.integer(7);
  out.first_received = row.integer(8);
  out.last_received = row.integer(9);
  out.batches = row.u64(10);
  out.bytes = row.u64(11);
  out.imported = row.text(12) == kImport;
  return out;
}

Error no_stream(std::int64_t id) {
  return {fmt::format("the ledger has no stream {}", id), "", ""};
}

wire::Refusal refusal_of(Verdict::Kind kind) {
  if (kind == Verdict::Kind::diverged) return wire::Refusal::diverged;
  if (kind == Verdict::Kind::out_of_order) return wire::Refusal::out_of_order;
  return wire::Refusal::malformed;
}

}  // namespace

Result<std::unique_ptr<Intake>> Intake::open(Ledger& ledger, const Clock& clock) {
  if (Status status = prepare_intake(ledger); !status.ok()) return status.error();
  return std::unique_ptr<Intake>(new Intake(ledger, clock));
}

Result<std::vector<Stream>> all_streams(Database& database) {
  auto query = database.prepare(std::string(kStreamColumns) + "ORDER BY agent, id");
  std::vector<Stream> out;
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.push_back(stream_of(query));
  }
}

Result<std::vector<Stream>> Intake::streams() { return all_streams(ledger_.database()); }

Result<std::optional<Stream>> Intake::stream(std::string_view agent,
                                             const wire::Incarnation& incarnation) {
  auto query = ledger_.database().prepare(std::string(kStreamColumns) +
                                          "WHERE agent = ? AND incarnation = ?");
  const auto row = query.bind(1, agent).bind(2, ByteView(incarnation)).step();
  if (!row.ok()) return row.error();
  if (!*row) return std::optional<Stream>{};
  return std::optional<Stream>{stream_of(query)};
}

Result<Stream> Intake::stream(std::int64_t id) {
  auto query = ledger_.database().prepare(std::string(kStreamColumns) + "WHERE id = ?");
  const auto row = query.bind(1, id).step();
  if (!row.ok()) return row.error();
  if (!*row) return no_stream(id);
  return stream_of(query);
}

Result<std::vector<StoredBatch>> Intake::batches_after(std::int64_t stream, std::uint64_t sequence,
                                                       std::size_t limit) {
  auto query = ledger_.database().prepare(
      "SELECT sequence, last, hash, received, watermark, day, arrival, content FROM batch"
      " WHERE stream = ? AND sequence > ? ORDER BY sequence LIMIT ?");
  query.bind(1, stream)
      .bind_u64(2, std::min(sequence, kMaxNumber))
      .bind(3, static_cast<std::int64_t>(std::min<std::size_t>(limit, 1U << 20U)));
  std::vector<StoredBatch> out;
  RawReader raw(ledger_.database());
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    StoredBatch batch;
    batch.sequence = query.u64(0);
    batch.last = query.u64(1);
    batch.hash = query.hash(2);
    batch.received = query.integer(3);
    batch.watermark = query.integer(4);
    batch.arrival = query.u64(6);
    batch.content = query.null(7) ? batch.hash : query.hash(7);
    auto bytes = raw.read(query.integer(5), stream, batch.sequence);
    if (!bytes.ok()) return bytes.error();
    batch.bytes = std::move(*bytes);
    out.push_back(std::move(batch));
  }
}

Result<std::optional<Fence>> Intake::fence(std::string_view agent) {
  auto query = ledger_.database().prepare("SELECT token, used FROM agent WHERE name = ?");
  const auto row = query.bind(1, agent).step();
  if (!row.ok()) return row.error();
  if (!*row) return std::optional<Fence>{};
  return std::optional<Fence>{Fence{query.u64(0), query.u64(1)}};
}

Status Intake::put_fence(std::string_view agent, const Fence& fence) {
  return ledger_.database()
      .prepare(
          "INSERT INTO agent VALUES (?, ?, ?) ON CONFLICT(name)"
          " DO UPDATE SET token = excluded.token, used = excluded.used")
      .bind(1, agent)
      .bind_u64(2, fence.issued)
      .bind_u64(3, fence.used)
      .done();
}

Result<Stream> Intake::open_stream(std::string_view agent, const wire::Incarnation& incarnation,
                                   StreamKind kind) {
  auto found = stream(agent, incarnation);
  if (!found.ok()) return found.error();
  if (found->has_value()) return **found;
  if (kind == StreamKind::agent) {
    if (Status status = forget_empty(agent); !status.ok()) return status.error();
  }
  auto make = ledger_.database().prepare(
      "INSERT INTO stream(agent, incarnation, mark, mark_hash, definitions, watermark, claimed,"
      " first_received, last_received, batches, bytes, kind)"
      " VALUES (?, ?, 0, ?, 0, 0, 0, 0, 0, 0, 0, ?)");
  make.bind(1, agent)
      .bind(2, ByteView(incarnation))
      .bind(3, ByteView(kNoHash))
      .bind(4, std::string_view(kind == StreamKind::import ? kImport : kAgent));
  if (Status status = make.done(); !status.ok()) return status.error();
  return stream(ledger_.database().last_insert_id());
}

/// Streams of the agent that never had a batch: whoever says hello in ever new lives leaves one
/// row.
Status Intake::forget_empty(std::string_view agent) {
  Database& db = ledger_.database();
  std::vector<std::int64_t> empty;
  auto query = db.prepare("SELECT id FROM stream WHERE agent = ? AND kind = ? AND mark = 0");
  query.bind(1, agent).bind(2, std::string_view(kAgent));
  for (;;) {
    const auto row = query.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    empty.push_back(query.integer(0));
  }
  for (const std::int64_t id : empty) {
    known_.erase(id);
    for (const char* sql :
         {"DELETE FROM definition WHERE stream = ?", "DELETE FROM stream WHERE id = ?"}) {
      if (Status status = db.prepare(sql).bind(1, id).done(); !status.ok()) return status;
    }
  }
  return {};
}

Result<std::optional<HeldBatch>> Intake::held_at(std::int64_t stream, std::uint64_t sequence) {
  auto query = ledger_.database().prepare(
      "SELECT sequence, last, hash FROM batch WHERE stream = ? AND sequence <= ?"
      " ORDER BY sequence DESC LIMIT 1");
  const auto row = query.bind(1, stream).bind_u64(2, std::min(sequence, kMaxNumber)).step();
  if (!row.ok()) return row.error();
  if (!*row || query.u64(1) < sequence) return std::optional<HeldBatch>{};
  return std::optional<HeldBatch>{HeldBatch{query.u64(0), query.u64(1), query.hash(2)}};
}

Result<Accepted> Intake::accept_batch(std::int64_t id, ByteView bytes) {
  const auto to = stream(id);
  if (!to.ok()) return to.error();
  const auto batch = wire::decode_batch(bytes);
  if (!batch.ok()) return refused(wire::Refusal::malformed, batch.error().text());
  const wire::BatchHead& head = batch->head;
  if (head.agent != to->agent || head.incarnation != to->incarnation) {
    return refused(
        wire::Refusal::malformed,
        fmt::format("a batch of agent '{}' came in a session of '{}'", head.agent, to->agent));
  }
  ChainState state{.mark = to->mark, .mark_hash = to->mark_hash, .at_last = {}, .at_before = {}};
  if (head.sequence != 0 && head.sequence <= to->mark) {
    auto at_last = held_at(id, head.last);
    if (!at_last.ok()) return at_last.error();
    auto at_before = held_at(id, head.sequence - 1);
    if (!at_before.ok()) return at_before.error();
    state.at_last = *at_last;
    state.at_before = *at_before;
  }
  const Hash hash = chain_hash(head, bytes);
  const Verdict verdict = judge(head, hash, state);
  if (verdict.kind == Verdict::Kind::repeat) return Accepted{Accepted::Outcome::repeat, {}, {}};
  if (verdict.kind != Verdict::Kind::apply) {
    return refused(refusal_of(verdict.kind), verdict.text);
  }
  return apply(*to, *batch, bytes, hash);
}

Result<Accepted> Intake::apply(const Stream& to, const wire::Batch& batch, ByteView bytes,
                               const Hash& hash) {
  auto references = this->references(to.id);
  if (!references.ok()) return references.error();
  Staged staged(**references);
  for (const wire::Entry& entry : batch.entries) {
    std::string wrong;
    if (const auto* definition = std::get_if<wire::Definition>(&entry)) {
      auto added = stage(to.id, *definition, staged.added(), **references);
      if (!added.ok()) return added.error();
      if (added->outcome == Accepted::Outcome::refused) return *added;
      if (added->outcome == Accepted::Outcome::applied) staged.add(*definition);
    } else if (const auto* poll = std::get_if<wire::Poll>(&entry)) {
      wrong = (*references)->check(*poll);
    } else {
      wrong = (*references)->check(std::get<wire::Gap>(entry));
    }
    if (!wrong.empty()) {
      return refused(wire::Refusal::malformed,
                     fmt::format("batch {}: {}", batch.head.sequence, wrong));
    }
  }
  if (Status status = store_definitions(to, staged.added(), **references); !status.ok()) {
    return status.error();
  }
  if (Status status = store(to, batch, bytes, hash); !status.ok()) return status.error();
  staged.keep();
  return Accepted{Accepted::Outcome::applied, {}, {}};
}

Status Intake::store(const Stream& to, const wire::Batch& batch, ByteView bytes, const Hash& hash) {
  Database& db = ledger_.database();
  const Ns now = clock_.wall();
  const Ns claimed = std::max<Ns>(batch.seal.watermark, 0);
  const Ns watermark = std::min(claimed, now);
  const std::int64_t day = raw_day(now);
  const std::uint64_t sequence = to.mark + 1;
  if (Status status = store_raw(db, day, to.id, sequence, bytes); !status.ok()) return status;
  auto note = db.prepare(
      "INSERT INTO batch(stream, sequence, last, hash, day, received, watermark, bytes, content,"
      " arrival) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(arrival), 0) + 1 FROM "
      "batch))");
  note.bind(1, to.id)
      .bind_u64(2, sequence)
      .bind_u64(3, batch.head.last)
      .bind(4, ByteView(hash))
      .bind(5, day)
      .bind(6, now)
      .bind(7, watermark)
      .bind(8, static_cast<std::int64_t>(bytes.size()));
  if (const Hash content = wire::batch_hash(bytes); content != hash) {
    note.bind(9, ByteView(content));
  } else {
    note.bind_null(9);
  }
  if (Status status = note.done(); !status.ok()) return status;
  return db
      .prepare(
          "UPDATE stream SET mark = ?, mark_hash = ?, watermark = max(watermark, ?),"
          " claimed = max(claimed, ?), first_received = CASE first_received WHEN 0 THEN ?"
          " ELSE first_received END, last_received = ?, batches = batches + 1,"
          " bytes = bytes + ? WHERE id = ?")
      .bind_u64(1, batch.head.last)
      .bind(2, ByteView(hash))
      .bind(3, watermark)
      .bind(4, claimed)
      .bind(5, now)
      .bind(6, now)
      .bind(7, static_cast<std::int64_t>(bytes.size()))
      .bind(8, to.id)
      .done();
}

Result<Accepted> Intake::commit_batch(std::string_view agent, const wire::Incarnation& incarnation,
                                      ByteView bytes, StreamKind kind,
                                      const std::function<Status()>& also) {
  Transaction transaction(ledger_.database());
  if (!transaction.begun().ok()) return transaction.begun().error();
  const auto to = open_stream(agent, incarnation, kind);
  if (!to.ok()) return to.error();
  auto accepted = accept_batch(to->id, bytes);
  Status committed;
  const bool applied = accepted.ok() && accepted->outcome == Accepted::Outcome::applied;
  if (applied && also) committed = also();
  if (accepted.ok() && committed.ok()) committed = transaction.commit();
  if (!accepted.ok() || !committed.ok()) {
    rolled_back();
    return accepted.ok() ? committed.error() : accepted.error();
  }
  return accepted;
}

}  // namespace tallyman::rater
