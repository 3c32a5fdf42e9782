#pragma once
// A chunk of slots as bytes: what the ledger keeps of one view. Pure.
//
//   chunk    u8 version (1) · varint slot length · svarint first slot · varint slots · u8 columns ·
//            the columns that are there, in this order · u32 CRC-32C of all before it
//   columns  1 amount · 2 uncovered (slot length − covered) · 4 estimated · 8 peak; one that is
//            not there is all zeros. uncovered, estimated and peak are numbers modulo 2⁶⁴, amounts
//            numbers of 128 bits.
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
// Measured over a month of 8928 slots (bytes a slot; nanoseconds a slot to decode, -O2):
//                               this         varints      varints, zstd -3
//   uniform in 0 … 10⁹          3.77, 1.1    4.87, 6.1    4.13, 13    (entropy 3.74)
//   daily wave, 10 % of noise   3.58, 1.1    4.72, 5.9    4.03, 12
//   gauge, 1 TiB ± 1 %          8.0          20           11
// Rejected: a row for each slot (19 bytes, and a lookup each); varints (a byte's eighth bit is 30 %
// here, and every value waits for the one before it); zstd over either (nothing gained on what is
// noise, and ten times the time); differences of neighbours (usage is no ramp: they are wider by a
// bit); sorted values with a permutation (a month's shape is needed to explain a line); doubles.

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
