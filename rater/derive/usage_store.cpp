#include "rater/derive/usage_store.hpp"

#include <algorithm>
#include <utility>

#include "app/log.hpp"
#include "base/time_text.hpp"
#include "rater/derive/usage_store_rows.hpp"
#include "rater/derive/usage_store_state.hpp"
#include "rater/derive/witness_tables.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {
namespace {

constexpr std::int64_t kUsageVersion = 6;
constexpr Ns kClocksDiffer = kSecond;        ///< by this much an agent's clock may lead unnoticed
constexpr std::size_t kUpgradeSlots = 8192;  ///< rows of one view held in memory at a time
constexpr Ns kLongestBeat = 366 * kDay;
constexpr std::size_t kFetch = 16;  ///< batches of one stream held in memory at a time

constexpr const char* kSlotRows =
    ";CREATE TABLE usage_slot(view INTEGER NOT NULL, slot INTEGER NOT NULL, amount BLOB NOT NULL,"
    " covered INTEGER NOT NULL, estimated INTEGER NOT NULL, peak INTEGER NOT NULL,"
    " PRIMARY KEY(view, slot)) WITHOUT ROWID";

/// As the fifth version kept anomalies, and those before it.
constexpr const char* kWordyAnomalies =
    ";CREATE TABLE usage_anomaly(id INTEGER PRIMARY KEY, view INTEGER NOT NULL,"
    " from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, value BLOB NOT NULL, why TEXT NOT NULL)";

/// What the first version kept is derived again from the log.
Status derive_anew(Database& db) {
  for (const char* table :
       {"slot_length", "view", "slot", "info", "anomaly", "absent", "run", "agent", "stream"}) {
    if (Status status = db.run(std::string("DROP TABLE usage_") + table); !status.ok()) {
      return status;
    }
  }
  return db.run(std::string(kUsageTables) + kSlotRows + ";DROP TABLE usage_anomaly" +
                kWordyAnomalies);
}

/// The second version kept a row for each slot.
Status pack_slots(Database& db) {
  if (Status made = db.run(kSlotTables); !made.ok()) return made;
  auto length = db.prepare("SELECT slot FROM usage_slot_length");
  const auto known = length.step();
  if (!known.ok()) return known.error();
  SlotTables tables(db, *known ? length.integer(0) : kDay);
  length.reset();
  auto rows = db.prepare(
      "SELECT view, slot, amount, covered, estimated, peak FROM usage_slot ORDER BY view, slot");
  std::vector<SlotUsage> usage;
  std::int64_t view = 0;
  for (;;) {
    const auto row = rows.step();
    if (!row.ok()) return row.error();
    const bool other = !*row || rows.integer(0) != view;
    if (!usage.empty() && (other || usage.size() >= kUpgradeSlots)) {
      if (Status added = tables.add(view, usage); !added.ok()) return added;
      usage.clear();
    }
    if (!*row) break;
    view = rows.integer(0);
    usage.push_back({.slot = rows.integer(1),
                     .amount = rows.quantity(2),
                     .covered = rows.integer(3),
                     .estimated = rows.integer(4),
                     .peak = rows.u64(5)});
  }
  rows.reset();
  return db.run("DROP TABLE usage_slot");
}

/// The third version did not compare witnesses.
Status compare_witnesses(Database& db) { return db.run(kWitnessTables); }

/// The fourth did not know what it had still to compare of the past.
Status compare_again(Database& db) {
  if (Status made = db.run(kWitnessTables); !made.ok()) return made;
  return compare_all_anew(db);
}

/// The fifth version told the causes of anomalies by their words alone.
Status name_causes(Database& db) {
  if (Status made = db.run("ALTER TABLE usage_anomaly ADD COLUMN cause INTEGER NOT NULL DEFAULT 0");
      !made.ok()) {
    return made;
  }
  auto name = db.prepare("UPDATE usage_anomaly SET cause = ? WHERE why = ?");
  for (std::int64_t number = 1; const auto cause = cause_of_number(number); ++number) {
    if (Status named = name.bind(1, number).bind(2, why_of(*cause)).done(); !named.ok()) {
      return named;
    }
  }
  auto unknown = db.prepare("SELECT count(*), min(why) FROM usage_anomaly WHERE cause = 0");
  const auto row = unknown.step();
  if (!row.ok()) return row.error();
  if (unknown.integer(0) > 0) {
    return Error{std::to_string(unknown.integer(0)) +
                     " anomalies give a cause that is not known: " + unknown.text(1),
                 "usage_anomaly", "decide on them with the rater that found them"};
  }
  unknown.reset();
  // What was compared with beats unknown is told by nothing else.
  if (Status anew = compare_all_anew(db); !anew.ok()) return anew;
  return db.run("ALTER TABLE usage_anomaly DROP COLUMN why");
}

}  // namespace

