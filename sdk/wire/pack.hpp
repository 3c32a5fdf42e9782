#pragma once
// Batches made smaller for the link, where agent and rater agreed on it: one zstd frame (RFC 8878)
// that holds the batch and names its size, without a dictionary. Hash chain, spool and ledger know
// the batch alone. zstd is included by pack.cpp only.

#include <cstddef>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace tallyman::wire {

/// The batch as one frame; nothing if that would not be smaller. Thread-safe.
[[nodiscard]] Bytes pack(ByteView batch);

/// The size that the frame claims to hold: 1 to kMaxBatchBytes, else an error. Reads a few bytes.
[[nodiscard]] Result<std::size_t> packed_size(ByteView frame);

/// What pack() was given. Whatever the bytes are, this gives what they hold or an error, and takes
/// no more memory than the claimed size, which packed_size() bounds, and 256 KiB. Thread-safe.
[[nodiscard]] Result<Bytes> unpack(ByteView frame);

}  // namespace tallyman::wire
