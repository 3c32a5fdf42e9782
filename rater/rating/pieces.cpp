#include "rater/rating/pieces.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tallyman::rater {

namespace {

using Column = std::vector<std::uint64_t>;

/// Appends to a column of which none stands for zeros: `count` values, of which none are too.
void append(Column& column, std::size_t held, std::span<const std::uint64_t> values,
            std::size_t count) {
  const bool zeros = std::all_of(values.begin(), values.end(), [](auto v) { return v == 0; });
  if (column.empty() && zeros) return;
  column.resize(held, 0);
  if (zeros) {
    column.resize(held + count, 0);
  } else {
    column.insert(column.end(), values.begin(), values.end());
  }
}

std::span<const std::uint64_t> slice(const Column& column, std::size_t at, std::size_t count) {
  if (column.empty()) return {};
  return std::span(column).subspan(at, count);
}

bool is_whole(const Piece& piece) {
  const Ns length = piece.to - piece.from;
  return length > 0 && piece.from == piece.slot * length && piece.covered == length &&
         piece.estimated == 0 && piece.absent == 0;
}

}  // namespace

Piece WholeSlots::piece(std::size_t i) const {
  const std::int64_t at = slot + static_cast<std::int64_t>(i);
  return {at,     at * length, (at + 1) * length,          amount(i),
          length, 0,           peak.empty() ? 0 : peak[i], view};
}

Pieces::Run& Pieces::whole_run(std::int64_t slot, Ns length, std::uint32_t view) {
  length_ = length;
  const bool longer = !runs_.empty() && runs_.back().whole && runs_.back().view == view &&
                      runs_.back().slot + static_cast<std::int64_t>(runs_.back().count) == slot;
  if (!longer) runs_.push_back({slot, low_.size(), 0, view, true});
  return runs_.back();
}

void Pieces::push_back(const Piece& piece) {
  ++count_;
  const Ns length = piece.to - piece.from;
  if (is_whole(piece) && (length_ == 0 || length_ == length)) {
    ++whole_run(piece.slot, length, piece.view).count;
    const std::array high{static_cast<std::uint64_t>(piece.amount >> 64U)}, peak{piece.peak};
    append(high_, low_.size(), high, 1);
    append(peak_, low_.size(), peak, 1);
    low_.push_back(static_cast<std::uint64_t>(piece.amount));
    return;
  }
  if (runs_.empty() || runs_.back().whole)
    runs_.push_back({piece.slot, others_.size(), 0, 0, false});
  ++runs_.back().count;
  others_.push_back(piece);
}

void Pieces::append_whole(const SlotArray& slots, std::int64_t first, std::int64_t end,
                          std::uint32_t view) {
  if (first >= end) return;
  const auto count = static_cast<std::size_t>(end - first);
  const auto from = static_cast<std::size_t>(first - slots.first());
  const SlotArray::Columns& columns = slots.columns();
  whole_run(first, slots.length(), view).count += count;
  append(high_, low_.size(), slice(columns.high, from, count), count);
  append(peak_, low_.size(), slice(columns.peak, from, count), count);
  const auto low = slice(columns.low, from, count);
  if (low.empty()) {
    low_.resize(low_.size() + count, 0);
  } else {
    low_.insert(low_.end(), low.begin(), low.end());
  }
  count_ += count;
}

WholeSlots Pieces::slots_of(const Run& run) const {
  return {run.slot,
          length_,
          run.view,
          slice(low_, run.at, run.count),
          slice(high_, run.at, run.count),
          slice(peak_, run.at, run.count)};
}

Piece Pieces::piece_of(const Run& run, std::size_t i) const {
  return run.whole ? slots_of(run).piece(i) : others_[run.at + i];
}

Piece Pieces::operator[](std::size_t at) const {
  for (const Run& run : runs_) {
    if (at < run.count) return piece_of(run, at);
    at -= run.count;
  }
  return {};
}

PieceSums Pieces::sums() const {
  if (summed_) return *summed_;
  PieceSums out{0, static_cast<Ns>(low_.size()) * length_, 0, 0, !low_.empty()};
  for (const std::uint64_t low : low_) out.amount += low;
  for (const std::uint64_t high : high_) out.amount += u128{high} << 64U;
  for (const std::uint64_t peak : peak_) out.peak = std::max(out.peak, peak);
  for (const Piece& piece : others_) {
    out.amount += piece.amount;
    out.covered += piece.covered;
    out.estimated += piece.estimated;
    out.peak = std::max(out.peak, piece.peak);
    out.measured |= piece.covered > piece.absent;
  }
  return out;
}

void Pieces::sum_up() {
  Pieces summed;
  summed.summed_ = sums();
  *this = std::move(summed);
}

}  // namespace tallyman::rater
