#include <algorithm>
#include <unordered_map>

#include "wire/batch.hpp"
#include "wire/batch_frames.hpp"
#include "wire/columns.hpp"
#include "wire/definition.hpp"
#include "wire/frame.hpp"

namespace tallyman::wire {

struct BatchWriter::State {
  Bytes head;
  std::size_t size = 0;
  std::uint64_t pages = 0;
  Ns last_scheduled = 0;
  Ns last_skew = 0;
  std::unordered_map<DefNo, std::vector<Value>> before;  ///< last poll of each instance
  ValueColumn column;
  Bytes payload;

  void put(ByteWriter& out, const Definition& definition);
  void put(ByteWriter& out, const Poll& poll);
  void put(ByteWriter& out, const Gap& gap) const;
};

void BatchWriter::State::put(ByteWriter& out, const Definition& definition) {
  out.u8(static_cast<std::uint8_t>(EntryKind::definition));
  put_definition(out, definition);
}

void BatchWriter::State::put(ByteWriter& out, const Poll& poll) {
  const auto known = before.find(poll.instance);
  const std::span<const Value> last =
      known == before.end() ? std::span<const Value>() : std::span<const Value>(known->second);
  const bool same = known != before.end() && same_epochs(poll.values, last);
  const bool own_times = std::any_of(poll.values.begin(), poll.values.end(),
                                     [](const Value& value) { return value.time != 0; });
  unsigned tag = static_cast<unsigned>(EntryKind::poll);
  if (poll.in_time) tag |= kInTime;
  if (poll.stepped) tag |= kStepped;
  if (same) tag |= kSameEpochs;
  if (own_times) tag |= kOwnTimes;
  if (!poll.ended.empty()) tag |= kEnded;

  const Ns skew = wrapping_minus(poll.boot, poll.wall);
  out.u8(static_cast<std::uint8_t>(tag));
  out.varint(poll.instance);
  out.svarint(wrapping_minus(poll.scheduled, last_scheduled));
  out.svarint(wrapping_minus(poll.wall, poll.scheduled));
  out.svarint(wrapping_minus(skew, last_skew));
  last_scheduled = poll.scheduled;
  last_skew = skew;

  if (!same) put_epochs(out, poll.values);
  column.put(payload, poll.values, last, same);
  if (own_times) put_own_times(out, poll.values, poll.wall);
  if (!poll.ended.empty()) {
    out.varint(poll.ended.size());
    DefNo previous = 0;
    for (const DefNo epoch : poll.ended) {
      out.svarint(static_cast<std::int64_t>(epoch - previous));
      previous = epoch;
    }
  }
  before[poll.instance].assign(poll.values.begin(), poll.values.end());
}

void BatchWriter::State::put(ByteWriter& out, const Gap& gap) const {
  out.u8(static_cast<std::uint8_t>(EntryKind::gap));
  out.varint(gap.instance);
  out.varint(gap.subject);
  out.svarint(wrapping_minus(gap.from, last_scheduled));
  out.varint(static_cast<std::uint64_t>(wrapping_minus(gap.to, gap.from)));
  out.u8(static_cast<std::uint8_t>(gap.cause));
  out.text(cut_text(gap.why, kMaxTextBytes));
}

BatchWriter::BatchWriter(const BatchHead& head) : state_(std::make_unique<State>()) {
  append_frame(state_->head, FrameType::head, head_payload(head));
  state_->size = state_->head.size();
  state_->last_scheduled = head.opened;
}

BatchWriter::~BatchWriter() = default;
BatchWriter::BatchWriter(BatchWriter&&) noexcept = default;
BatchWriter& BatchWriter::operator=(BatchWriter&&) noexcept = default;

const Bytes& BatchWriter::head() const { return state_->head; }
std::size_t BatchWriter::size() const { return state_->size; }
std::uint64_t BatchWriter::pages() const { return state_->pages; }

Bytes BatchWriter::page(std::span<const Entry> entries) {
  state_->payload.clear();
  ByteWriter out(state_->payload);
  out.varint(state_->pages++);
  for (const Entry& entry : entries) {
    std::visit([&](const auto& what) { state_->put(out, what); }, entry);
  }
  Bytes frame;
  append_frame(frame, FrameType::page, state_->payload);
  state_->size += frame.size();
  return frame;
}

Bytes BatchWriter::seal(Ns watermark) {
  Bytes frame = encode_seal({.watermark = watermark, .pages = state_->pages});
  state_->size += frame.size();
  return frame;
}

Bytes encode_batch(const Batch& batch) {
  BatchWriter writer(batch.head);
  Bytes out = writer.head();
  if (!batch.entries.empty()) {
    const Bytes page = writer.page(batch.entries);
    out.insert(out.end(), page.begin(), page.end());
  }
  const Bytes seal = writer.seal(batch.seal.watermark);
  out.insert(out.end(), seal.begin(), seal.end());
  return out;
}

Bytes encode_definition(const Definition& definition) {
  Bytes out;
  ByteWriter writer(out);
  put_definition(writer, definition);
  return out;
}

}  // namespace tallyman::wire
