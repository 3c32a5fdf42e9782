#include "wire/batch_frames.hpp"

#include <algorithm>

#include "wire/definition.hpp"
#include "wire/frame.hpp"

namespace tallyman::wire {
namespace {

void take_into(ByteReader& in, std::span<std::uint8_t> out) {
  const ByteView bytes = in.raw(out.size());
  std::copy(bytes.begin(), bytes.end(), out.begin());
}

Status check_head(const BatchHead& head) {
  if (head.kind < BatchKind::normal || head.kind > BatchKind::stand_in) {
    return Error{"a batch of an unknown kind", "", ""};
  }
  if (head.sequence == 0) return Error{"a batch without a sequence number", "", ""};
  if (head.last < head.sequence ||
      (head.kind == BatchKind::thinned && head.last != head.sequence)) {
    return Error{"a batch whose last sequence number does not fit its first", "", ""};
  }
  if (!valid_time(head.opened)) return Error{"a batch opened at an instant out of range", "", ""};
  return {};
}

}  // namespace

Bytes head_payload(const BatchHead& head) {
  Bytes payload;
  ByteWriter out(payload);
  out.raw(kMarker);
  out.u16(kBatchVersion);
  out.u8(static_cast<std::uint8_t>(head.kind));
  out.text(head.agent);
  out.raw(head.incarnation);
  out.varint(head.sequence);
  out.raw(head.previous);
  out.raw(head.boot);
  out.i64(head.opened);
  if (head.kind != BatchKind::normal) {
    const bool range = head.kind == BatchKind::stand_in && head.last > head.sequence;
    out.raw(head.original);
    out.varint(range ? head.last - head.sequence : 0);
    out.text(cut_text(head.why, kMaxTextBytes));
  }
  return payload;
}

Result<BatchHead> decode_head_payload(ByteView payload) {
  ByteReader in(payload);
  const ByteView marker = in.raw(kMarker.size());
  if (!std::equal(marker.begin(), marker.end(), kMarker.begin(), kMarker.end())) {
    return Error{"a batch head without its marker", "", ""};
  }
  const std::uint16_t version = in.u16();
  if (!in.ok() || version != kBatchVersion) {
    return Error{"a batch of version " + std::to_string(version), "",
                 "this software reads version " + std::to_string(kBatchVersion)};
  }
  BatchHead head;
  head.kind = static_cast<BatchKind>(in.u8());
  head.agent = in.text(kMaxNameBytes);
  take_into(in, head.incarnation);
  head.sequence = in.varint();
  take_into(in, head.previous);
  take_into(in, head.boot);
  head.opened = in.i64();
  head.last = head.sequence;
  if (head.kind != BatchKind::normal) {
    take_into(in, head.original);
    head.last += in.varint();  // modulo 2^64: check_head refuses what wraps
    head.why = in.text(kMaxTextBytes);
  }
  if (!in.ok() || !in.at_end()) return Error{"a malformed batch head", "", ""};
  if (const Status good = check_head(head); !good.ok()) return good.error();
  return head;
}

Bytes encode_seal(const BatchSeal& seal) {
  Bytes payload;
  ByteWriter writer(payload);
  writer.i64(seal.watermark);
  writer.varint(seal.pages);
  Bytes out;
  append_frame(out, FrameType::seal, payload);
  return out;
}

Result<BatchSeal> decode_seal_payload(ByteView payload) {
  ByteReader in(payload);
  BatchSeal seal;
  seal.watermark = in.i64();
  seal.pages = in.varint();
  if (!in.ok() || !in.at_end() || !valid_time(seal.watermark)) {
    return Error{"a malformed batch seal", "", ""};
  }
  return seal;
}

Status check_poll(const Poll& poll) {
  if (poll.instance == 0) return Error{"a poll of no instance", "", ""};
  if (!valid_time(poll.scheduled) || !valid_time(poll.wall) || !valid_time(poll.boot)) {
    return Error{"a poll at an instant out of range", "", ""};
  }
  if (poll.values.size() > kMaxPollValues || poll.ended.size() > kMaxPollValues) {
    return Error{"a poll of more than " + std::to_string(kMaxPollValues) + " readings", "", ""};
  }
  DefNo last = 1;
  for (const Value& value : poll.values) {
    if (value.epoch < last) return Error{"readings that do not ascend by epoch number", "", ""};
    if (!valid_time(value.time)) return Error{"a reading at an instant out of range", "", ""};
    last = value.epoch;
  }
  for (const DefNo epoch : poll.ended) {
    if (epoch == 0) return Error{"an end of no epoch", "", ""};
  }
  return {};
}

Status check_gap(const Gap& gap) {
  if (gap.instance == 0) return Error{"a gap of no instance", "", ""};
  if (!valid_time(gap.from) || !valid_time(gap.to) || gap.to < gap.from) {
    return Error{"a gap whose instants are out of range or order", "", ""};
  }
  if (gap.cause < Cause::hang || gap.cause > Cause::clock) {
    return Error{"a gap of unknown cause", "", ""};
  }
  return {};
}

Status check_entry(const Entry& entry) {
  if (const auto* poll = std::get_if<Poll>(&entry)) return check_poll(*poll);
  if (const auto* gap = std::get_if<Gap>(&entry)) return check_gap(*gap);
  return check_definition(std::get<Definition>(entry));
}

}  // namespace tallyman::wire
