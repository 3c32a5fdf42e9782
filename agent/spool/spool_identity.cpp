#include "agent/spool/spool_identity.hpp"

#include <algorithm>

#include "wire/frame.hpp"

namespace tallyman::agent {
namespace {

constexpr auto kIdentityFrame = static_cast<wire::FrameType>('I');
constexpr auto kMarkFrame = static_cast<wire::FrameType>('M');
constexpr std::uint16_t kVersion = 1;

template <typename Array>
void take(ByteReader& in, Array& out) {
  const ByteView bytes = in.raw(out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

std::optional<ByteView> only_frame(ByteView bytes, wire::FrameType type) {
  const auto frame = wire::next_frame(bytes);
  if (frame.status != wire::FrameStatus::whole || frame.type != type) return std::nullopt;
  if (frame.size != bytes.size()) return std::nullopt;
  return frame.payload;
}

}  // namespace

Bytes encode_identity(const Identity& identity) {
  Bytes payload, out;
  ByteWriter writer(payload);
  writer.u16(kVersion);
  writer.text(identity.agent);
  writer.raw(identity.incarnation);
  writer.i64(identity.created);
  writer.u64(identity.ledger);
  writer.u64(identity.token);
  wire::append_frame(out, kIdentityFrame, payload);
  return out;
}

Result<std::optional<Identity>> decode_identity(ByteView bytes) {
  const auto payload = only_frame(bytes, kIdentityFrame);
  if (!payload) return std::optional<Identity>();
  ByteReader in(*payload);
  const std::uint16_t version = in.u16();
  if (in.ok() && version > kVersion)
    return Error{"written by a newer version of tallyman (format " + std::to_string(version) + ")",
                 "", "run that version, or name another spool directory"};
  Identity identity;
  identity.agent = in.text(wire::kMaxNameBytes);
  take(in, identity.incarnation);
  identity.created = in.i64();
  identity.ledger = in.u64();
  identity.token = in.u64();
  if (!in.ok() || !in.at_end()) return std::optional<Identity>();
  return std::optional<Identity>(std::move(identity));
}

Bytes encode_mark(const Mark& mark) {
  Bytes payload, out;
  ByteWriter writer(payload);
  writer.u16(kVersion);
  writer.raw(mark.incarnation);
  writer.u64(mark.sequence);
  writer.raw(mark.hash);
  wire::append_frame(out, kMarkFrame, payload);
  return out;
}

std::optional<Mark> decode_mark(ByteView bytes) {
  const auto payload = only_frame(bytes, kMarkFrame);
  if (!payload) return std::nullopt;
  ByteReader in(*payload);
  if (in.u16() != kVersion) return std::nullopt;
  Mark mark;
  take(in, mark.incarnation);
  mark.sequence = in.u64();
  take(in, mark.hash);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return mark;
}

}  // namespace tallyman::agent
