#pragma once
// The spool on disk.
//
//   spool/identity               who this spool belongs to (spool_identity.hpp)
//   spool/mark                   what the rater acknowledged; may lag, never leads; like identity
//                                changed in place, so that a full disk can be drained
//                                (slot_file.hpp)
//   spool/lock                   held by the one agent that uses the spool
//   spool/reserve                space to rewrite a segment into when there is no other
//   spool/segment-<first>.seg    batches; first = lowest sequence number, 16 hex digits
//   spool/next/                  segments of an incarnation about to begin
//   spool/quarantine/            damaged bytes, and segments of closed incarnations
//
// A segment is the 8 bytes "TLYSEG1\n" and then frames (wire/frame.hpp):
//
//   G   header        u16 version (1) · text agent · 16 bytes incarnation · varint first ·
//                     varint highest definition number given out · u64 ledger · u64 token ·
//                     i64 begun · u8 shed · varint bytes of the preamble · u32 CRC-32C of the
//                     preamble
//   preamble: D C T   the full dictionary, what each instance is covered to, the last states
//   H P… S            batches, contiguous; D and T stand among them, outside the batch:
//   D   definition    one, as in a page (wire/batch.hpp)
//   T   state         text instance · u32 version · i64 scheduled · varint sequence ·
//                     varint page (from 1; 0 in the preamble) · the rest: the state's bytes
//   C   covered       text instance · i64 last scheduled instant covered by a poll or gap
//
// A batch's own bytes are its H, P and S frames joined. A page's new definitions and states stand
// before it and are written with it in one write: they count if their page, or a later batch, is
// whole. So a page that rots takes neither definitions nor states along.
//
// Rejected: one file per batch (an inode and two directory syncs a minute); SQLite (a second log
// under the log, and damage is not local); an index file (must be made durable with the data, and
// is rebuilt from 4 MiB in milliseconds); a dictionary file of its own (a second thing to keep in
// step by fsync); states in a file each (not atomic with their page).

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/spool/spool.hpp"
#include "agent/spool/thin.hpp"
#include "wire/frame.hpp"

namespace tallyman::agent {

constexpr std::uint16_t kSegmentVersion = 1;
constexpr std::string_view kSegmentMagic = "TLYSEG1\n";
constexpr auto kCoveredFrame = static_cast<wire::FrameType>('C');
constexpr std::size_t kMaxStateBytes = 1U << 20U;
constexpr std::size_t kMaxHeaderBytes = 4096;  ///< magic and header frame

/// Of the file, without its folder.
[[nodiscard]] std::string segment_name(std::uint64_t first);
/// Nothing for what is not exactly such a name.
[[nodiscard]] std::optional<std::uint64_t> segment_number(std::string_view name);

struct SegmentHeader {
  std::uint16_t version = kSegmentVersion;
  std::string agent;
  wire::Incarnation incarnation{};
  std::uint64_t first = 0;
  wire::DefNo highest = 0;
  std::uint64_t ledger = 0;
  wire::Token token = 0;
  Ns begun = 0;               ///< wall clock when it was begun
  Shed shed = Shed::nothing;  ///< how far its batches were given up for space
  std::uint64_t preamble_bytes = 0;
  std::uint32_t preamble_crc = 0;
};

/// Magic, header frame and preamble: how a segment begins.
[[nodiscard]] Bytes encode_segment_start(SegmentHeader header, ByteView preamble);

enum class HeaderState {
  whole,
  newer,    ///< whole, but of a version this program does not know
  damaged,  ///< or not a segment at all
};
struct HeaderScan {
  HeaderState state = HeaderState::damaged;
  SegmentHeader header;
  std::size_t size = 0;  ///< where the preamble begins
};
/// From a segment's first kMaxHeaderBytes (or all, when it is shorter).
[[nodiscard]] HeaderScan scan_segment_header(ByteView bytes);

void append_definition(Bytes& out, const wire::Definition& definition);
void append_covered(Bytes& out, const std::string& instance, Ns until);
void append_state(Bytes& out, const PluginState& state, std::uint64_t sequence, std::uint64_t page);

/// One sealed batch's place in a segment.
struct BatchPlace {
  std::uint64_t first = 0, last = 0;  ///< sequence numbers; equal but for a stand-in
  std::uint64_t offset = 0;           ///< of its head frame
  std::uint64_t size = 0;             ///< up to the end of its seal frame
  Ns opened = 0;
  Hash previous = kNoHash;
  Hash hash = kNoHash;  ///< what its successor names (link_hash)
};

/// Sequence numbers whose batches are not whole, and what can be saved of them.
struct Damage {
  std::uint64_t first = 0, last = 0;
  std::uint64_t offset = 0, size = 0;      ///< the bytes that stand there; 0 when none do
  std::optional<wire::BatchHead> head;     ///< of the one batch, when its head is whole
  std::vector<wire::Entry> entries;        ///< of its whole pages and of D frames
  std::uint64_t pages = 0, pages_end = 0;  ///< its whole pages from its head on, and their end
};

/// Pages of a batch without a seal, at the segment's end.
struct OpenPlace {
  wire::BatchHead head;
  std::uint64_t offset = 0;
  std::uint64_t end = 0;    ///< of its last whole page
  std::uint64_t pages = 0;  ///< at least 1
};

struct SegmentScan {
  HeaderScan start;
  bool preamble_whole = false;
  std::vector<BatchPlace> batches;  ///< ascending, whole, decoding
  std::vector<Damage> damages;      ///< ascending
  std::optional<OpenPlace> open;
  std::uint64_t preamble_end = 0;  ///< where batches begin
  std::uint64_t end = 0;           ///< of the last page or seal kept: what follows is torn
  std::uint64_t lost_bytes = 0;    ///< damaged or torn: bounds how many definitions may be lost
  std::vector<wire::Definition> definitions;        ///< from D frames that count
  std::vector<PluginState> states;                  ///< from T frames that count, in order
  std::vector<std::pair<std::string, Ns>> covered;  ///< from C frames
};

/// What the scan expects and tells.
struct SegmentExpectation {
  std::string agent;
  wire::Incarnation incarnation{};
  std::uint64_t first = 0;  ///< sequence number the segment begins with
  std::uint64_t last = 0;   ///< the one it ends with; 0 = unknown, it is the newest
  std::function<void(const wire::Batch&)> batch;  ///< each whole batch; may be empty
};

/// Total: any bytes give a scan. Each sequence number from `first` to `last` (or to the last one
/// found) stands in exactly one of `batches`, `damages` and `open`. In the newest segment a damaged
/// batch that nothing follows is `open` up to its last whole page, or torn.
[[nodiscard]] SegmentScan scan_segment(ByteView bytes, const SegmentExpectation& expect);

/// The length a frame says its payload has, whether or not it is whole; 0 when it is too short.
[[nodiscard]] std::uint32_t claimed_length(ByteView frame);
/// Where the next whole frame begins after the damaged one that the bytes begin with: by search,
/// but after a plugin's state, which may hold what looks like frames, by its length alone.
[[nodiscard]] std::optional<std::size_t> skip_damaged_frame(ByteView bytes);
/// The whole frames of a run of them, without what is damaged between.
[[nodiscard]] Bytes whole_frames(ByteView bytes);
/// A batch's own bytes out of its place in a segment.
[[nodiscard]] Bytes batch_bytes(ByteView place);

/// What the next batch names as its predecessor: the hash of the batch, or what a stand-in or
/// thinned batch says the original's was.
[[nodiscard]] Hash link_hash(const wire::BatchHead& head, ByteView batch);

}  // namespace tallyman::agent
