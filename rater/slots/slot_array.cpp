#include "rater/slots/slot_array.hpp"

#include <algorithm>
#include <utility>

namespace tallyman::rater {

namespace {

using Column = std::vector<std::uint64_t>;

std::uint64_t value(const Column& column, std::size_t at) {
  return column.empty() ? 0 : column[at];
}

void set(Column& column, std::size_t at, std::uint64_t value, std::size_t count) {
  if (column.empty() && value == 0) return;
  if (column.empty()) column.resize(count, 0);
  column[at] = value;
}

/// `before` values and `after` more of `fill` around what is there.
void widen(Column& column, std::size_t count, std::size_t before, std::size_t after,
           std::uint64_t fill) {
  if (column.empty() && fill == 0) return;
  if (column.empty()) column.resize(count, 0);
  column.insert(column.begin(), before, fill);
  column.insert(column.end(), after, fill);
}

Column slice(const Column& column, std::size_t from, std::size_t count) {
  const auto begin = column.begin() + static_cast<std::ptrdiff_t>(column.empty() ? 0 : from);
  const auto end = column.empty() ? begin : begin + static_cast<std::ptrdiff_t>(count);
  if (std::all_of(begin, end, [](std::uint64_t v) { return v == 0; })) return {};
  return {begin, end};
}

}  // namespace

SlotUsage SlotArray::at(std::int64_t slot) const {
  SlotUsage usage{.slot = slot};
  if (slot < first_ || slot >= end()) return usage;
  const auto i = static_cast<std::size_t>(slot - first_);
  usage.amount = u128{value(columns_.high, i)} << 64U | value(columns_.low, i);
  usage.covered =
      static_cast<Ns>(static_cast<std::uint64_t>(length_) - value(columns_.uncovered, i));
  usage.estimated = static_cast<Ns>(value(columns_.estimated, i));
  usage.peak = value(columns_.peak, i);
  usage.before = value(columns_.before, i);
  usage.after = value(columns_.after, i);
  return usage;
}

bool SlotArray::known(std::int64_t slot) const {
  if (slot < first_ || slot >= end()) return false;
  return !is_nothing(at(slot));
}

std::vector<SlotUsage> SlotArray::list() const {
  std::vector<SlotUsage> out;
  for (std::int64_t slot = first_; slot < end(); ++slot) {
    if (known(slot)) out.push_back(at(slot));
  }
  return out;
}

u128 SlotArray::total() const {
  u128 sum = 0;
  for (const std::uint64_t low : columns_.low) sum += low;
  for (const std::uint64_t high : columns_.high) sum += u128{high} << 64U;
  return sum;
}

void SlotArray::grow(std::int64_t first, std::int64_t end) {
  if (count_ == 0) first_ = first;
  const auto before = static_cast<std::size_t>(std::max<std::int64_t>(first_ - first, 0));
  const auto after = static_cast<std::size_t>(std::max<std::int64_t>(end - this->end(), 0));
  if (before + after == 0) return;
  for (Column* column : {&columns_.low, &columns_.high, &columns_.estimated, &columns_.peak,
                         &columns_.before, &columns_.after}) {
    widen(*column, count_, before, after, 0);
  }
  widen(columns_.uncovered, count_, before, after, static_cast<std::uint64_t>(length_));
  first_ -= static_cast<std::int64_t>(before);
  count_ += before + after;
}

void SlotArray::add(const SlotUsage& usage) {
  grow(usage.slot, usage.slot + 1);
  const auto i = static_cast<std::size_t>(usage.slot - first_);
  const SlotUsage held = at(usage.slot);
  const u128 amount = held.amount + usage.amount;
  set(columns_.low, i, static_cast<std::uint64_t>(amount), count_);
  set(columns_.high, i, static_cast<std::uint64_t>(amount >> 64U), count_);
  set(columns_.uncovered, i,
      static_cast<std::uint64_t>(length_) - static_cast<std::uint64_t>(held.covered) -
          static_cast<std::uint64_t>(usage.covered),
      count_);
  set(columns_.estimated, i,
      static_cast<std::uint64_t>(held.estimated) + static_cast<std::uint64_t>(usage.estimated),
      count_);
  set(columns_.peak, i, std::max(held.peak, usage.peak), count_);
  set(columns_.before, i, sum_or_no_end(held.before, usage.before), count_);
  set(columns_.after, i, sum_or_no_end(held.after, usage.after), count_);
}

void SlotArray::add(const SlotArray& more) {
  if (more.empty()) return;
  if (empty()) {
    *this = more;
    return;
  }
  if (more.first() >= end()) return append(more);
  grow(more.first(), more.end());
  for (std::int64_t slot = more.first(); slot < more.end(); ++slot) {
    if (more.known(slot)) add(more.at(slot));
  }
}

void SlotArray::append(const SlotArray& more) {
  grow(first_, more.first());
  const auto join = [&](Column& column, const Column& theirs) {
    if (column.empty() && theirs.empty()) return;
    column.resize(count_, 0);
    column.insert(column.end(), theirs.begin(), theirs.end());
    column.resize(count_ + more.count_, 0);
  };
  join(columns_.low, more.columns_.low);
  join(columns_.high, more.columns_.high);
  join(columns_.uncovered, more.columns_.uncovered);
  join(columns_.estimated, more.columns_.estimated);
  join(columns_.peak, more.columns_.peak);
  join(columns_.before, more.columns_.before);
  join(columns_.after, more.columns_.after);
  count_ += more.count_;
}

SlotArray SlotArray::part(std::int64_t first, std::int64_t end) const {
  first = std::max(first, first_);
  end = std::min(end, this->end());
  while (first < end && !known(first)) ++first;
  while (first < end && !known(end - 1)) --end;
  if (first >= end) return SlotArray(length_);
  const auto from = static_cast<std::size_t>(first - first_);
  const auto count = static_cast<std::size_t>(end - first);
  return of(length_, first, count,
            {slice(columns_.low, from, count), slice(columns_.high, from, count),
             slice(columns_.uncovered, from, count), slice(columns_.estimated, from, count),
             slice(columns_.peak, from, count), slice(columns_.before, from, count),
             slice(columns_.after, from, count)});
}

SlotArray SlotArray::of(Ns length, std::int64_t first, std::size_t count, Columns columns) {
  SlotArray array(length, first);
  array.count_ = count;
  array.columns_ = std::move(columns);
  return array;
}

}  // namespace tallyman::rater