UsageStore::UsageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
UsageStore::~UsageStore() = default;
void UsageStore::on_keep(Kept kept) { state_->kept = std::move(kept); }
Ns UsageStore::slot() const { return state_->slot; }
std::uint64_t UsageStore::comparing() const { return state_->comparing; }
const std::map<std::string, Error>& UsageStore::stuck() const { return state_->stuck; }

Result<std::unique_ptr<UsageStore>> UsageStore::open(Ledger& ledger, Intake& intake, Ns slot) {
  if (slot <= 0 || slot > kDay) {
    return Error{"a slot is between a nanosecond and a day long", ledger.path(),
                 "configure a slot length such as 5m"};
  }
  if (Status status = ledger.prepare_part(
          "usage", kUsageVersion,
          std::string(kUsageTables) + ";" + kSlotTables + ";" + kWitnessTables,
          {derive_anew, pack_slots, compare_witnesses, compare_again, name_causes});
      !status.ok()) {
    return status.error();
  }
  auto state = std::make_unique<State>(ledger, intake, slot);
  if (Status status = state->check_slot(); !status.ok()) return status.error();
  if (Status status = state->load_marks(); !status.ok()) return status.error();
  if (Status status = state->count_to_compare(); !status.ok()) return status.error();
  if (state->comparing > 0) {
    if (Status status = state->recall_beats(); !status.ok()) return status.error();
  }
  return std::unique_ptr<UsageStore>(new UsageStore(std::move(state)));
}

Status UsageStore::State::check_slot() {
  auto read = ledger.database().prepare("SELECT slot FROM usage_slot_length");
  const auto row = read.step();
  if (!row.ok()) return row.error();
  if (!*row) {
    return ledger.database()
        .prepare("INSERT INTO usage_slot_length VALUES(?)")
        .bind(1, slot)
        .done();
  }
  const Ns held = read.integer(0);
  if (held == slot) return {};
  return Error{"the ledger counts in slots of " + to_duration_text(held) + ", not of " +
                   to_duration_text(slot),
               ledger.path(), "configure the slot length it was made with, or begin a new ledger"};
}

Status UsageStore::State::load_marks() {
  done.clear();
  auto read =
      ledger.database().prepare("SELECT stream, sequence, hash, watermark FROM usage_stream");
  for (;;) {
    const auto row = read.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    done[read.integer(0)] = {
        .sequence = read.u64(1), .hash = read.hash(2), .watermark = read.integer(3)};
  }
}

Status UsageStore::State::rolled_back() {
  agents.clear();
  return load_marks();
}

Result<UsageStore::Progress> UsageStore::advance(std::size_t max_batches) {
  return state_->advance(nullptr, max_batches);
}

Result<UsageStore::Progress> UsageStore::advance_to(std::span<const StreamMark> marks,
                                                    std::size_t max_batches) {
  std::map<std::int64_t, std::uint64_t> until;
  for (const StreamMark& mark : marks) {
    const auto stream = state_->intake.stream(mark.agent, mark.incarnation);
    if (!stream.ok()) return stream.error();
    if (!stream->has_value()) {
      return Error{
          "no stream of agent '" + mark.agent + "' with incarnation " + to_hex(mark.incarnation),
          state_->ledger.path(), "restore the ledger from a backup"};
    }
    until[(*stream)->id] = mark.sequence;
  }
  return state_->advance(&until, max_batches);
}

