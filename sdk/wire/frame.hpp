#pragma once
// Frames: what a batch is made of, and what else stands in a spool segment between them.
//
//   u32 CRC-32C over all that follows · u32 length of payload · u8 type · payload
//
// The checksum comes first and covers the length, so that a damaged length is found as damage and
// not as a frame that ends elsewhere. Nine zero bytes are no frame (their checksum differs) but the
// end: preallocated space that was never written.
//
// A head frame's payload begins with kMarker, so that a scan finds the next batch after damage.
// Plugin state and label values are bytes of somebody else's choosing and may hold the marker, even
// a whole frame: a place found by find_marker() is a candidate, to be believed when the frame is
// whole and the head it decodes to names the right agent, incarnation and predecessor.
//
// Pure functions, any thread.

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

/// What a frame holds. Only the first three are part of a batch; the others stand in the spool
/// alone. A type that is not listed here is passed through as it is.
enum class FrameType : std::uint8_t {
  head = 'H',
  page = 'P',
  seal = 'S',
  dictionary = 'D',  ///< definitions, repeated at the start of a segment
  state = 'T',       ///< committed plugin states
  segment = 'G',     ///< a segment's own header
};
[[nodiscard]] constexpr bool part_of_batch(FrameType type) {
  return type == FrameType::head || type == FrameType::page || type == FrameType::seal;
}

constexpr std::size_t kFrameOverhead = 9;                 ///< bytes of a frame beside its payload
constexpr std::size_t kMaxFramePayload = kMaxBatchBytes;  ///< a longer length is damage

/// The first bytes of a head frame's payload. 0xff occurs in no UTF-8 text.
constexpr std::array<std::uint8_t, 16> kMarker{0xff, 0x54, 0x41, 0x4c, 0x4c, 0x59, 0xff, 0x42,
                                               0x41, 0x54, 0x43, 0x48, 0xff, 0x9e, 0xc3, 0xff};

/// Appends one whole frame. Precondition: the payload is at most kMaxFramePayload bytes.
void append_frame(Bytes& out, FrameType type, ByteView payload);

enum class FrameStatus : std::uint8_t {
  whole,    ///< a frame whose checksum holds
  end,      ///< no bytes left, or only zeros where the next frame would begin
  torn,     ///< the bytes end before the frame does (or its length is damaged)
  damaged,  ///< checksum or length is wrong
};

struct FrameScan {
  FrameStatus status = FrameStatus::end;
  FrameType type{};      ///< whole only
  ByteView payload;      ///< whole only: a view into the bytes scanned
  std::size_t size = 0;  ///< whole only: bytes of the frame, where the next one begins
};

/// Looks at the frame that begins at the first byte.
[[nodiscard]] FrameScan next_frame(ByteView bytes);

/// Offset at which a head frame would begin, judged by its marker alone; nothing when none follows.
/// To go on after a false one at `offset`, search from offset + 1.
[[nodiscard]] std::optional<std::size_t> find_marker(ByteView bytes);

}  // namespace tallyman::wire
