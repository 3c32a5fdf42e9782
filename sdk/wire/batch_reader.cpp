#include <unordered_map>

#include "wire/batch.hpp"
#include "wire/batch_frames.hpp"
#include "wire/columns.hpp"
#include "wire/definition.hpp"
#include "wire/frame.hpp"

namespace tallyman::wire {
namespace {

std::string offset_text(std::size_t offset) { return "offset " + std::to_string(offset); }

Error at_offset(Error error, std::size_t offset) {
  error.where = offset_text(offset);
  return error;
}

/// Reads the pages of one batch in order; what it has read stands in `entries`.
class PageReader {
 public:
  explicit PageReader(Ns opened) : last_scheduled_(opened) {}

  /// One page's payload, whose frame begins at `offset`.
  Status read(ByteView payload, std::size_t offset);
  std::vector<Entry> entries;
  std::uint64_t pages = 0;

 private:
  Status read_entry(ByteReader& in);
  Status read_poll(ByteReader& in, unsigned flags);
  Status read_gap(ByteReader& in);

  Ns last_scheduled_;
  Ns last_skew_ = 0;
  std::size_t values_ = 0;
  std::unordered_map<DefNo, std::size_t> before_;  ///< index of each instance's last poll
  ValueColumn column_;
};

Status PageReader::read(ByteView payload, std::size_t offset) {
  ByteReader in(payload);
  if (in.varint() != pages || !in.ok()) {
    return Error{"page " + std::to_string(pages) + " of the batch is missing or out of order",
                 offset_text(offset), ""};
  }
  const std::size_t first = entries.size();
  while (in.ok() && !in.at_end()) {
    if (const Status good = read_entry(in); !good.ok()) {
      return Error{"entry " + std::to_string(entries.size() - first) + " of page " +
                       std::to_string(pages) + ": " + good.error().what,
                   offset_text(offset), ""};
    }
  }
  ++pages;
  return {};
}

Status PageReader::read_entry(ByteReader& in) {
  const std::uint8_t tag = in.u8();
  const unsigned flags = tag & ~static_cast<unsigned>(kEntryKindMask);
  const auto kind = static_cast<EntryKind>(tag & kEntryKindMask);
  if (kind == EntryKind::poll && (flags & ~static_cast<unsigned>(kPollFlags)) == 0) {
    return read_poll(in, flags);
  }
  if (flags != 0) return Error{"unknown flags", "", ""};
  if (kind == EntryKind::gap) return read_gap(in);
  if (kind != EntryKind::definition) return Error{"an unknown kind of entry", "", ""};
  Definition definition = take_definition(in);
  if (!in.ok()) return Error{"a malformed definition", "", ""};
  entries.emplace_back(std::move(definition));
  return {};
}

Status PageReader::read_poll(ByteReader& in, unsigned flags) {
  Poll poll;
  poll.in_time = (flags & kInTime) != 0;
  poll.stepped = (flags & kStepped) != 0;
  poll.instance = in.varint();
  poll.scheduled = wrapping_plus(last_scheduled_, in.svarint());
  poll.wall = wrapping_plus(poll.scheduled, in.svarint());
  const Ns skew = wrapping_plus(last_skew_, in.svarint());
  poll.boot = wrapping_plus(poll.wall, skew);

  const auto known = before_.find(poll.instance);
  const bool same = (flags & kSameEpochs) != 0;
  std::span<const Value> before;
  if (known != before_.end()) before = std::get<Poll>(entries[known->second]).values;
  if (same && known == before_.end()) {
    return Error{"a poll like the one before it, and none is before it", "", ""};
  }
  const std::size_t most = std::min(kMaxPollValues, kMaxBatchValues - values_);
  if (!same) {
    poll.values = take_epochs(in, most);
  } else if (before.size() > most || before.size() / 8 > in.left()) {
    in.fail();
  } else {
    poll.values.resize(before.size());
    for (std::size_t i = 0; i < before.size(); ++i) poll.values[i].epoch = before[i].epoch;
  }
  if (in.ok()) column_.take(in, poll.values, before, same);
  if ((flags & kOwnTimes) != 0) take_own_times(in, poll.values, poll.wall);
  if ((flags & kEnded) != 0) {
    const std::size_t count = in.count();
    poll.ended.reserve(count);
    DefNo previous = 0;
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
      previous += static_cast<DefNo>(in.svarint());
      poll.ended.push_back(previous);
    }
  }
  if (!in.ok()) return Error{"a malformed poll", "", ""};
  if (Status good = check_poll(poll); !good.ok()) return good;
  last_scheduled_ = poll.scheduled;
  last_skew_ = skew;
  values_ += poll.values.size();
  before_[poll.instance] = entries.size();
  entries.emplace_back(std::move(poll));
  return {};
}

Status PageReader::read_gap(ByteReader& in) {
  Gap gap;
  gap.instance = in.varint();
  gap.subject = in.varint();
  gap.from = wrapping_plus(last_scheduled_, in.svarint());
  gap.to = wrapping_plus(gap.from, static_cast<Ns>(in.varint()));
  gap.cause = static_cast<Cause>(in.u8());
  gap.why = in.text(kMaxTextBytes);
  if (!in.ok()) return Error{"a malformed gap", "", ""};
  if (Status good = check_gap(gap); !good.ok()) return good;
  entries.emplace_back(std::move(gap));
  return {};
}

/// The next frame of a batch at `offset`, or why there is none.
Result<FrameScan> frame_at(ByteView bytes, std::size_t offset) {
  const FrameScan frame = next_frame(bytes.subspan(offset));
  switch (frame.status) {
    case FrameStatus::whole:
      return frame;
    case FrameStatus::end:
      return Error{"a batch without its seal", offset_text(offset), ""};
    case FrameStatus::torn:
      return Error{"a batch that ends within a frame", offset_text(offset), ""};
    case FrameStatus::damaged:
      break;
  }
  return Error{"a damaged frame of a batch", offset_text(offset), ""};
}

/// Turns the seal that was found at `offset` into the batch's end, if all of it fits.
Status finish(Batch& batch, PageReader& pages, const FrameScan& frame, std::size_t offset,
              std::size_t total) {
  const Result<BatchSeal> seal = decode_seal_payload(frame.payload);
  if (!seal.ok()) return at_offset(seal.error(), offset);
  if (seal->pages != pages.pages) {
    return Error{"a seal over " + std::to_string(seal->pages) + " pages, after " +
                     std::to_string(pages.pages),
                 offset_text(offset), ""};
  }
  if (offset + frame.size != total) {
    return Error{"bytes left over after a batch", offset_text(offset + frame.size), ""};
  }
  if (batch.head.kind == BatchKind::stand_in && pages.pages != 0) {
    return Error{"a stand-in with pages", offset_text(0), ""};
  }
  batch.seal = *seal;
  batch.entries = std::move(pages.entries);
  return {};
}

}  // namespace