Result<UsageStore::Progress> UsageStore::State::advance(
    const std::map<std::int64_t, std::uint64_t>* until, std::size_t max_batches) {
  auto work = waiting(until);
  if (!work.ok()) return work.error();
  Progress progress;
  auto at = work->lower_bound(next);
  for (std::size_t i = 0; i < work->size() && progress.batches < max_batches; ++i) {
    if (at == work->end()) at = work->begin();
    const Status derived = derive(at->first, at->second, max_batches, progress.batches);
    if (derived.ok()) {
      stuck.erase(at->first);
    } else if (until == nullptr) {
      stop(at->first, derived.error());
    } else {
      if (Status status = rolled_back(); !status.ok()) return status.error();
      return derived.error();
    }
    ++at;
  }
  next = at == work->end() ? std::string() : at->first;
  if (Status status = persist(); !status.ok()) {
    if (Status again = rolled_back(); !again.ok()) return again.error();
    return status.error();
  }
  if (Status status = compare_past(); !status.ok()) return status.error();
  const auto left = waiting(until);
  if (!left.ok()) return left.error();
  progress.more = std::any_of(left->begin(), left->end(),
                              [&](const auto& each) { return !stuck.contains(each.first); }) ||
                  comparing > 0;
  return progress;
}

void UsageStore::State::stop(const std::string& agent, const Error& error) {
  const auto it = stuck.find(agent);
  if (it != stuck.end() && it->second.text() == error.text()) return;
  log::error("agent {} is derived no further: {}", agent, error.text());
  stuck.insert_or_assign(agent, error);
}

Result<std::map<std::string, std::vector<UsageStore::State::Work>>> UsageStore::State::waiting(
    const std::map<std::int64_t, std::uint64_t>* until) {
  const auto streams = intake.streams();
  if (!streams.ok()) return streams.error();
  std::map<std::string, std::vector<Work>> out;
  for (const Stream& stream : *streams) {
    std::uint64_t last = stream.mark;
    if (until != nullptr) {
      const auto it = until->find(stream.id);
      last = it == until->end() ? 0 : std::min(last, it->second);
    }
    const auto it = done.find(stream.id);
    const std::uint64_t from = it == done.end() ? 0 : it->second.sequence;
    if (last <= from) continue;
    out[stream.agent].push_back(
        {.stream = stream.id, .until = last, .imported = stream.imported, .fetched_to = from});
  }
  return out;
}

Result<UsageStore::State::Agent*> UsageStore::State::agent(const std::string& name) {
  auto& held = agents[name];
  if (held != nullptr) return held.get();
  auto read = ledger.database().prepare("SELECT state FROM usage_agent WHERE agent = ?");
  const auto row = read.bind(1, name).step();
  if (!row.ok()) return row.error();
  if (!*row) {
    held = std::make_unique<Agent>(Deriver(name, slot));
    return held.get();
  }
  auto restored = Deriver::restore(read.blob(0));
  if (!restored.ok()) return restored.error();
  held = std::make_unique<Agent>(std::move(*restored));
  return held.get();
}

Status UsageStore::State::derive(const std::string& name, std::vector<Work>& work,
                                 std::size_t limit, std::size_t& batches) {
  const auto to = agent(name);
  if (!to.ok()) return to.error();
  while (batches < limit) {
    Work* first = nullptr;
    for (Work& each : work) {
      if (Status status = fetch(each); !status.ok()) return status.error();
      if (each.fetched.empty()) continue;
      if (first == nullptr || each.fetched.front().arrival < first->fetched.front().arrival) {
        first = &each;
      }
    }
    if (first == nullptr) break;
    if (Status status = apply(**to, *first); !status.ok()) return status.error();
    ++batches;
  }
  return {};
}

