#pragma once
// Handles for what a plugin emits: each (metric, source, epoch, start, identity, info) is found
// again by its content. Built for a plugin that emits the same things in the same order at every
// poll: then finding costs one comparison and no hashing.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/host_protocol.hpp"

namespace tallyman::host {

/// What makes a handle. Pointers as the plugin gave them, none NULL.
struct SeriesKey {
  std::uint32_t metric = 0;
  std::uint32_t source = 0;
  std::uint64_t epoch = 0;
  Ns start = 0;
  std::span<const char*const> identity, info;
};

/// Owned by the host's instance; not thread-safe.
class SeriesTable {
 public:
  struct Entry {
    Handle handle = 0;
    std::uint32_t metric = 0;
    std::uint32_t source = 0;
    std::uint64_t epoch = 0;
    Ns start = 0;
    std::uint64_t hash = 0;
    std::uint64_t used = 0;  ///< number of the last poll that emitted it
    std::uint64_t untimed =
        0;               ///< number of the last poll that emitted it without a time of its own
    std::string labels;  ///< identity, then info, a zero byte behind each
  };

  /// Nothing when there is no equal one. The pointer holds until the next add() or forget().
  [[nodiscard]] Entry* find(const SeriesKey& key);
  /// `key` is not in the table. Handles ascend from 1.
  Entry& add(const SeriesKey& key);
  /// Removes the entries that poll `current` did not emit, at most `most` of them, and returns
  /// their handles, ascending.
  std::vector<Handle> forget_unused(std::uint64_t current, std::size_t most);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool exhausted() const { return next_handle_ == 0; }

 private:
  void index(std::uint32_t position);
  void rebuild(std::size_t slots);

  std::vector<Entry> entries_;        ///< in order of definition
  std::vector<std::uint32_t> slots_;  ///< open addressing: position + 1; a power of two of them
  std::size_t expected_ = 0;          ///< the position behind the last one found
  Handle next_handle_ = 1;
};

}  // namespace tallyman::host
