#pragma once
// The payloads of a batch's first and last frame, and what writer and reader of pages share;
// private to sdk/wire. The bytes are documented in batch.hpp.

#include "wire/batch.hpp"

namespace tallyman::wire {

constexpr std::uint16_t kBatchVersion = 1;

enum class EntryKind : std::uint8_t { definition = 1, poll = 2, gap = 3 };
constexpr std::uint8_t kEntryKindMask = 0x03;
constexpr std::uint8_t kInTime = 0x04;
constexpr std::uint8_t kStepped = 0x08;
constexpr std::uint8_t kSameEpochs = 0x10;
constexpr std::uint8_t kOwnTimes = 0x20;
constexpr std::uint8_t kEnded = 0x40;
constexpr std::uint8_t kPollFlags = kInTime | kStepped | kSameEpochs | kOwnTimes | kEnded;

[[nodiscard]] Bytes head_payload(const BatchHead& head);
[[nodiscard]] Result<BatchHead> decode_head_payload(ByteView payload);
[[nodiscard]] Result<BatchSeal> decode_seal_payload(ByteView payload);

[[nodiscard]] Status check_poll(const Poll& poll);
[[nodiscard]] Status check_gap(const Gap& gap);

}  // namespace tallyman::wire
