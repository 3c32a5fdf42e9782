#pragma once
// The ledger's intake: streams, their marks, raw batches and definitions, and the fencing tokens of
// agents. A batch, the mark it moves and the definitions it brings are one transaction.
//
// Tables: agent(name, token, used, …), stream(agent, incarnation, mark, mark_hash, …, kind =
// 'agent' or 'import'), definition(stream, number, body), batch(stream, sequence, last, hash, day,
// received, watermark, bytes, arrival, content): one small row for each batch, which stays for ever
// and carries the chain (content NULL = the batch's own hash is the chain's); and
// raw_YYYYMMDD(stream, sequence, bytes), one table for each UTC day of receipt, so that retention
// drops tables instead of deleting rows. Rejected: the bytes in `batch` (retention would rewrite
// the whole file), and looking for a batch in every day's table (a chain check would open them
// all).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "rater/intake/intake_rules.hpp"
#include "rater/ledger/ledger.hpp"
#include "wire/batch.hpp"
#include "wire/message.hpp"

namespace tallyman::rater {

/// Who fills a stream: an agent in its session, or `import` from a file.
enum class StreamKind { agent, import };

/// One agent's incarnation, as far as the ledger holds it. For an import: the agent named by the
/// caller and the digest of the file; it tells nothing of how far the agent itself has come.
struct Stream {
  std::int64_t id = 0;
  std::string agent;
  wire::Incarnation incarnation{};
  std::uint64_t mark = 0;              ///< last sequence number held, 0 = none
  Hash mark_hash = kNoHash;            ///< what the next batch must name as its predecessor
  wire::DefNo highest_definition = 0;  ///< every definition from 1 to here is held
  Ns watermark = 0;                    ///< of the agent, never beyond the rater's clock at receipt
  Ns claimed_watermark = 0;            ///< as the agent sealed it
  Ns first_received = 0, last_received = 0;  ///< wall instants, of batches; 0 = none yet
  std::uint64_t batches = 0, bytes = 0;      ///< held, repeats not counted; 0 = hello alone
  bool imported = false;                     ///< StreamKind::import
};

/// All that a ledger's file holds; by agent, then in the order of their first hello.
[[nodiscard]] Result<std::vector<Stream>> all_streams(Database& database);

/// A batch as it came, and what the ledger noted at its receipt.
struct StoredBatch {
  std::uint64_t sequence = 0;  ///< first number it applies to: mark + 1 when it came
  std::uint64_t last = 0;      ///< last number it applies to; more than `sequence` for a stand-in
  Hash hash = kNoHash;         ///< the chain's hash at `last`: what the next one names
  Hash content = kNoHash;      ///< of `bytes` themselves: differs for one that replaces others
  /// Counts the ledger's batches of all streams in the order of their receipt, from 1, never used
  /// again. Derivation folds an agent's streams by it: `received` may be equal, and go back.
  std::uint64_t arrival = 0;
  Ns received = 0;   ///< the rater's wall clock
  Ns watermark = 0;  ///< the seal's, never beyond `received`; 0 = unknown
  Bytes bytes;       ///< empty when retention has dropped them
};

/// What became of a batch or of definitions.
struct Accepted {
  enum class Outcome { applied, repeat, refused } outcome = Outcome::applied;
  wire::Refusal why = wire::Refusal::malformed;  ///< when refused
  std::string text;                              ///< when refused: what and what to do
};

/// The fencing tokens of one agent: `used` ≤ `issued`. 0 = none.
struct Fence {
  wire::Token issued = 0;  ///< the newest one given out
  wire::Token used = 0;    ///< the newest one that came with data
};

/// Owned by the daemon, on the loop's thread. An error returned by a function that writes means
/// that the ledger cannot take it now: the caller rolls its transaction back and calls
/// rolled_back().
class Intake {
 public:
  static Result<std::unique_ptr<Intake>> open(Ledger& ledger, const Clock& clock);

