#pragma once
// The batch codec: one encoding for spool, wire and ledger, version 1.
//
// A batch is a run of frames (frame.hpp), one head, any number of pages, one seal: the same bytes
// in spool, wire and ledger, immutable once sealed. All integers are little-endian; varint =
// LEB128, svarint = zigzag LEB128, text = varint length and bytes. Sums and differences are modulo
// 2^64. An unknown version, kind or flag, and any byte left over, is an error.
//
// Head payload:
//   16 bytes kMarker · u16 version · u8 kind · text agent · 16 bytes incarnation ·
//   varint sequence · 32 bytes previous · 16 bytes boot id · i64 opened
//   kinds thinned and stand-in go on: 32 bytes original · varint last − sequence · text why
// Page payload: varint number of the page, from 0 · entries to the end.
// Seal payload: i64 watermark · varint number of pages.
//
// An entry begins with u8: bits 0-1 its kind, bits 2-7 flags (of polls alone).
// Kind 1, a definition: as in definition.hpp.
// Kind 2, a poll:
//   varint instance · svarint scheduled − (scheduled of the poll before it in the batch, of
//   whichever instance; at first: opened) · svarint wall − scheduled · svarint skew − (skew of the
//   poll before; at first: 0), skew being boot − wall
//   flag 0x10 not set: the list of epochs, ascending, as evenly spaced runs: varint number of runs
//     · per run: varint first − (last of the run before; at first: 0) · varint length − 1 · unless
//     that is 0: varint stride. A step or stride of 0 names an epoch again. Set: the list of the
//     instance's poll before.
//   values: bitmap of differences that are not zero (least significant bit first) · a nibble (low
//     half first) for each of these, its length in bytes, 1 to 8 · the zigzag differences, so many
//     bytes each. The difference is to the value of the same epoch in the instance's poll before
//     in this batch (the last one if it stands there more than once; the one at the same place if
//     the lists are the same), to 0 if it is not there.
//   flag 0x20: bitmap of values with a time of their own · svarint time − wall for each
//   flag 0x40: ended: varint count · svarint number − (the one before; at first: 0) for each
//   flags 0x04 in time, 0x08 stepped
// Kind 3, a gap:
//   varint instance · varint subject · svarint from − (scheduled of the poll before; at first:
//   opened) · varint to − from · u8 cause · text why
//
// Decoding does not keep page boundaries: encode_batch(decode_batch(b)) is an equal batch, not
// always equal bytes. So a batch that was received is stored and hashed as it came.
//
// Rejected: a batch per poll (head, hash and first values absolute each time: 7 bytes a reading,
// against 2.8 for a minute of polls); rows, a reading at a time (a number and a length for each:
// the columns make them a bit and half a byte); Protocol Buffers and CBOR (tags by reading, and
// their varints take 5 bytes where a length and 4 do; optional encodings make equal batches differ
// in bytes); zstd over pages (counters' low bytes are noise: it gains nothing on values, costs more
// time than all the rest, and makes memory depend on hostile input; the link may compress, the
// chain hashes what is not); floats (inexact above 2^53 bytes); names in line (a definition costs
// once, a number after that); second differences (they double the noise of traffic).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

constexpr std::size_t kMaxPollValues = 100'000;     ///< of one poll; always fit a page
constexpr std::size_t kMaxBatchValues = 1U << 20U;  ///< of all polls of a batch

enum class BatchKind : std::uint8_t {
  normal = 1,
  thinned = 2,   ///< fewer readings under its own sequence number; `original` is what it replaces
  stand_in = 3,  ///< a range of batches wholly gone: sequence … last
};

/// The first frame of every batch.
struct BatchHead {
  BatchKind kind = BatchKind::normal;
  std::string agent;
  Incarnation incarnation{};
  std::uint64_t sequence = 0;  ///< contiguous from 1 within an incarnation
  Hash previous = kNoHash;     ///< hash of the batch before (sequence − 1)
  BootId boot{};
  Ns opened = 0;            ///< wall clock when it was opened
  Hash original = kNoHash;  ///< thinned: the original's hash; stand-in: hash of batch `last`
  std::uint64_t last = 0;   ///< stand-in: the range's last sequence number; else = sequence
  std::string why;          ///< thinned, stand-in: the cause in words
  friend bool operator==(const BatchHead&, const BatchHead&) = default;
};

/// The last frame of every batch.
struct BatchSeal {
  /// Every scheduled instant before this one stands in this batch or an earlier one, as a poll or
  /// as a gap. 0 = unknown (a short batch sealed after a crash).
  Ns watermark = 0;
  std::uint64_t pages = 0;
  friend bool operator==(const BatchSeal&, const BatchSeal&) = default;
};

struct Batch {
  BatchHead head;
  std::vector<Entry> entries;  ///< of all pages, in order
  BatchSeal seal;
};

/// Builds the bytes of one batch, frame by frame. The caller writes each returned run of bytes to
/// the spool as it comes; their concatenation is the batch. Not thread-safe.
class BatchWriter {
 public:
  explicit BatchWriter(const BatchHead& head);
  ~BatchWriter();
  BatchWriter(BatchWriter&&) noexcept;
  BatchWriter& operator=(BatchWriter&&) noexcept;

  /// The head frame: to be written first.
  [[nodiscard]] const Bytes& head() const;
  /// A page frame with these entries, values coded against the pages before it in this batch.
  /// Epochs that a poll names need not be defined in this batch.
  /// Precondition: check_entry() accepts each, and together they encode to at most
  /// kMaxFramePayload bytes; else the decoder refuses the batch.
  [[nodiscard]] Bytes page(std::span<const Entry> entries);
  /// The seal frame; nothing may follow.
  [[nodiscard]] Bytes seal(Ns watermark);
  /// Bytes so far, of all frames returned.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint64_t pages() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The seal frame for a batch whose head and pages are had as bytes: how recovery ends one that a
/// crash left open.
[[nodiscard]] Bytes encode_seal(const BatchSeal& seal);

/// What the decoder would refuse an entry for, before it is written: limits, ranges, order. Free
/// texts (help, why) are cut to kMaxTextBytes when written and so never refused.
[[nodiscard]] Status check_entry(const Entry& entry);

/// Total: any bytes give a batch or an error that names the offset. Memory is bounded: 24 bytes for
/// each of at most kMaxBatchValues values, else some 100 bytes for each byte of input.
[[nodiscard]] Result<Batch> decode_batch(ByteView bytes);
/// The head alone, of the frame the bytes begin with, without looking at the rest: what routing and
/// de-duplication need.
[[nodiscard]] Result<BatchHead> decode_batch_head(ByteView bytes);
/// What the chain and the ledger name a batch by: BLAKE2b-256 over its bytes.
[[nodiscard]] inline Hash batch_hash(ByteView bytes) { return hash_of(bytes); }

/// A whole batch of its own: what `import`, tests and stand-ins use.
[[nodiscard]] Bytes encode_batch(const Batch& batch);

/// One definition as it stands in a page, in a segment's dictionary, in a definitions message and
/// in the ledger.
[[nodiscard]] Bytes encode_definition(const Definition& definition);
[[nodiscard]] Result<Definition> decode_definition(ByteView bytes);

}  // namespace tallyman::wire
