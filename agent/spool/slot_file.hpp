#pragma once
// A small file that is changed without needing any space on the disk.
//
// Two slots of kSlotBytes each, written in full when the file is made. A slot begins with one frame
// (wire/frame.hpp) of the file's own type, the rest is zeros:
//
//   payload   u64 counter · the content
//
// The whole slot with the higher counter counts. Writing overwrites one slot in place, never the
// one that is known to be durable, and makes it durable by fdatasync; then the other gets the same,
// so that a slot that rots later takes nothing along. On a file system that copies on write
// (btrfs, ZFS) this does need space, though little.
//
// Rejected: a temporary file renamed over it (at ENOSPC there is none: a full spool could neither
// be drained nor trimmed).

#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "wire/frame.hpp"

namespace tallyman::agent {

constexpr std::size_t kSlotBytes = 4096;
constexpr std::size_t kMaxSlotContent = kSlotBytes - wire::kFrameOverhead - 8;

/// What a slot file's bytes hold, without touching the file.
struct SlotLook {
  std::optional<Bytes> content;  ///< the newest whole one; nothing when both slots are damaged
  /// Slots that hold something, but nothing whole: 0 is the first. One is enough to read the file;
  /// an emptied slot (zeros) is not damage.
  std::vector<std::size_t> damaged;
};
[[nodiscard]] SlotLook look_at_slots(ByteView bytes, wire::FrameType type);

/// Owned by the spool, main thread.
class SlotFile {
 public:
  SlotFile(Files& files, std::string path, wire::FrameType type);

  /// The newest whole content; nothing when the file is missing or both slots are damaged. Makes
  /// what it gives durable, as far as it can.
  Result<std::optional<Bytes>> read();
  /// Replaces the content, of at most kMaxSlotContent bytes; needs space only if read() found
  /// nothing. After an error, or with Durable::no, a crash leaves the old content or the new.
  Status write(ByteView content, Durable durable);
  /// Whether the file is there, whole in size: write() needs no space.
  [[nodiscard]] bool made() const { return made_; }

  /// What is known of the file, and again: in place of read(), while nobody else writes to it.
  struct Saved {
    std::uint64_t counter = 0;
    bool second = false;  ///< the slot known to be durable
    bool made = false;
  };
  [[nodiscard]] Saved save() const { return {counter_, durable_ == 1, made_}; }
  void restore(const Saved& saved) {
    counter_ = saved.counter;
    durable_ = saved.second ? 1 : 0;
    made_ = saved.made;
  }

 private:
  Bytes slot(ByteView content) const;

  Files& files_;
  std::string path_;
  wire::FrameType type_;
  std::uint64_t counter_ = 0;
  std::size_t durable_ = 0;  ///< the slot never to be overwritten first
  bool made_ = false;
};

}  // namespace tallyman::agent