  // ---- reading
  // -----------------------------------------------------------------------------------
  /// By agent, then in the order of their first hello.
  [[nodiscard]] Result<std::vector<Stream>> streams();
  [[nodiscard]] Result<std::optional<Stream>> stream(std::string_view agent,
                                                     const wire::Incarnation& incarnation);
  [[nodiscard]] Result<Stream> stream(std::int64_t id);
  /// Batches of one stream whose `sequence` is above the given one, in order, at most `limit`: give
  /// the `last` of the last one to go on.
  [[nodiscard]] Result<std::vector<StoredBatch>> batches_after(std::int64_t stream,
                                                               std::uint64_t sequence,
                                                               std::size_t limit);
  /// Ascending, those with a number above `number`. Definitions that came inside a batch and those
  /// sent beside it stand here alike.
  [[nodiscard]] Result<std::vector<wire::Definition>> definitions_after(std::int64_t stream,
                                                                        wire::DefNo number);
  [[nodiscard]] Result<std::vector<wire::Definition>> definitions(std::int64_t stream) {
    return definitions_after(stream, 0);
  }
  [[nodiscard]] Result<std::optional<Fence>> fence(std::string_view agent);

  // ---- writing, inside a transaction that the caller has begun
  // -----------------------------------
  /// Finds or makes the stream; one that is there keeps its kind. Making an agent's forgets those
  /// of its others that never had a batch.
  [[nodiscard]] Result<Stream> open_stream(std::string_view agent,
                                           const wire::Incarnation& incarnation,
                                           StreamKind kind = StreamKind::agent);
  [[nodiscard]] Status put_fence(std::string_view agent, const Fence& fence);
  /// Judges one batch by the rules of intake_rules.hpp and applies it. It is decoded whole, and
  /// every reference in it is resolved, before anything is written.
  [[nodiscard]] Result<Accepted> accept_batch(std::int64_t stream, ByteView bytes);
  /// Definitions sent beside the chain. Those held already with the same content are a repeat.
  [[nodiscard]] Result<Accepted> accept_definitions(
      std::int64_t stream, const std::vector<wire::Definition>& definitions);
  /// Forgets what was learnt in a transaction that did not commit.
  void rolled_back() { known_.clear(); }
  /// The rater's wall clock, which receipts are told by.
  [[nodiscard]] Ns now() const { return clock_.wall(); }

  // ---- a transaction of its own
  // ------------------------------------------------------------------
  /// One batch of a stream that has no session, such as an import's. The stream is made when it is
  /// new. `also` is done in the transaction of a batch that is applied: both are kept, or neither.
  [[nodiscard]] Result<Accepted> commit_batch(std::string_view agent,
                                              const wire::Incarnation& incarnation, ByteView bytes,
                                              StreamKind kind = StreamKind::agent,
                                              const std::function<Status()>& also = {});

 private:
  Intake(Ledger& ledger, const Clock& clock) : ledger_(ledger), clock_(clock) {}
  static Accepted refused(wire::Refusal why, std::string text) {
    return {Accepted::Outcome::refused, why, std::move(text)};
  }
  Result<References*> references(std::int64_t stream);
  Status forget_empty(std::string_view agent);
  Result<std::optional<HeldBatch>> held_at(std::int64_t stream, std::uint64_t sequence);
  Result<bool> same_definition(std::int64_t stream, const wire::Definition& definition);
  Result<Accepted> stage(std::int64_t stream, const wire::Definition& definition,
                         const std::vector<const wire::Definition*>& staged,
                         const References& references);
  Result<Accepted> apply(const Stream& to, const wire::Batch& batch, ByteView bytes,
                         const Hash& hash);
  Status store(const Stream& to, const wire::Batch& batch, ByteView bytes, const Hash& hash);
  Status store_definitions(const Stream& stream,
                           const std::vector<const wire::Definition*>& definitions,
                           const References& references);

  Ledger& ledger_;
  const Clock& clock_;
  std::map<std::int64_t, References> known_;  ///< per stream, read from the ledger at first use
};

}  // namespace tallyman::rater
