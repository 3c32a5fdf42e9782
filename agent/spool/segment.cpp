#include "agent/spool/segment.hpp"

#include <algorithm>

#include "base/hash.hpp"

namespace tallyman::agent {
namespace {

/// Bytes that a search for the next frame may run checksums over.
constexpr std::size_t kSearchBudget = 16U << 20U;

bool known_type(std::uint8_t type) {
  const auto frame = static_cast<wire::FrameType>(type);
  return wire::part_of_batch(frame) || frame == wire::FrameType::dictionary ||
         frame == wire::FrameType::state || frame == kCoveredFrame;
}

}  // namespace

std::uint32_t claimed_length(ByteView frame) {
  ByteReader in(frame);
  (void)in.u32();
  return in.u32();
}

std::optional<std::size_t> skip_damaged_frame(ByteView bytes) {
  if (bytes.size() < wire::kFrameOverhead) return std::nullopt;
  const auto whole_at = [&](std::size_t at) {
    return wire::next_frame(bytes.subspan(at)).status == wire::FrameStatus::whole;
  };
  if (bytes[8] == static_cast<std::uint8_t>(wire::FrameType::state)) {
    const std::size_t end = wire::kFrameOverhead + std::size_t{claimed_length(bytes)};
    if (end >= bytes.size() || !whole_at(end) || wire::find_marker(bytes.first(end)))
      return std::nullopt;
    return end;
  }
  std::size_t budget = kSearchBudget;
  for (std::size_t at = 1; at + wire::kFrameOverhead <= bytes.size(); ++at) {
    const std::size_t length = claimed_length(bytes.subspan(at));
    if (!known_type(bytes[at + 8]) || length > bytes.size() - at - wire::kFrameOverhead) continue;
    if (length > budget) return std::nullopt;
    budget -= length;
    if (whole_at(at)) return at;
  }
  return std::nullopt;
}

Bytes encode_segment_start(SegmentHeader header, ByteView preamble) {
  Bytes payload;
  ByteWriter out(payload);
  out.u16(header.version);
  out.text(header.agent);
  out.raw(header.incarnation);
  out.varint(header.first);
  out.varint(header.highest);
  out.u64(header.ledger);
  out.u64(header.token);
  out.i64(header.begun);
  out.u8(static_cast<std::uint8_t>(header.shed));
  out.varint(preamble.size());
  out.u32(crc32c(preamble));
  Bytes start(kSegmentMagic.begin(), kSegmentMagic.end());
  wire::append_frame(start, wire::FrameType::segment, payload);
  start.insert(start.end(), preamble.begin(), preamble.end());
  return start;
}

HeaderScan scan_segment_header(ByteView bytes) {
  HeaderScan scan;
  if (bytes.size() < kSegmentMagic.size() ||
      as_text(bytes.first(kSegmentMagic.size())) != kSegmentMagic)
    return scan;
  const auto frame = wire::next_frame(bytes.subspan(kSegmentMagic.size()));
  if (frame.status != wire::FrameStatus::whole || frame.type != wire::FrameType::segment)
    return scan;
  scan.size = kSegmentMagic.size() + frame.size;
  ByteReader in(frame.payload);
  SegmentHeader& header = scan.header;
  header.version = in.u16();
  if (in.ok() && header.version > kSegmentVersion) {
    scan.state = HeaderState::newer;
    return scan;
  }
  header.agent = in.text(wire::kMaxNameBytes);
  const ByteView incarnation = in.raw(header.incarnation.size());
  std::copy(incarnation.begin(), incarnation.end(), header.incarnation.begin());
  header.first = in.varint();
  header.highest = in.varint();
  header.ledger = in.u64();
  header.token = in.u64();
  header.begun = in.i64();
  const std::uint8_t shed = in.u8();
  header.shed = static_cast<Shed>(shed);
  header.preamble_bytes = in.varint();
  header.preamble_crc = in.u32();
  if (in.ok() && in.at_end() && header.version == kSegmentVersion && header.first > 0 &&
      shed <= static_cast<std::uint8_t>(Shed::lost))
    scan.state = HeaderState::whole;
  return scan;
}

void append_definition(Bytes& out, const wire::Definition& definition) {
  wire::append_frame(out, wire::FrameType::dictionary, wire::encode_definition(definition));
}

void append_covered(Bytes& out, const std::string& instance, Ns until) {
  Bytes payload;
  ByteWriter writer(payload);
  writer.text(instance);
  writer.i64(until);
  wire::append_frame(out, kCoveredFrame, payload);
}

void append_state(Bytes& out, const PluginState& state, std::uint64_t sequence,
                  std::uint64_t page) {
  Bytes payload;
  ByteWriter writer(payload);
  writer.text(state.instance);
  writer.u32(state.version);
  writer.i64(state.scheduled);
  writer.varint(sequence);
  writer.varint(page);
  writer.raw(state.bytes);
  wire::append_frame(out, wire::FrameType::state, payload);
}

Bytes whole_frames(ByteView bytes) {
  Bytes out;
  while (bytes.size() >= wire::kFrameOverhead) {
    const auto frame = wire::next_frame(bytes);
    std::size_t size = frame.size;
    if (frame.status == wire::FrameStatus::whole) {
      out.insert(out.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    } else {
      size = skip_damaged_frame(bytes).value_or(bytes.size());
    }
    bytes = bytes.subspan(size);
  }
  return out;
}

Bytes batch_bytes(ByteView place) {
  Bytes out;
  const Bytes frames = whole_frames(place);
  ByteView rest = frames;
  while (!rest.empty()) {
    const auto frame = wire::next_frame(rest);
    if (frame.size == 0) break;
    if (wire::part_of_batch(frame.type))
      out.insert(out.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(frame.size));
    rest = rest.subspan(frame.size);
  }
  return out;
}

Hash link_hash(const wire::BatchHead& head, ByteView batch) {
  return head.kind == wire::BatchKind::normal ? wire::batch_hash(batch) : head.original;
}

}  // namespace tallyman::agent
