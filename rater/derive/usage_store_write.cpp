// Keeping what was derived: one transaction for all of it.

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "rater/derive/usage_store_rows.hpp"
#include "rater/derive/usage_store_state.hpp"
#include "rater/derive/witness_tables.hpp"
#include "rater/slots/slot_tables.hpp"

namespace tallyman::rater {

void UsageStore::State::touch(Ns from, Ns to) {
  if (!touched) touched = Span{from, to};
  touched->from = std::min(touched->from, from);
  touched->to = std::max(touched->to, to);
}

void UsageStore::State::touch(const Derived& derived) {
  for (const Derived::Contribution& each : derived.usage) {
    touch(each.usage.slot * slot, (each.usage.slot + 1) * slot);
  }
  // Labels and whether a series exists hold until something else is told.
  for (const Derived::Info& each : derived.info) touch(each.from, wire::kMaxTime);
  for (const Derived::Presence& each : derived.presence) touch(each.at, wire::kMaxTime);
  for (const Derived::PartGap& each : derived.part_gaps) touch(each.from, each.to);
}

Status UsageStore::State::persist() {
  Transaction transaction(ledger.database());
  if (!transaction.begun().ok()) return transaction.begun();
  touched.reset();
  for (auto& [name, agent] : agents) {
    if (agent == nullptr || !agent->dirty) continue;
    if (Status status = persist(name, *agent); !status.ok()) return status;
    agent->dirty = false;
  }
  auto before = ledger.database().prepare("SELECT watermark FROM usage_stream WHERE stream = ?");
  auto write = ledger.database().prepare("INSERT OR REPLACE INTO usage_stream VALUES(?, ?, ?, ?)");
  for (auto& [stream, mark] : done) {
    if (!std::exchange(mark.dirty, false)) continue;
    // Up to here this stream had told all: from here on its polls say what did not exist.
    const auto known = before.bind(1, stream).step();
    if (!known.ok()) return known.error();
    if (*known && before.integer(0) > 0) touch(before.integer(0), mark.watermark);
    before.reset();
    Status status = write.bind(1, stream)
                        .bind_u64(2, mark.sequence)
                        .bind(3, ByteView(mark.hash))
                        .bind(4, mark.watermark)
                        .done();
    if (!status.ok()) return status;
  }
  if (kept && touched) {
    if (Status told = kept(touched->from, touched->to); !told.ok()) return told;
  }
  return transaction.commit();
}

Status UsageStore::State::count_to_compare() {
  const auto count = to_compare(ledger.database());
  if (!count.ok()) return count.error();
  comparing = *count;
  return {};
}

Status UsageStore::State::compare_past() {
  if (Status status = count_to_compare(); !status.ok() || comparing == 0) return status;
  Transaction transaction(ledger.database());
  if (!transaction.begun().ok()) return transaction.begun();
  touched.reset();
  WitnessTables witnesses(ledger.database(), slot);
  Status compared = witnesses.compare_past([this](Ns from, Ns to) { touch(from, to); });
  if (!compared.ok()) return compared;
  if (kept && touched) {
    if (Status told = kept(touched->from, touched->to); !told.ok()) return told;
  }
  if (Status committed = transaction.commit(); !committed.ok()) return committed;
  return count_to_compare();
}

Status UsageStore::State::persist(const std::string& name, Agent& agent) {
  const Derived derived = agent.deriver.take();
  touch(derived);
  if (Status status = persist_slots(name, agent, derived); !status.ok()) return status;
  if (Status status = persist_events(name, agent, derived); !status.ok()) return status;
  const Bytes snapshot = agent.deriver.snapshot();
  return ledger.database()
      .prepare("INSERT OR REPLACE INTO usage_agent VALUES(?, ?)")
      .bind(1, name)
      .bind(2, snapshot)
      .done();
}

Status UsageStore::State::persist_slots(const std::string& name, Agent& agent,
                                        const Derived& derived) {
  const auto shared = [](const Derived::View& view) {
    return view.key.series.scope == wire::Scope::shared;
  };
  if (agent.shared.empty() && agent.longer_beats.empty() &&
      std::none_of(derived.views.begin(), derived.views.end(), shared)) {
    return keep_slots(agent, derived);
  }
  WitnessTables witnesses(ledger.database(), slot);
  for (const auto& [instance, beat] : std::exchange(agent.longer_beats, {})) {
    if (Status told = witnesses.beat(name, instance, beat); !told.ok()) return told;
  }
  for (const Derived::View& view : derived.views) {
    if (!shared(view)) continue;
    if (Status known = witnesses.before(view.key.series); !known.ok()) return known;
  }
  // The slot that a series is in says nothing before it is over: nothing to compare till then.
  const auto before = [&](std::uint64_t view, const auto& news) {
    const auto it = agent.shared.find(view);
    if (it == agent.shared.end() || (it->second.told >= 0 && !news(it->second))) return Status();
    return witnesses.before(it->second.series);
  };
  for (const Derived::Seen& seen : derived.seen) {
    const auto ends_slot = [&](const Agent::Shared& view) {
      return (seen.last - view.resolution) / slot > view.told;
    };
    if (Status known = before(seen.view, ends_slot); !known.ok()) return known;
  }
  for (const auto& [id, usage] : derived.usage) {
    const auto adds_to_told = [number = usage.slot](const Agent::Shared& view) {
      return number < view.told;
    };
    if (Status known = before(id, adds_to_told); !known.ok()) return known;
  }
  if (Status status = keep_slots(agent, derived); !status.ok()) return status;
  WitnessTables::Added added;
  for (const auto& [view, usage] : derived.usage) {
    if (agent.shared.contains(view)) added[agent.views.at(view)].push_back(usage.slot);
  }
  Status compared = witnesses.after(added, [this](Ns from, Ns to) { touch(from, to); });
  if (witnesses.told().empty()) return compared;
  for (auto& [id, view] : agent.shared) {
    const auto it = witnesses.told().find(agent.views.at(id));
    if (it != witnesses.told().end()) view.told = it->second;
  }
  return compared;
}

Status UsageStore::State::keep_slots(Agent& agent, const Derived& derived) {
  if (Status status = persist_views(agent, derived); !status.ok()) return status;
  if (Status status = persist_seen(agent, derived); !status.ok()) return status;
  return persist_usage(agent, derived);
}

Status UsageStore::State::persist_views(Agent& agent, const Derived& derived) {
  auto write = ledger.database().prepare(
      "INSERT INTO usage_view(key, agent, metric, resolution) VALUES(?, ?, ?, ?)"
      " ON CONFLICT(key) DO UPDATE SET resolution = excluded.resolution");
  auto read = ledger.database().prepare("SELECT id FROM usage_view WHERE key = ?");
  for (const Derived::View& view : derived.views) {
    const Bytes key = encode_view_key(view.key);
    Status status = write.bind(1, key)
                        .bind(2, view.key.agent)
                        .bind(3, view.key.series.metric)
                        .bind(4, view.resolution)
                        .done();
    if (!status.ok()) return status;
    const auto row = read.bind(1, key).step();
    if (!row.ok()) return row.error();
    agent.views[view.id] = read.integer(0);
    if (view.key.series.scope == wire::Scope::shared) {
      agent.shared[view.id] = {view.key.series, view.resolution};
    }
    read.reset();
  }
  return {};
}

Status UsageStore::State::persist_seen(Agent& agent, const Derived& derived) {
  Database& db = ledger.database();
  auto read = db.prepare("SELECT first_ns FROM usage_view WHERE id = ?");
  auto born = db.prepare("INSERT OR IGNORE INTO usage_absent VALUES(?, 0, ?)");
  auto write = db.prepare(
      "UPDATE usage_view SET last_ns = max(last_ns, ?3),"
      " first_ns = iif(first_ns = 0, ?2, min(first_ns, ?2)) WHERE id = ?1");
  for (const Derived::Seen& seen : derived.seen) {
    const std::int64_t view = agent.views.at(seen.view);
    if (seen.fresh && seen.born > 0) {
      const auto row = read.bind(1, view).step();
      if (!row.ok()) return row.error();
      const bool never = *row && read.integer(0) == 0;
      read.reset();
      if (never) {
        if (Status status = born.bind(1, view).bind(2, seen.born).done(); !status.ok()) {
          return status;
        }
      }
    }
    Status status = write.bind(1, view).bind(2, seen.first).bind(3, seen.last).done();
    if (!status.ok()) return status;
  }
  return {};
}

Status UsageStore::State::persist_usage(Agent& agent, const Derived& derived) {
  std::map<std::int64_t, std::vector<SlotUsage>> by_view;
  for (const auto& [view, usage] : derived.usage) by_view[agent.views.at(view)].push_back(usage);
  SlotTables tables(ledger.database(), slot);
  for (const auto& [view, usage] : by_view) {
    if (Status status = tables.add(view, usage); !status.ok()) return status;
  }
  return {};
}

Status UsageStore::State::persist_events(const std::string& name, Agent& agent,
                                         const Derived& derived) {
  Database& db = ledger.database();
  auto info = db.prepare("INSERT OR REPLACE INTO usage_info VALUES(?, ?, ?)");
  for (const auto& [view, from, labels] : derived.info) {
    const Bytes bytes = encode_labels(labels);
    Status status = info.bind(1, agent.views.at(view)).bind(2, from).bind(3, bytes).done();
    if (!status.ok()) return status;
  }
  auto gone = db.prepare("INSERT OR REPLACE INTO usage_absent VALUES(?, ?, NULL)");
  auto back = db.prepare(
      "UPDATE usage_absent SET to_ns = max(from_ns, ?2) WHERE view = ?1 AND to_ns IS NULL");
  for (const auto& [view, at, present] : derived.presence) {
    Status status = (present ? back : gone).bind(1, agent.views.at(view)).bind(2, at).done();
    if (!status.ok()) return status;
  }
  auto run = db.prepare(
      "INSERT INTO usage_run VALUES(?, ?, ?, ?)"
      " ON CONFLICT(agent, instance, from_ns) DO UPDATE SET to_ns = excluded.to_ns");
  for (const auto& [instance, from, to] : derived.runs) {
    Status status = run.bind(1, name).bind(2, instance).bind(3, from).bind(4, to).done();
    if (!status.ok()) return status;
  }
  auto part = db.prepare(
      "INSERT INTO usage_part_gap VALUES(?, ?, ?, ?, ?)"
      " ON CONFLICT(agent, instance, subject, from_ns) DO UPDATE"
      " SET to_ns = max(to_ns, excluded.to_ns)");
  for (const auto& [instance, subject, from, to] : derived.part_gaps) {
    Status status = part.bind(1, name)
                        .bind(2, instance)
                        .bind(3, as_bytes(subject))
                        .bind(4, from)
                        .bind(5, to)
                        .done();
    if (!status.ok()) return status;
  }
  auto anomaly = db.prepare(
      "INSERT INTO usage_anomaly(view, from_ns, to_ns, value, cause) VALUES(?, ?, ?, ?, ?)");
  for (const Anomaly& each : derived.anomalies) {
    Status status = anomaly.bind(1, agent.views.at(each.view))
                        .bind(2, each.from)
                        .bind(3, each.to)
                        .bind(4, each.value)
                        .bind(5, static_cast<std::int64_t>(each.cause))
                        .done();
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace tallyman::rater