Result<BatchHead> decode_batch_head(ByteView bytes) {
  const Result<FrameScan> frame = frame_at(bytes, 0);
  if (!frame.ok()) return frame.error();
  if (frame->type != FrameType::head) {
    return Error{"a batch that does not begin with its head", offset_text(0), ""};
  }
  Result<BatchHead> head = decode_head_payload(frame->payload);
  if (!head.ok()) return at_offset(head.error(), 0);
  return head;
}

Result<Batch> decode_batch(ByteView bytes) {
  if (bytes.size() > kMaxBatchBytes) {
    return Error{"a batch of " + std::to_string(bytes.size()) + " bytes", offset_text(0),
                 "at most " + std::to_string(kMaxBatchBytes) + " are allowed"};
  }
  Result<BatchHead> head = decode_batch_head(bytes);
  if (!head.ok()) return head.error();
  Result<Batch> batch(Batch{});
  batch->head = std::move(*head);
  PageReader pages(batch->head.opened);
  std::size_t offset = next_frame(bytes).size;
  for (;;) {
    const Result<FrameScan> frame = frame_at(bytes, offset);
    if (!frame.ok()) return frame.error();
    if (frame->type == FrameType::seal) {
      const Status good = finish(*batch, pages, *frame, offset, bytes.size());
      if (!good.ok()) return good.error();
      return batch;
    }
    if (frame->type != FrameType::page) {
      return Error{"a frame that is no part of a batch", offset_text(offset), ""};
    }
    if (Status good = pages.read(frame->payload, offset); !good.ok()) return good.error();
    offset += frame->size;
  }
}

Result<Definition> decode_definition(ByteView bytes) {
  ByteReader in(bytes);
  Definition definition = take_definition(in);
  if (!in.ok() || !in.at_end()) return Error{"a malformed definition", "", ""};
  return definition;
}

}  // namespace tallyman::wire
