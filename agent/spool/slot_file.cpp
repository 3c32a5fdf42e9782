#include "agent/spool/slot_file.hpp"

#include <algorithm>
#include <array>

namespace tallyman::agent {
namespace {

struct Slot {
  std::uint64_t counter = 0;
  Bytes content;
};

std::optional<Slot> decode_slot(ByteView bytes, wire::FrameType type) {
  const auto frame = wire::next_frame(bytes);
  if (frame.status != wire::FrameStatus::whole || frame.type != type) return std::nullopt;
  ByteReader in(frame.payload);
  Slot slot;
  slot.counter = in.u64();
  const ByteView content = in.raw(in.left());
  if (!in.ok()) return std::nullopt;
  slot.content.assign(content.begin(), content.end());
  return slot;
}

}  // namespace

SlotLook look_at_slots(ByteView bytes, wire::FrameType type) {
  SlotLook look;
  std::uint64_t counter = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::size_t from = std::min(bytes.size(), i * kSlotBytes);
    const ByteView part = bytes.subspan(from, std::min(kSlotBytes, bytes.size() - from));
    auto slot = part.size() == kSlotBytes ? decode_slot(part, type) : std::nullopt;
    if (!slot) {
      const auto zero = [](std::uint8_t byte) { return byte == 0; };
      if (part.size() < kSlotBytes || !std::all_of(part.begin(), part.end(), zero))
        look.damaged.push_back(i);
    } else if (!look.content || slot->counter > counter) {
      counter = slot->counter;
      look.content = std::move(slot->content);
    }
  }
  return look;
}

SlotFile::SlotFile(Files& files, std::string path, wire::FrameType type)
    : files_(files), path_(std::move(path)), type_(type) {}

Bytes SlotFile::slot(ByteView content) const {
  Bytes payload, out;
  ByteWriter writer(payload);
  writer.u64(counter_);
  writer.raw(content);
  wire::append_frame(out, type_, payload);
  out.resize(kSlotBytes);
  return out;
}

Result<std::optional<Bytes>> SlotFile::read() {
  counter_ = 0, durable_ = 0, made_ = false;
  if (!files_.exists(path_)) return std::optional<Bytes>();
  auto file = files_.open(path_, OpenMode::write);
  if (!file) return file.error();
  const auto bytes = (*file)->read_at(0, 2 * kSlotBytes);
  if (!bytes) return bytes.error();
  if (bytes->size() < 2 * kSlotBytes) return std::optional<Bytes>();
  const std::array<std::optional<Slot>, 2> slots{
      decode_slot(ByteView(*bytes).first(kSlotBytes), type_),
      decode_slot(ByteView(*bytes).subspan(kSlotBytes), type_)};
  if (!slots[0] && !slots[1]) return std::optional<Bytes>();
  made_ = true;
  const std::size_t newest = !slots[0] || (slots[1] && slots[1]->counter > slots[0]->counter);
  const std::size_t other = 1 - newest;
  counter_ = slots[newest]->counter;
  const bool same = slots[other] && slots[other]->counter == counter_;
  // What a killed process wrote may be in the kernel's memory alone.
  const bool synced = same || (*file)->sync().ok();
  durable_ = synced || !slots[other] ? newest : other;
  if (!same && synced && (*file)->write_at(other * kSlotBytes, slot(slots[newest]->content)).ok())
    (void)(*file)->sync();
  return std::optional<Bytes>(slots[newest]->content);
}

Status SlotFile::write(ByteView content, Durable durable) {
  if (content.size() > kMaxSlotContent)
    return Error{"more than a slot holds", path_, "this is a programming error"};
  ++counter_;
  const Bytes bytes = slot(content);
  if (!made_) {
    Bytes both = bytes;
    both.insert(both.end(), bytes.begin(), bytes.end());
    Status done = write_file_atomically(files_, path_, both);
    made_ = done.ok();
    return done;
  }
  auto file = files_.open(path_, OpenMode::write);
  if (!file) return file.error();
  const std::size_t target = 1 - durable_;
  Status done = (*file)->write_at(target * kSlotBytes, bytes);
  if (!done.ok() || durable == Durable::no) return done;
  done = (*file)->sync();
  if (!done) {
    // Half done is not done: as well as can be, the old content stays the one that counts.
    (void)(*file)->write_at(target * kSlotBytes, Bytes(kSlotBytes));
    return done;
  }
  // It is durable now; the other slot is for the day this one rots.
  if ((*file)->write_at(durable_ * kSlotBytes, bytes).ok()) (void)(*file)->sync();
  durable_ = target;
  return {};
}

}  // namespace tallyman::agent
