#pragma once
// A chunk of slots as bytes: what the ledger keeps of one view. Pure.
//
//   chunk    u8 version (1) · varint slot length · svarint first slot · varint slots · u8 columns ·
//            the columns that are there, in this order · u32 CRC-32C of all before it
//   columns  1 amount · 2 uncovered (slot length − covered) · 4 estimated · 8 peak · 16 before ·
//            32 after; one that is not there is all zeros, as the last two are in chunks of older
//            raters. Amounts are numbers of 128 bits, all others numbers modulo 2⁶⁴.
//   column   blocks of 256 values, the last one what is left
//   block    u8 width · u8 exceptions · number base · number scale · the packed values ·
//            the exceptions
//   number   varint of 128 bits: seven bits a byte, least significant first
//
// A value is base + scale × its packed number, which has `width` bits (0 to 128), least significant
// first, one behind the other, the last byte filled up with zeros. An exception is u8 place and a
// number, that of the bits above `width`: a few values that are out of the ordinary do not widen
// the others. base is the least value, scale the greatest common divisor of what is above it; a
// block that is the same throughout has width 0 and takes four bytes and a base.
//
// Slots covered from end to end by readings at their beat have one column, idle ones none: a month
// of an idle series takes 20 bytes. A gauge is bytes × nanoseconds of poll after poll, whose scale
// is the beat, so that a slot takes the bits of a sum of bytes. An outage takes a bit a slot.
//
// Measured over a month of 8928 slots, bytes a slot and nanoseconds a slot to decode (-O2):
//                                     this         varints       the same under zstd -3
//   uniform in 0 … 10⁹ (entropy 3.74) 3.78  0.9    4.73   4.4    4.22   8
//   a daily wave with 10 % of noise   3.78  0.8    4.70   4.5    4.20   8
//   a gauge and its peak, 1 TiB ± 1 % 8.77  6.4    18.0    18    13.7  33
//   bursts, one slot in twenty        1.59  1.5    2.08   1.9    1.77   4
//   outages, three tenths             3.04  4.1    5.60   5.1    2.96   8
//   idle                              0.00  0.0    1.00   0.6    0.00   2
// To encode takes 10 to 30 ns a slot.
// Rejected: a row for each slot (19 bytes, and a lookup each); varints (every value ends at a byte,
// and waits for the one before it); zstd over varints (see there) or over this (nothing gained but
// 5 % with outages, for twice the time); differences of neighbours (usage is no ramp: they are
// wider by a bit); sorted values with a permutation (a month's shape is needed to explain a line);
// doubles.

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "rater/slots/slot_array.hpp"

namespace tallyman::rater {

/// As many slots as one chunk may have.
constexpr std::size_t kMaxChunkSlots = 1U << 14U;

/// Of at most kMaxChunkSlots slots. Arrays that hold the same give the same bytes.
[[nodiscard]] Bytes encode_slots(const SlotArray& slots);
/// Total: any bytes give an array or an error. Memory is bounded by kMaxChunkSlots.
[[nodiscard]] Result<SlotArray> decode_slots(ByteView chunk);

}  // namespace tallyman::rater
