#pragma once
// The fields of a spool that is handed over, in the order in which they are written. A change here
// is a change of kStateVersion.

#include "agent/reexec/fields.hpp"
#include "agent/spool/spool_saved.hpp"

namespace tallyman::agent {

constexpr std::int64_t end_of(Shed) { return static_cast<int>(Shed::lost) + 1; }

template <typename Archive>
void fields(Archive& archive, Identity& identity) {
  auto& [agent, incarnation, created, ledger, token, slot] = identity;
  archive(agent, incarnation, created, ledger, token, slot);
}

template <typename Archive>
void fields(Archive& archive, Mark& mark) {
  auto& [incarnation, sequence, hash] = mark;
  archive(incarnation, sequence, hash);
}

template <typename Archive>
void fields(Archive& archive, SlotFile::Saved& file) {
  auto& [counter, second, made] = file;
  archive(counter, second, made);
}

template <typename Archive>
void fields(Archive& archive, DefinitionMap::Numbered& numbered) {
  auto& [key, number] = numbered;
  archive(key, number);
}

template <typename Archive>
void fields(Archive& archive, DefinitionMap::Saved& dictionary) {
  auto& [definitions, numbers, highest, committed] = dictionary;
  archive(definitions, numbers, highest, committed);
}

template <typename Archive>
void fields(Archive& archive, PluginState& state) {
  auto& [instance, version, bytes, scheduled] = state;
  archive(instance, version, bytes, scheduled);
}

template <typename Archive>
void fields(Archive& archive, SegmentPlace& segment) {
  auto& [first, bytes, begun, shed, gauges] = segment;
  archive(first, bytes, begun, shed, gauges);
}

template <typename Archive>
void fields(Archive& archive, BatchPlace& place) {
  auto& [first, last, offset, size, opened, previous, hash] = place;
  archive(first, last, offset, size, opened, previous, hash);
}

template <typename Archive>
void fields(Archive& archive, UnsyncedBatch& batch) {
  auto& [place, bytes] = batch;
  archive(place, bytes);
}

template <typename Archive>
void fields(Archive& archive, SpoolSaved& spool) {
  auto& [identity, identity_file, mark, mark_file, mark_known, mark_stored, mark_durable,
         mark_stored_at, dictionary, states, covered, segments, end, start_bytes, places, sealed,
         last_link, last_sealed_boot, dirty, dirty_directory, pending, durable, durable_active,
         last_durable, oldest, acknowledged_bytes] = spool;
  archive(identity, identity_file, mark, mark_file, mark_known, mark_stored, mark_durable,
          mark_stored_at, dictionary, states, covered, segments, end, start_bytes, places, sealed,
          last_link, last_sealed_boot, dirty, dirty_directory, pending, durable, durable_active,
          last_durable, oldest, acknowledged_bytes);
}

}  // namespace tallyman::agent
