// Frames: the layer under batches and spool segments.

#include "wire/frame.hpp"

#include <gtest/gtest.h>

#include "base/hash.hpp"
#include "wire/batch.hpp"

namespace tallyman::wire {
namespace {

const Bytes kPayload{1, 2, 3, 4, 5};

Bytes frame_of(FrameType type, const Bytes& payload) {
  Bytes out;
  append_frame(out, type, payload);
  return out;
}

// Given a frame, then its bytes are the documented ones.
TEST(Frame, LayoutIsTheDocumentedOne) {
  const Bytes frame = frame_of(FrameType::page, kPayload);
  ASSERT_EQ(frame.size(), kFrameOverhead + kPayload.size());
  EXPECT_EQ((Bytes{frame.begin() + 4, frame.end()}), (Bytes{5, 0, 0, 0, 'P', 1, 2, 3, 4, 5}));
  ByteReader reader(frame);
  EXPECT_EQ(reader.u32(), crc32c(ByteView(frame).subspan(4)));
}

// Given frames one behind the other, of known types and unknown ones, then each is found whole.
TEST(Frame, FramesFollowEachOther) {
  Bytes bytes;
  const std::vector<FrameType> types{FrameType::segment, FrameType::state,
                                     static_cast<FrameType>('Z'), FrameType::seal};
  for (const FrameType type : types) append_frame(bytes, type, kPayload);
  bytes.resize(bytes.size() + 4096);
  ByteView rest = bytes;
  for (const FrameType type : types) {
    const FrameScan frame = next_frame(rest);
    ASSERT_EQ(frame.status, FrameStatus::whole);
    EXPECT_EQ(frame.type, type);
    EXPECT_EQ(Bytes(frame.payload.begin(), frame.payload.end()), kPayload);
    rest = rest.subspan(frame.size);
  }
  EXPECT_EQ(next_frame(rest).status, FrameStatus::end);
  EXPECT_EQ(next_frame({}).status, FrameStatus::end);
  EXPECT_EQ(next_frame(rest.first(3)).status, FrameStatus::end);
}

// Given a frame cut short, then it is torn (or, cut to zeros alone, the end); given one with any
// bit wrong, then it is never whole.
TEST(Frame, CutsAndFlipsAreFound) {
  Bytes frame = frame_of(FrameType::state, kPayload);
  for (std::size_t size = 1; size < frame.size(); ++size) {
    EXPECT_EQ(next_frame(ByteView(frame).first(size)).status, FrameStatus::torn) << size;
  }
  frame.resize(frame.size() + 64);
  for (std::size_t bit = 0; bit < (frame.size() - 64) * 8; ++bit) {
    frame[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const FrameStatus status = next_frame(frame).status;
    EXPECT_TRUE(status == FrameStatus::damaged || status == FrameStatus::torn) << bit;
    frame[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  }
}

// Given an empty payload, then the frame is whole and is not taken for the end.
TEST(Frame, AnEmptyPayloadIsAFrame) {
  const FrameScan frame = next_frame(frame_of(FrameType::seal, {}));
  EXPECT_EQ(frame.status, FrameStatus::whole);
  EXPECT_EQ(frame.size, kFrameOverhead);
}

// Given damage before a batch, then the marker leads to its head frame; and on to the next.
TEST(Frame, TheMarkerFindsTheNextBatch) {
  BatchHead head;
  head.agent = "a";
  head.sequence = head.last = 1;
  const Bytes batch = encode_batch({.head = head, .entries = {}, .seal = {}});
  Bytes bytes(1000, 0x5a);
  bytes.insert(bytes.end(), batch.begin(), batch.end());
  bytes.resize(bytes.size() + 77, 0xff);
  const std::size_t second = bytes.size();
  bytes.insert(bytes.end(), batch.begin(), batch.end());
  ASSERT_EQ(find_marker(bytes), 1000U);
  EXPECT_TRUE(decode_batch(ByteView(bytes).subspan(1000, batch.size())).ok());
  const auto next = find_marker(ByteView(bytes).subspan(1001));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(*next + 1001, second);
  EXPECT_FALSE(find_marker(ByteView(bytes).subspan(second + 1)).has_value());
  EXPECT_EQ(find_marker(batch), 0U);
  EXPECT_FALSE(find_marker(ByteView(batch).first(8)).has_value());
}

}  // namespace
}  // namespace tallyman::wire