Status UsageStore::State::fetch(Work& work) {
  if (!work.fetched.empty() || work.exhausted) return {};
  auto batches = intake.batches_after(work.stream, work.fetched_to, kFetch);
  if (!batches.ok()) return batches.error();
  work.exhausted = batches->size() < kFetch;
  for (StoredBatch& batch : *batches) {
    if (batch.last > work.until) {
      work.exhausted = true;
      break;
    }
    work.fetched_to = batch.last;
    work.fetched.push_back(std::move(batch));
  }
  return {};
}

Status UsageStore::State::recall_beats() {
  const auto streams = intake.streams();
  if (!streams.ok()) return streams.error();
  Transaction transaction(ledger.database());
  if (!transaction.begun().ok()) return transaction.begun();
  auto write = ledger.database().prepare(
      "INSERT INTO usage_beat VALUES(?, ?, ?) ON CONFLICT(agent, instance) DO UPDATE"
      " SET beat = excluded.beat WHERE beat < excluded.beat RETURNING beat");
  bool news = false;
  for (const Stream& stream : *streams) {
    if (stream.imported || !done.contains(stream.id)) continue;
    const auto definitions = intake.definitions_after(stream.id, 0);
    if (!definitions.ok()) return definitions.error();
    for (const wire::Definition& definition : *definitions) {
      const auto* instance = std::get_if<wire::InstanceDef>(&definition.body);
      if (instance == nullptr || instance->interval <= 0) continue;
      write.bind(1, stream.agent).bind(2, instance->instance);
      write.bind(3, std::min(instance->interval, kLongestBeat));
      const auto raised = write.step();
      if (!raised.ok()) return raised.error();
      news = news || *raised;
      write.reset();
    }
  }
  if (news) {
    if (Status anew = compare_all_anew(ledger.database()); !anew.ok()) return anew;
  }
  return transaction.commit();
}

void UsageStore::State::learn_beats(Agent& agent, const Done& stream, const wire::Batch& batch) {
  for (const wire::Entry& entry : batch.entries) {
    const auto* poll = std::get_if<wire::Poll>(&entry);
    const auto* gap = std::get_if<wire::Gap>(&entry);
    const auto it = stream.instances.find(poll != nullptr  ? poll->instance
                                          : gap != nullptr ? gap->instance
                                                           : 0);
    if (it == stream.instances.end()) continue;
    const Ns beat = std::clamp<Ns>(it->second.interval, 0, kLongestBeat);
    Ns& known = agent.beats[it->second.instance];
    if (beat > known) agent.longer_beats[it->second.instance] = known = beat;
  }
}

Status UsageStore::State::apply(Agent& to, Work& work) {
  const StoredBatch stored = std::move(work.fetched.front());
  work.fetched.pop_front();
  const auto stream = static_cast<std::uint64_t>(work.stream);
  Done& mark = done[work.stream];
  const auto definitions = intake.definitions_after(work.stream, mark.defined);
  if (!definitions.ok()) return definitions.error();
  for (const wire::Definition& definition : *definitions) {
    to.deriver.define(stream, definition);
    if (const auto* instance = std::get_if<wire::InstanceDef>(&definition.body)) {
      mark.instances.insert_or_assign(definition.number, *instance);
    }
    mark.defined = std::max(mark.defined, definition.number);
  }
  if (stored.bytes.empty()) {
    log::warning(
        "batch {} of agent {} is derived only after its bytes were dropped: it counts as lost",
        stored.sequence, to.deriver.agent());
    wire::Batch lost;
    lost.head.kind = wire::BatchKind::stand_in;
    to.deriver.apply(stream, lost);
  } else {
    const auto batch = wire::decode_batch(stored.bytes);
    if (!batch.ok()) return batch.error();
    to.deriver.apply(stream, *batch, stored.received + kClocksDiffer);
    // What an import says of intervals is a guess, made of what it happens to hold.
    if (!work.imported) learn_beats(to, mark, *batch);
  }
  mark.sequence = stored.last;
  mark.hash = stored.hash;
  mark.watermark =
      std::max(mark.watermark, std::min(to.deriver.watermark(stream), stored.received));
  mark.dirty = to.dirty = true;
  return {};
}

}  // namespace tallyman::rater
