#include "rater/derive/witness_tables.hpp"

#include <algorithm>
#include <limits>

#include "rater/derive/usage_store_rows.hpp"

namespace tallyman::rater {
namespace {

constexpr std::size_t kReadsAtOnce = 64;  ///< of a block of one view
constexpr std::int64_t kFromTheFirst = std::numeric_limits<std::int64_t>::min();

std::int64_t block_of(std::int64_t slot) {
  return slot / kWitnessBlock - (slot % kWitnessBlock < 0 ? 1 : 0);
}

/// The first key after all that begin so.
Bytes past(Bytes prefix) {
  while (!prefix.empty() && prefix.back() == 0xFF) prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

}  // namespace

const char* const kWitnessTables =
    "CREATE TABLE IF NOT EXISTS usage_beat(agent TEXT NOT NULL, instance TEXT NOT NULL,"
    " beat INTEGER NOT NULL, PRIMARY KEY(agent, instance)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS usage_witness(series BLOB NOT NULL, block INTEGER NOT NULL,"
    " view INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, value BLOB,"
    " why TEXT NOT NULL, PRIMARY KEY(series, block, view, from_ns)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS usage_witness_view ON usage_witness(view, from_ns);"
    "CREATE TABLE IF NOT EXISTS usage_compare(series BLOB PRIMARY KEY, block INTEGER NOT NULL)"
    " WITHOUT ROWID";

Status compare_all_anew(Database& database) {
  auto keys = database.prepare("SELECT key FROM usage_view ORDER BY key");
  auto write = database.prepare("INSERT OR REPLACE INTO usage_compare VALUES(?, ?)");
  Bytes last;
  for (;;) {
    const auto row = keys.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const auto key = decode_view_key(keys.blob(0));
    if (!key.ok()) return key.error();
    if (key->series.scope != wire::Scope::shared) continue;
    Bytes series = encode_series_key(key->series);
    // The views of one series follow each other: the second one makes it two.
    if (series == last) {
      Status noted = write.bind(1, ByteView(series)).bind(2, kFromTheFirst).done();
      if (!noted.ok()) return noted;
    }
    last = std::move(series);
  }
}

WitnessTables::WitnessTables(Database& db, Ns slot)
    : db_(db),
      slot_(slot),
      slots_(db, slot),
      read_views_(db.prepare("SELECT id, key, last_ns, resolution FROM usage_view"
                             " WHERE key >= ?1 AND key < ?2 AND last_ns > 0")),
      read_rows_(db.prepare("SELECT view, from_ns, to_ns, value, why FROM usage_witness"
                            " WHERE series = ? AND block = ? ORDER BY view, from_ns")),
      drop_rows_(db.prepare("DELETE FROM usage_witness WHERE series = ? AND block = ?")),
      write_row_(db.prepare("INSERT INTO usage_witness VALUES(?, ?, ?, ?, ?, ?, ?)")),
      write_past_(db.prepare("INSERT OR REPLACE INTO usage_compare VALUES(?, ?)")) {}

Result<WitnessTables::Views> WitnessTables::views_of(const Bytes& series) {
  const Bytes end = past(series);
  read_views_.bind(1, ByteView(series)).bind(2, ByteView(end));
  std::map<ViewKey, View> found;
  for (;;) {
    const auto row = read_views_.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    auto key = decode_view_key(read_views_.blob(1));
    if (!key.ok()) return key.error();
    View view{read_views_.integer(0), key->agent + "/" + key->instance, read_views_.integer(2),
              read_views_.integer(3)};
    found.emplace(std::move(*key), std::move(view));
  }
  read_views_.reset();
  auto read = db_.prepare("SELECT beat FROM usage_beat WHERE agent = ? AND instance = ?");
  Views out;
  for (auto& [key, view] : found) {
    const auto row = read.bind(1, key.agent).bind(2, key.instance).step();
    if (!row.ok()) return row.error();
    if (*row) view.beat = read.integer(0);
    read.reset();
    out.push_back(std::move(view));
  }
  return out;
}

std::int64_t WitnessTables::seen_to(const View& view) const {
  return std::max<Ns>(view.last - view.resolution, 0) / slot_;
}

std::int64_t WitnessTables::lag_of(const Views& views) const {
  Ns slowest = 0;
  for (const View& view : views) slowest = std::max(slowest, view.beat > 0 ? view.beat : slot_);
  return witness_lag(slowest, slot_);
}

Status WitnessTables::before(const SeriesKey& series) {
  Bytes key = encode_series_key(series);
  if (before_.contains(key)) return {};
  auto views = views_of(key);
  if (!views.ok()) return views.error();
  before_.emplace(std::move(key), std::move(*views));
  return {};
}

Status WitnessTables::beat(const std::string& agent, const std::string& instance, Ns interval) {
  auto read = db_.prepare("SELECT beat FROM usage_beat WHERE agent = ? AND instance = ?");
  const auto row = read.bind(1, agent).bind(2, instance).step();
  if (!row.ok()) return row.error();
  if (*row && read.integer(0) >= interval) return {};
  read.reset();
  auto keys = db_.prepare("SELECT key FROM usage_view WHERE agent = ?");
  keys.bind(1, agent);
  for (;;) {
    const auto next = keys.step();
    if (!next.ok()) return next.error();
    if (!*next) break;
    const auto key = decode_view_key(keys.blob(0));
    if (!key.ok()) return key.error();
    if (key->series.scope != wire::Scope::shared || key->instance != instance) continue;
    if (Status status = before(key->series); !status.ok()) return status;
  }
  return db_.prepare("INSERT OR REPLACE INTO usage_beat VALUES(?, ?, ?)")
      .bind(1, agent)
      .bind(2, instance)
      .bind(3, interval)
      .done();
}

void WitnessTables::add(Due& due, std::int64_t first, std::int64_t last) {
  while (first <= last) {
    const std::int64_t block = block_of(first);
    const std::int64_t until = std::min(last, (block + 1) * kWitnessBlock - 1);
    const auto [it, fresh] = due.try_emplace(block, first, until);
    if (!fresh) it->second.first = std::min(it->second.first, first);
    if (!fresh) it->second.second = std::max(it->second.second, until);
    first = until + 1;
  }
}

/// All of the past that slots are held of.
Status WitnessTables::add_all(const Views& views, Due& due) {
  auto chunks = db_.prepare("SELECT chunk FROM usage_slots WHERE view = ?");
  for (const View& view : views) {
    const std::int64_t newest = view.last / slot_;
    add(due, std::max<std::int64_t>(newest - kRecentSlots - kRecentStep, 0), newest);
    chunks.bind(1, view.id);
    for (;;) {
      const auto row = chunks.step();
      if (!row.ok()) return row.error();
      if (!*row) break;
      const std::int64_t first = chunks.integer(0) * kChunkSlots;
      add(due, first, first + kChunkSlots - 1);
    }
    chunks.reset();
  }
  return {};
}

void WitnessTables::add_news(const View* was, const View& is, const Added& added, Due& due) const {
  const std::int64_t told = seen_to(is);
  if (const auto it = added.find(is.id); it != added.end()) {
    for (const std::int64_t slot : it->second) add(due, slot, std::min(slot, told - 1));
  }
  if (was == nullptr) return;
  // What was held already and is told only now: a gauge holds for two beats after its last sight.
  const Ns beat = is.beat > 0 ? is.beat : slot_;
  add(due, seen_to(*was), std::min(told - 1, (was->last + 2 * beat) / slot_));
}

Status WitnessTables::after(const Added& added, const Changed& changed) {
  for (const auto& [series, was] : before_) {
    const auto is = views_of(series);
    if (!is.ok()) return is.error();
    for (const View& view : *is) told_[view.id] = seen_to(view);
    if (is->size() < 2) continue;
    bool all = lag_of(was) != lag_of(*is) && was.size() > 1;
    Due due;
    for (const View& view : *is) {
      const auto old = std::find_if(was.begin(), was.end(),
                                    [&](const View& each) { return each.id == view.id; });
      all |= old != was.end() && old->resolution != view.resolution;
      add_news(old == was.end() ? nullptr : &*old, view, added, due);
    }
    if (all) {
      Status noted = write_past_.bind(1, ByteView(series)).bind(2, kFromTheFirst).done();
      if (!noted.ok()) return noted;
    }
    for (const std::int64_t block : blocks_of(*is, due)) {
      if (Status status = compare(series, *is, block, changed); !status.ok()) return status;
    }
  }
  return {};
}

Status WitnessTables::compare_past(const Changed& changed) {
  auto first = db_.prepare("SELECT series, block FROM usage_compare ORDER BY series LIMIT 1");
  auto drop = db_.prepare("DELETE FROM usage_compare WHERE series = ?");
  for (std::size_t reads = kReadsAtOnce; reads > 0;) {
    const auto row = first.step();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const Bytes series = first.blob(0);
    const std::int64_t from = first.integer(1);
    first.reset();
    const auto next = compare_from(series, from, reads, changed);
    if (!next.ok()) return next.error();
    Status kept = next->has_value() ? write_past_.bind(1, ByteView(series)).bind(2, **next).done()
                                    : drop.bind(1, ByteView(series)).done();
    if (!kept.ok()) return kept;
  }
  return {};
}

Result<std::optional<std::int64_t>> WitnessTables::compare_from(const Bytes& series,
                                                                std::int64_t from,
                                                                std::size_t& reads,
                                                                const Changed& changed) {
  const auto views = views_of(series);
  if (!views.ok()) return views.error();
  Due due;
  if (views->size() > 1) {
    if (Status status = add_all(*views, due); !status.ok()) return status.error();
  }
  --reads;
  const std::set<std::int64_t> blocks = blocks_of(*views, due);
  for (auto at = blocks.lower_bound(from); at != blocks.end(); ++at) {
    if (reads == 0) return std::optional(*at);
    if (Status status = compare(series, *views, *at, changed); !status.ok()) return status.error();
    reads -= std::min(reads, views->size());
  }
  return std::optional<std::int64_t>();
}

/// Those in which something may compare otherwise.
std::set<std::int64_t> WitnessTables::blocks_of(const Views& views, const Due& due) const {
  const std::int64_t reach = std::min(lag_of(views), kWitnessBlock);
  std::set<std::int64_t> blocks;
  for (const auto& [block, range] : due) {
    const std::int64_t last = block_of(range.second + reach);
    for (std::int64_t b = block_of(range.first - reach); b <= last; ++b) blocks.insert(b);
  }
  return blocks;
}

Status WitnessTables::compare(const Bytes& series, const Views& views, std::int64_t block,
                              const Changed& changed) {
  const auto now = found(views, block, lag_of(views));
  if (!now.ok()) return now.error();
  const auto was = held(series, block);
  if (!was.ok()) return was.error();
  if (*now == *was) return {};
  if (Status status = replace(series, block, *now); !status.ok()) return status;
  for (const auto* rows : {&*now, &*was}) {
    for (const Row& row : *rows) changed(row.from, row.to);
  }
  return {};
}

Result<std::vector<WitnessTables::Row>> WitnessTables::found(const Views& views, std::int64_t block,
                                                             std::int64_t lag) {
  std::vector<Row> rows;
  if (lag > kWitnessBlock / 2) return rows;
  const std::int64_t first = block * kWitnessBlock, end = first + kWitnessBlock;
  std::vector<Witness> witnesses;
  for (const View& view : views) {
    auto slots = slots_.read(view.id, std::max<std::int64_t>(first - lag, 0), end + lag);
    if (!slots.ok()) return slots.error();
    witnesses.push_back({std::move(*slots), seen_to(view)});
  }
  for (const Disagreement& each : disagreements(witnesses, first, end, lag)) {
    const Ns from = each.first * slot_, to = each.end * slot_;
    for (std::size_t v = 0; v < views.size(); ++v) {
      const bool counts = v == each.lowest;
      rows.push_back({views[v].id, from, to, counts, counts ? each.excess : 0,
                      counts
                          ? std::string(why_of(AnomalyCause::witnesses)) + ": " +
                                views[each.highest].name + " read so much more; the lowest counts"
                          : std::string()});
    }
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::pair(a.view, a.from) < std::pair(b.view, b.from);
  });
  return rows;
}

Result<std::vector<WitnessTables::Row>> WitnessTables::held(const Bytes& series,
                                                            std::int64_t block) {
  std::vector<Row> rows;
  read_rows_.bind(1, ByteView(series)).bind(2, block);
  for (;;) {
    const auto row = read_rows_.step();
    if (!row.ok()) return row.error();
    if (!*row) break;
    const bool counts = !read_rows_.null(3);
    rows.push_back({read_rows_.integer(0), read_rows_.integer(1), read_rows_.integer(2), counts,
                    counts ? read_rows_.quantity(3) : 0, read_rows_.text(4)});
  }
  read_rows_.reset();
  return rows;
}

Status WitnessTables::replace(const Bytes& series, std::int64_t block,
                              const std::vector<Row>& rows) {
  if (Status status = drop_rows_.bind(1, ByteView(series)).bind(2, block).done(); !status.ok()) {
    return status;
  }
  for (const Row& row : rows) {
    write_row_.bind(1, ByteView(series)).bind(2, block).bind(3, row.view).bind(4, row.from);
    write_row_.bind(5, row.to).bind(7, row.why);
    if (row.counts) {
      write_row_.bind(6, row.value);
    } else {
      write_row_.bind_null(6);
    }
    if (Status status = write_row_.done(); !status.ok()) return status;
  }
  return {};
}

Result<std::uint64_t> to_compare(Database& database) {
  auto count = database.prepare("SELECT count(*) FROM usage_compare");
  const auto row = count.step();
  if (!row.ok()) return row.error();
  return count.u64(0);
}

Result<std::vector<Span>> withheld(Database& database, std::int64_t view, Ns from, Ns to) {
  auto read = database.prepare(
      "SELECT from_ns, to_ns FROM usage_witness WHERE view = ? AND from_ns < ? AND to_ns > ?"
      " AND value IS NULL ORDER BY from_ns");
  read.bind(1, view).bind(2, to).bind(3, from);
  std::vector<Span> out;
  for (;;) {
    const auto row = read.step();
    if (!row.ok()) return row.error();
    if (!*row) return out;
    out.push_back({read.integer(0), read.integer(1)});
  }
}

}  // namespace tallyman::rater
