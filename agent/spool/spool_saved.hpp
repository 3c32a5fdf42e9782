#pragma once
// A spool as values: what a program that is executed in place of this one needs in order to go on
// with it without asking the disk. Only between two batches, and while no write-out is under way.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/spool/dictionary.hpp"
#include "agent/spool/segment.hpp"
#include "agent/spool/slot_file.hpp"
#include "agent/spool/spool_identity.hpp"

namespace tallyman::agent {

/// A segment file, from its first batch on.
struct SegmentPlace {
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
  Ns begun = 0;
  Shed shed = Shed::nothing;
  bool gauges = true;  ///< it may hold readings that thinning counters leaves
};

/// Sealed, not known to be durable.
struct UnsyncedBatch {
  BatchPlace place;
  Bytes bytes;
};

/// Members as those of SpoolStore with the same names.
struct SpoolSaved {
  Identity identity;
  SlotFile::Saved identity_file;
  Mark mark;
  SlotFile::Saved mark_file;
  bool mark_known = false, mark_stored = true, mark_durable = false;
  Ns mark_stored_at = 0;
  DefinitionMap::Saved dictionary;
  std::vector<PluginState> states;
  std::map<std::string, Ns> covered;
  std::vector<SegmentPlace> segments;
  std::uint64_t end = 0, start_bytes = 0;
  std::vector<BatchPlace> places;
  std::uint64_t sealed = 0;
  Hash last_link = kNoHash;
  Ns last_sealed_boot = 0;
  bool dirty = false, dirty_directory = false;
  std::vector<UnsyncedBatch> pending;
  std::uint64_t durable = 0, durable_active = 0;
  Ns last_durable = 0;
  Ns oldest = 0;
  std::uint64_t acknowledged_bytes = 0;
};

}  // namespace tallyman::agent
