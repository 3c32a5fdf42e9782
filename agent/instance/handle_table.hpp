#pragma once
// What a plugin host's handles stand for, found by index alone.

#include <array>
#include <memory>
#include <vector>

#include "agent/host_protocol.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

/// Handles are given in ascending order and never reused, so they index a table of pages; a page
/// whose handles are all forgotten is freed. Owned by a Recorder; not thread-safe.
class HandleTable {
 public:
  struct Slot {
    wire::DefNo epoch = 0;   ///< 0 = no such handle
    wire::DefNo series = 0;  ///< of that epoch
    bool fresh = false;      ///< its info labels are not recorded yet
  };

  /// Nothing when the handle is unknown or forgotten.
  [[nodiscard]] Slot* find(Handle handle) {
    std::size_t page = handle / kPage;
    if (page >= pages_.size() || !pages_[page]) return nullptr;
    Slot& slot = pages_[page]->slots[handle % kPage];
    return slot.epoch == 0 ? nullptr : &slot;
  }
  /// False when the handle is not above all before it, or far above them.
  [[nodiscard]] bool add(Handle handle, const Slot& slot);
  void forget(Handle handle);
  void clear();
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The whole table as values, and again as a table.
  struct Entry {
    Handle handle = 0;
    Slot slot;
  };
  struct Saved {
    std::vector<Entry> entries;  ///< ascending
    Handle next = 0;             ///< above every handle ever given
  };
  [[nodiscard]] Saved save() const;
  /// False, and empty, for what no table saves.
  [[nodiscard]] bool restore(const Saved& saved);

 private:
  static constexpr std::size_t kPage = 256;
  static constexpr Handle kFar = 1U << 16U;  ///< bounds what a hostile handle can cost
  struct Page {
    std::array<Slot, kPage> slots;
    std::size_t used = 0;
  };
  std::vector<std::unique_ptr<Page>> pages_;
  Handle next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tallyman::agent
