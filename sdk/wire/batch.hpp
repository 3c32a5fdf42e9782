#pragma once
// The batch codec: one encoding for spool, wire and ledger. (The byte layout is documented below.)

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

/// Total: any bytes give a batch or an error that names the offset. Memory is bounded by the input.
[[nodiscard]] Result<Batch> decode_batch(ByteView bytes);
/// The head alone, without looking at the rest: what routing and de-duplication need.
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
