#include "agent/instance/steering.hpp"

#include <algorithm>

#include "agent/config.hpp"
#include "agent/utf8.hpp"
#include "base/hash.hpp"

namespace tallyman::agent {
namespace {

constexpr std::string_view kMagic = "TMPS";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCrcBytes = 4;
enum Flag : std::uint8_t {
  kDisabled = 1,
  kRecord = 2,
  kFailed = 4,
  kBefore = 8,
  kPin = 16,
  kRefused = 32,
};
constexpr std::uint8_t kAllFlags = 63;

std::uint8_t flags_of(const Steering& steering) {
  unsigned flags = 0;
  if (steering.disabled) flags |= kDisabled;
  if (steering.record) flags |= kRecord;
  if (steering.record && steering.record->counts.failed) flags |= kFailed;
  if (steering.before != kNoHash) flags |= kBefore;
  if (steering.pin) flags |= kPin;
  if (steering.pin && steering.pin->refused) flags |= kRefused;
  return static_cast<std::uint8_t>(flags);
}

void write_pin(ByteWriter& out, const Pin& pin) {
  out.raw(pin.file);
  out.raw(pin.runs);
  out.text(plain_text(pin.version, wire::kMaxTextBytes));
  out.text(plain_text(pin.who, wire::kMaxNameBytes));
  out.text(plain_text(pin.why, kMaxRefusalBytes));
  out.i64(pin.when);
}

void write_record(ByteWriter& out, const Record& record) {
  out.varint(record.counts.failures);
  out.i64(record.counts.next_try);
  const auto& ends = record.counts.ends;
  const std::size_t count = std::min(ends.size(), kMaxEnds);
  out.varint(count);
  for (std::size_t i = ends.size() - count; i < ends.size(); i++) out.i64(ends[i]);
  out.u8(static_cast<std::uint8_t>(record.last.cause));
  out.text(plain_text(record.last.why, wire::kMaxTextBytes));
}

bool is_instant(Ns instant) { return instant >= 0 && instant < wire::kMaxTime; }

bool read_disabled(ByteReader& in, Disabled& out) {
  out.who = in.text(wire::kMaxNameBytes);
  out.why = in.text(kMaxReasonBytes);
  out.when = in.i64();
  return is_plain_text(out.who) && is_plain_text(out.why) && is_instant(out.when);
}

bool read_record(ByteReader& in, Record& out) {
  const std::uint64_t failures = in.varint();
  out.counts.failures = static_cast<unsigned>(std::min<std::uint64_t>(failures, 1U << 30U));
  out.counts.next_try = in.i64();
  const std::size_t count = in.count(sizeof(Ns));
  if (count > kMaxEnds || !is_instant(out.counts.next_try)) return false;
  Ns last = 0;
  for (std::size_t i = 0; i < count; i++) {
    const Ns end = in.i64();
    if (!is_instant(end) || end < last) return false;
    out.counts.ends.push_back(last = end);
  }
  const std::uint8_t cause = in.u8();
  out.last.cause = static_cast<wire::Cause>(cause);
  out.last.why = in.text(wire::kMaxTextBytes);
  return cause >= static_cast<std::uint8_t>(wire::Cause::hang) &&
         cause <= static_cast<std::uint8_t>(wire::Cause::clock) && is_plain_text(out.last.why);
}

void read_hash(ByteReader& in, Hash& out) {
  const ByteView bytes = in.raw(out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

bool read_pin(ByteReader& in, Pin& out) {
  read_hash(in, out.file);
  read_hash(in, out.runs);
  out.version = in.text(wire::kMaxTextBytes);
  out.who = in.text(wire::kMaxNameBytes);
  out.why = in.text(kMaxRefusalBytes);
  out.when = in.i64();
  return out.file != out.runs && is_plain_text(out.version) && is_plain_text(out.who) &&
         is_plain_text(out.why) && is_instant(out.when);
}

bool read_versions(ByteReader& in, std::uint8_t flags, Steering& out) {
  if ((flags & kBefore) != 0) read_hash(in, out.before);
  if ((flags & kBefore) != 0 && out.before == kNoHash) return false;
  if ((flags & kPin) == 0) return (flags & kRefused) == 0;
  out.pin.emplace().refused = (flags & kRefused) != 0;
  return read_pin(in, *out.pin);
}

bool read_instance(ByteReader& in, SteeringTable& table) {
  const std::string name = in.text(wire::kMaxNameBytes);
  const std::uint8_t flags = in.u8();
  const bool ascending = table.empty() || table.rbegin()->first < name;
  if (!is_name(name) || !ascending || flags == 0 || flags > kAllFlags) return false;
  Steering& steering = table[name];
  if ((flags & kDisabled) != 0 && !read_disabled(in, steering.disabled.emplace())) return false;
  if ((flags & (kRecord | kFailed)) == kFailed) return false;
  if ((flags & kRecord) != 0) {
    Record& record = steering.record.emplace();
    record.counts.failed = (flags & kFailed) != 0;
    if (!read_record(in, record)) return false;
  }
  return read_versions(in, flags, steering);
}

}  // namespace

Bytes encode_steering(const SteeringTable& table) {
  Bytes body;
  ByteWriter out(body);
  std::size_t count = 0;
  for (const auto& [name, steering] : table) {
    if (steering.empty() || count == kMaxSteered) continue;
    count++;
    out.text(name);
    out.u8(flags_of(steering));
    if (steering.disabled) {
      out.text(plain_text(steering.disabled->who, wire::kMaxNameBytes));
      out.text(plain_text(steering.disabled->why, kMaxReasonBytes));
      out.i64(steering.disabled->when);
    }
    if (steering.record) write_record(out, *steering.record);
    if (steering.before != kNoHash) out.raw(steering.before);
    if (steering.pin) write_pin(out, *steering.pin);
  }
  Bytes bytes;
  ByteWriter all(bytes);
  all.raw(as_bytes(kMagic));
  all.u8(kVersion);
  all.varint(count);
  all.raw(body);
  all.u32(crc32c(bytes));
  return bytes;
}

Result<SteeringTable> decode_steering(ByteView bytes) {
  const auto damaged = [](const char* what) { return Error{what, "", ""}; };
  if (bytes.size() < kMagic.size() + kCrcBytes) return damaged("it is too short");
  ByteReader sum(bytes.last(kCrcBytes));
  const ByteView content = bytes.first(bytes.size() - kCrcBytes);
  if (sum.u32() != crc32c(content)) return damaged("its checksum does not fit");
  ByteReader in(content);
  if (as_text(in.raw(kMagic.size())) != kMagic) return damaged("it is another kind of file");
  if (in.u8() != kVersion) return damaged("it is of another version");
  const std::size_t count = in.count(2);
  SteeringTable table;
  if (count > kMaxSteered) return damaged("it holds too many instances");
  for (std::size_t i = 0; i < count; i++) {
    if (!read_instance(in, table) || !in.ok()) return damaged("an instance in it makes no sense");
  }
  if (!in.ok() || !in.at_end()) return damaged("it does not end where it says");
  return table;
}

}  // namespace tallyman::agent
