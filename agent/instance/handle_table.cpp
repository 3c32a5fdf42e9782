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

void HandleTable::clear() {
  pages_.clear();
  next_ = 0;
  size_ = 0;
}

}  // namespace tallyman::agent
