#include "agent/instance/handle_table.hpp"

namespace tallyman::agent {

bool HandleTable::add(Handle handle, const Slot& slot) {
  if (handle < next_ || handle - next_ >= kFar || handle == ~Handle{0}) return false;
  std::size_t page = handle / kPage;
  if (page >= pages_.size()) pages_.resize(page + 1);
  if (!pages_[page]) pages_[page] = std::make_unique<Page>();
  pages_[page]->slots[handle % kPage] = slot;
  pages_[page]->used++;
  next_ = handle + 1;
  size_++;
  return true;
}

void HandleTable::forget(Handle handle) {
  Slot* slot = find(handle);
  if (slot == nullptr) return;
  *slot = {};
  size_--;
  std::unique_ptr<Page>& page = pages_[handle / kPage];
  if (--page->used == 0) page.reset();
}

HandleTable::Saved HandleTable::save() const {
  Saved saved;
  saved.next = next_;
  saved.entries.reserve(size_);
  for (std::size_t page = 0; page < pages_.size(); page++) {
    if (!pages_[page]) continue;
    for (std::size_t i = 0; i < kPage; i++) {
      const Slot& slot = pages_[page]->slots[i];
      if (slot.epoch != 0) saved.entries.push_back({static_cast<Handle>(page * kPage + i), slot});
    }
  }
  return saved;
}

bool HandleTable::restore(const Saved& saved) {
  clear();
  for (const Entry& entry : saved.entries) {
    next_ = entry.handle;  // there may be any number of forgotten ones between two
    const bool ascends = &entry == saved.entries.data() || (&entry)[-1].handle < entry.handle;
    if (ascends && entry.handle < saved.next && entry.slot.epoch != 0 &&
        add(entry.handle, entry.slot)) {
      continue;
    }
    clear();
    return false;
  }
  next_ = saved.next;
  return true;
}

void HandleTable::clear() {
  pages_.clear();
  next_ = 0;
  size_ = 0;
}

}  // namespace tallyman::agent
