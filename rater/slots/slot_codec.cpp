#include "rater/slots/slot_codec.hpp"

#include <algorithm>
#include <array>

#include "base/hash.hpp"
#include "rater/slots/slot_block.hpp"

namespace tallyman::rater {

namespace {

using Column = std::vector<std::uint64_t>;

constexpr std::uint8_t kVersion = 1;
constexpr unsigned kAmount = 1, kUncovered = 2, kEstimated = 4, kPeak = 8, kBefore = 16,
                   kAfter = 32, kAll = 63;

void put_column(ByteWriter& out, std::size_t count, const Column& low, const Column& high) {
  std::array<u128, kBlock> values{};
  for (std::size_t from = 0; from < count; from += kBlock) {
    const std::size_t here = std::min(kBlock, count - from);
    for (std::size_t i = 0; i < here; ++i) {
      values[i] = u128{high.empty() ? 0 : high[from + i]} << 64U;
      values[i] |= low.empty() ? 0 : low[from + i];
    }
    put_block(out, std::span(values).first(here));
  }
}

void take_column(ByteReader& in, std::size_t count, Column& low, Column& high) {
  low.assign(count, 0);
  std::array<std::uint64_t, kBlock> upper{};
  for (std::size_t from = 0; from < count && in.ok(); from += kBlock) {
    const std::size_t here = std::min(kBlock, count - from);
    bool wide = false;
    take_block(in, std::span(low).subspan(from, here), std::span(upper).first(here), wide);
    if (!wide) continue;
    high.resize(count, 0);
    std::copy_n(upper.begin(), here, high.begin() + static_cast<std::ptrdiff_t>(from));
    upper.fill(0);
  }
}

Error damaged(const char* what) {
  return {std::string("a chunk of slots is damaged: ") + what, "ledger",
          "restore the ledger from a backup"};
}

}  // namespace

Bytes encode_slots(const SlotArray& given) {
  const SlotArray slots = given.trimmed();
  const SlotArray::Columns& columns = slots.columns();
  Bytes bytes;
  ByteWriter out(bytes);
  out.u8(kVersion);
  out.varint(static_cast<std::uint64_t>(slots.length()));
  out.svarint(slots.first());
  out.varint(slots.size());
  const bool amounts = !columns.low.empty() || !columns.high.empty();
  unsigned there = amounts ? kAmount : 0U;
  if (!columns.uncovered.empty()) there |= kUncovered;
  if (!columns.estimated.empty()) there |= kEstimated;
  if (!columns.peak.empty()) there |= kPeak;
  if (!columns.before.empty()) there |= kBefore;
  if (!columns.after.empty()) there |= kAfter;
  out.u8(static_cast<std::uint8_t>(there));
  if (amounts) put_column(out, slots.size(), columns.low, columns.high);
  for (const Column* column :
       {&columns.uncovered, &columns.estimated, &columns.peak, &columns.before, &columns.after}) {
    if (!column->empty()) put_column(out, slots.size(), *column, {});
  }
  out.u32(crc32c(bytes));
  return bytes;
}

Result<SlotArray> decode_slots(ByteView chunk) {
  if (chunk.size() < 4) return damaged("too short");
  const ByteView body = chunk.first(chunk.size() - 4);
  if (ByteReader(chunk.last(4)).u32() != crc32c(body)) return damaged("its checksum is wrong");
  ByteReader in(body);
  if (in.u8() != kVersion) return damaged("of a version this program does not know");
  const std::uint64_t length = in.varint();
  const std::int64_t first = in.svarint();
  const std::uint64_t count = in.varint();
  const unsigned there = in.u8();
  if (!in.ok() || length == 0 || length > static_cast<std::uint64_t>(kDay) ||
      count > kMaxChunkSlots || there > kAll) {
    return damaged("its head is out of bounds");
  }
  constexpr std::int64_t kFarthest = std::int64_t{1} << 62;
  if (first < -kFarthest || first > kFarthest) return damaged("its first slot is out of bounds");
  SlotArray::Columns columns;
  Column none;
  if ((there & kAmount) != 0) take_column(in, count, columns.low, columns.high);
  if ((there & kUncovered) != 0) take_column(in, count, columns.uncovered, none);
  if ((there & kEstimated) != 0) take_column(in, count, columns.estimated, none);
  if ((there & kPeak) != 0) take_column(in, count, columns.peak, none);
  if ((there & kBefore) != 0) take_column(in, count, columns.before, none);
  if ((there & kAfter) != 0) take_column(in, count, columns.after, none);
  if (!in.ok() || !in.at_end()) return damaged("its columns are malformed");
  if (!none.empty()) return damaged("a number is out of bounds");
  return SlotArray::of(static_cast<Ns>(length), first, count, std::move(columns));
}

}  // namespace tallyman::rater
