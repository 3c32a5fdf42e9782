#pragma once
// Looking at a spool from outside: nothing is written and no lock is taken, so it works on a spool
// that an agent is using and on a copy of the folder anywhere.
//
// A live spool changes meanwhile. Segments appear and, once acknowledged, go: one that went between
// list and open is no error. The files are listed before the mark is read, and the mark before any
// segment, so that the mark never seems to lag what was removed, nor to lead what is there.
//
// One segment at a time is in memory. One thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool/segment.hpp"
#include "agent/spool/slot_file.hpp"
#include "agent/spool/spool_identity.hpp"
#include "base/files.hpp"

namespace tallyman::agent {

struct FolderFile {
  std::string path;
  std::uint64_t bytes = 0;
};

struct SegmentFile {
  std::string path;
  std::uint64_t first = 0;  ///< lowest sequence number, by its name
  std::uint64_t last = 0;   ///< highest, by the next one's name; 0 = it is the newest
  std::uint64_t bytes = 0;
};

/// One of the two small files: read, or why not.
template <typename T>
struct SmallFile {
  std::optional<T> content;
  std::string trouble;                ///< in words; empty = well
  std::vector<std::uint64_t> damage;  ///< offsets of damaged copies (of kSlotBytes each)
};

/// What stands in the folder.
struct SpoolFolder {
  std::string directory;
  std::string agent;                ///< by identity, else by the newest readable header or batch
  wire::Incarnation incarnation{};  ///< likewise; zeros when nothing tells it
  SmallFile<Identity> identity;
  SmallFile<Mark> mark;
  std::vector<SegmentFile> segments;  ///< of this incarnation, ascending
  std::vector<FolderFile> others;     ///< segments of another incarnation or agent
  std::vector<FolderFile> quarantine;
  std::vector<FolderFile> leftovers;  ///< next/ and temporary files

  /// Whether the mark is whole and of this incarnation.
  [[nodiscard]] bool mark_known() const;
  /// What the rater acknowledged, as far as the folder tells; 0 when it is not known.
  [[nodiscard]] std::uint64_t acknowledged() const;
};

/// An error when the folder cannot be listed, holds no spool, or one of a newer version.
[[nodiscard]] Result<SpoolFolder> look_at_spool(Files& files, const std::string& directory);

/// One segment, whole in memory.
struct SegmentLook {
  Bytes bytes;
  std::vector<std::uint64_t> unreadable;  ///< offsets of pieces that the disk does not give: zeros
  SegmentScan scan;
};
/// Told what a segment holds, in order: the definitions it begins with, then each whole batch.
struct SegmentReader {
  std::function<void(const wire::Definition&)> definition;
  std::function<void(const wire::Batch&)> batch;
};
/// Reads and scans it. Nothing when the file is gone.
[[nodiscard]] Result<std::optional<SegmentLook>> look_at_segment(Files& files,
                                                                 const SpoolFolder& folder,
                                                                 const SegmentFile& segment,
                                                                 const SegmentReader& reader);

/// The pages of the batch that is open at the newest segment's end, as a batch without a seal.
[[nodiscard]] std::optional<wire::Batch> open_batch(const SegmentLook& look);

/// Bytes that no frame accounts for.
struct ByteRange {
  std::uint64_t offset = 0, size = 0;
  bool torn = false;  ///< at the end, shorter than its frame says: being written, or cut by a crash
};
/// All of them from `from` to the end; zeros at the end were never written.
[[nodiscard]] std::vector<ByteRange> damaged_ranges(ByteView bytes, std::uint64_t from);

}  // namespace tallyman::agent
