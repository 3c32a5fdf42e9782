#pragma once
// Messages between agent (ZeroMQ DEALER) and rater (ROUTER). One ZeroMQ frame each:
//   u8 protocol version (1) · u8 type · body
// Integers little-endian, texts and blobs with a varint length. An unknown version or type, and
// bytes left over, are malformed.
//
// Type 1, hello: text agent · 16 incarnation · u64 token · u64 ledger · u64 last sealed · i64 wall
// ·
//   text software
// Type 5, hello that asks: as type 1 · u8 asks (≠ 0)
// Type 2, definitions: u64 token · varint count · that many definitions (definition.hpp)
// Type 3, batch: u64 token · blob batch
// Type 6, packed batch: u64 token · blob frame (pack.hpp)
// Type 4, heartbeat: u64 token · i64 wall · u64 last sealed
// Type 17, welcome: u64 ledger · u64 token · u64 mark · 32 mark's hash · u64 highest definition ·
//   u64 credit · i64 slot · i64 wall · u64 moved from
// Type 20, welcome that can: as type 17 · u8 can (≠ 0)
// Type 18, ack: u64 mark · 32 mark's hash · u64 credit · i64 wall
// Type 19, refused: u8 why · text · u64 mark · 32 mark's hash
//
// What is optional is asked for by the hello and granted by the welcome: the bits of `can` are some
// of those of `asks`, and bits that a rater does not know it does not grant. Types 5, 6 and 20 go
// only where they are wanted; a rater that does not know type 5 calls it malformed, and the agent
// says hello by type 1. Rejected: a further field at the end of types 1 and 17 (a message cut short
// could pass for a whole one); a size beside the frame (the frame names it).

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {

/// Fencing token: issued by the rater, ascending per agent, kept in the ledger; 0 = none yet.
using Token = std::uint64_t;

/// What a hello may ask for, as bits.
using Features = std::uint8_t;
constexpr Features kPackedBatches = 1;  ///< the agent may send PackedBatch instead of BatchMessage

// ---- agent → rater -----------------------------------------------------------------------------

/// Opens a session, also after any silence, error or reconnection.
struct Hello {
  std::string agent;
  Incarnation incarnation{};
  Token token = 0;                ///< the one the agent holds durably
  std::uint64_t ledger = 0;       ///< the ledger it belongs to, 0 = none yet
  std::uint64_t last_sealed = 0;  ///< highest sealed sequence number, 0 = none
  Ns wall = 0;
  std::string software;  ///< "tallyman-agent 0.1.0"
  Features asks = 0;
  friend bool operator==(const Hello&, const Hello&) = default;
};

/// Definitions the rater said it lacks: sent before the batches that need them, outside the chain.
struct Definitions {
  Token token = 0;
  std::vector<Definition> definitions;  ///< ascending
  friend bool operator==(const Definitions&, const Definitions&) = default;
};

/// One sealed, durable batch: the bytes as they stand in the spool.
struct BatchMessage {
  Token token = 0;
  Bytes batch;
  friend bool operator==(const BatchMessage&, const BatchMessage&) = default;
};

/// A batch that unpack() gives back. Credit counts the batch's bytes, not the frame's.
struct PackedBatch {
  Token token = 0;
  Bytes frame;
  friend bool operator==(const PackedBatch&, const PackedBatch&) = default;
};

struct Heartbeat {
  Token token = 0;
  Ns wall = 0;
  std::uint64_t last_sealed = 0;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

// ---- rater → agent -----------------------------------------------------------------------------

/// The answer to a hello. The agent makes token and ledger durable before its first batch.
struct Welcome {
  std::uint64_t ledger = 0;
  Token token = 0;
  std::uint64_t mark = 0;        ///< last sequence number held of this incarnation, 0 = none
  Hash mark_hash = kNoHash;      ///< its hash
  DefNo highest_definition = 0;  ///< held of this incarnation
  std::uint64_t credit = 0;      ///< bytes the agent may have unacknowledged
  Ns slot = 0;                   ///< the rater's slot length
  Ns wall = 0;
  /// The ledger the agent belonged to until somebody moved it here; 0 = it was not moved. The agent
  /// sends nothing that the other ledger acknowledged: it begins a new incarnation first.
  std::uint64_t moved_from = 0;
  Features can = 0;  ///< of what the hello asked for
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

/// Cumulative: everything up to `mark` is committed. Answers batches and heartbeats.
struct Ack {
  std::uint64_t mark = 0;
  Hash mark_hash = kNoHash;
  std::uint64_t credit = 0;
  Ns wall = 0;
  friend bool operator==(const Ack&, const Ack&) = default;
};

enum class Refusal : std::uint8_t {
  malformed = 1,  ///< not a message, or a batch that does not decode: say hello again
  no_session,     ///< no hello was accepted on this connection: say hello
  fenced,         ///< another holder of this identity has a newer token: a clone
  diverged,       ///< same sequence number, other content: open a new incarnation
  out_of_order,   ///< not the batch after the mark: say hello, resend from the mark
  other_ledger,   ///< the agent belongs to another ledger: `tallyman-rater agent move`
  revoked,        ///< not allowed to send
  pending,        ///< its key waits for `tallyman-rater agent approve`
  busy,           ///< the ledger cannot take it now (disk full, locked): try later
  other_agent,    ///< its key belongs to another agent id
};
[[nodiscard]] const char* refusal_name(Refusal refusal);

struct Refused {
  Refusal why = Refusal::malformed;
  std::string text;  ///< for people: what and what to do
  std::uint64_t mark = 0;
  Hash mark_hash = kNoHash;
  friend bool operator==(const Refused&, const Refused&) = default;
};

using AgentMessage = std::variant<Hello, Definitions, BatchMessage, PackedBatch, Heartbeat>;
using RaterMessage = std::variant<Welcome, Ack, Refused>;

[[nodiscard]] Bytes encode(const AgentMessage& message);
[[nodiscard]] Bytes encode(const RaterMessage& message);
[[nodiscard]] Result<AgentMessage> decode_agent_message(ByteView bytes);
[[nodiscard]] Result<RaterMessage> decode_rater_message(ByteView bytes);
/// The bytes that a message to the rater stands for: its own, or, of a packed batch, those that it
/// claims to hold, if they are more. At most kMaxBatchBytes if the message is not longer.
[[nodiscard]] std::size_t message_weight(ByteView bytes);

}  // namespace tallyman::wire
