#pragma once
// What stands in the two small files beside the segments, each a file of two slots (slot_file.hpp):
//
//   identity   'I': u16 version (1) · text agent · 16 bytes incarnation · i64 created · u64 ledger
//                   · u64 token · i64 slot
//   mark       'M': u16 version (1) · 16 bytes incarnation · u64 sequence · 32 bytes hash
//
// The mark may be lost at any time: everything in the spool is then sent again, and the rater knows
// it by its numbers.

#include <optional>
#include <string>

#include "base/result.hpp"
#include "wire/frame.hpp"
#include "wire/message.hpp"
#include "wire/model.hpp"

namespace tallyman::agent {

constexpr auto kIdentityFrame = static_cast<wire::FrameType>('I');
constexpr auto kMarkFrame = static_cast<wire::FrameType>('M');

/// Slots of 5 minutes, until a rater says otherwise.
constexpr Ns kDefaultSlot = 300 * kSecond;

struct Identity {
  std::string agent;
  wire::Incarnation incarnation{};
  Ns created = 0;
  std::uint64_t ledger = 0;
  wire::Token token = 0;
  Ns slot = kDefaultSlot;  ///< the rater's slot length
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct Mark {
  wire::Incarnation incarnation{};
  std::uint64_t sequence = 0;
  Hash hash = kNoHash;
  friend bool operator==(const Mark&, const Mark&) = default;
};

[[nodiscard]] Bytes encode_identity(const Identity& identity);
/// Nothing when the bytes are damaged; an error when they are whole but of a newer version.
[[nodiscard]] Result<std::optional<Identity>> decode_identity(ByteView bytes);
[[nodiscard]] Bytes encode_mark(const Mark& mark);
/// Nothing when the bytes are damaged or of a newer version.
[[nodiscard]] std::optional<Mark> decode_mark(ByteView bytes);

}  // namespace tallyman::agent
