#include "wire/frame.hpp"

#include <algorithm>

#include "base/hash.hpp"

namespace tallyman::wire {

void append_frame(Bytes& out, FrameType type, ByteView payload) {
  const std::size_t begin = out.size();
  out.reserve(begin + kFrameOverhead + payload.size());
  ByteWriter writer(out);
  writer.u32(0);
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.u8(static_cast<std::uint8_t>(type));
  writer.raw(payload);
  const std::uint32_t crc = crc32c(ByteView(out).subspan(begin + 4));
  for (unsigned i = 0; i < 4; ++i) out[begin + i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

FrameScan next_frame(ByteView bytes) {
  const ByteView prefix = bytes.first(std::min(bytes.size(), kFrameOverhead));
  if (std::all_of(prefix.begin(), prefix.end(), [](std::uint8_t b) { return b == 0; })) return {};
  if (bytes.size() < kFrameOverhead) return {.status = FrameStatus::torn, .payload = {}};
  ByteReader reader(bytes);
  const std::uint32_t crc = reader.u32();
  const std::uint32_t length = reader.u32();
  if (length > kMaxFramePayload) return {.status = FrameStatus::damaged, .payload = {}};
  const std::size_t size = kFrameOverhead + length;
  if (size > bytes.size()) return {.status = FrameStatus::torn, .payload = {}};
  if (crc32c(bytes.subspan(4, size - 4)) != crc) {
    return {.status = FrameStatus::damaged, .payload = {}};
  }
  return {FrameStatus::whole, static_cast<FrameType>(reader.u8()), reader.raw(length), size};
}

std::optional<std::size_t> find_marker(ByteView bytes) {
  if (bytes.size() < kFrameOverhead) return std::nullopt;
  const ByteView payloads = bytes.subspan(kFrameOverhead);
  const auto at = std::search(payloads.begin(), payloads.end(), kMarker.begin(), kMarker.end());
  if (at == payloads.end()) return std::nullopt;
  return static_cast<std::size_t>(at - payloads.begin());
}

}  // namespace tallyman::wire
