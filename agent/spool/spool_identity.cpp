#include "agent/spool/spool_identity.hpp"

#include <algorithm>

namespace tallyman::agent {
namespace {

constexpr std::uint16_t kVersion = 1;

template <typename Array>
void take(ByteReader& in, Array& out) {
  const ByteView bytes = in.raw(out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

}  // namespace

Bytes encode_identity(const Identity& identity) {
  Bytes out;
  ByteWriter writer(out);
  writer.u16(kVersion);
  writer.text(identity.agent);
  writer.raw(identity.incarnation);
  writer.i64(identity.created);
  writer.u64(identity.ledger);
  writer.u64(identity.token);
  writer.i64(identity.slot);
  return out;
}

Result<std::optional<Identity>> decode_identity(ByteView bytes) {
  ByteReader in(bytes);
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
  identity.slot = in.i64();
  if (!in.ok() || !in.at_end() || identity.slot <= 0) return std::optional<Identity>();
  return std::optional<Identity>(std::move(identity));
}

Bytes encode_mark(const Mark& mark) {
  Bytes out;
  ByteWriter writer(out);
  writer.u16(kVersion);
  writer.raw(mark.incarnation);
  writer.u64(mark.sequence);
  writer.raw(mark.hash);
  return out;
}

std::optional<Mark> decode_mark(ByteView bytes) {
  ByteReader in(bytes);
  if (in.u16() != kVersion) return std::nullopt;
  Mark mark;
  take(in, mark.incarnation);
  mark.sequence = in.u64();
  take(in, mark.hash);
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return mark;
}

}  // namespace tallyman::agent
