// Packed batches: what goes in comes out; damage, lies and bombs give an error and no memory.

#include "wire/pack.hpp"

#include <gtest/gtest.h>

#include "sample.hpp"
#include "wire/message.hpp"
#include "wire/model.hpp"

namespace tallyman::wire {
namespace {

using sample::Sample;

/// Runs of random bytes from a small alphabet: what packs.
Bytes compressible(Sample& sample, std::size_t size) {
  Bytes out(size);
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(sample.below(6));
  return out;
}

/// A frame by hand: magic, a head that names the size in 4 bytes, then `blocks` runs of one byte,
/// 128 KiB each (the last one ends the frame).
Bytes bomb(std::uint32_t claimed, unsigned blocks) {
  constexpr unsigned kRun = 128U << 10U;
  Bytes out;
  ByteWriter writer(out);
  writer.u32(0xFD2FB528U);
  writer.u8(0xA0);  // single segment, size in 4 bytes
  writer.u32(claimed);
  for (unsigned i = 0; i < blocks; ++i) {
    writer.fixed((kRun << 3U) | (1U << 1U) | (i + 1 == blocks ? 1U : 0U), 3);
    writer.u8(0x5a);
  }
  return out;
}

// Given batches of any size that pack, then they come back; what would not get smaller is not
// packed.
TEST(Pack, ComesBackOrIsNotPacked) {
  Sample sample(1);
  for (int i = 0; i < 300; ++i) {
    const Bytes batch = compressible(sample, 200 + sample.below(5000));
    const Bytes frame = pack(batch);
    ASSERT_FALSE(frame.empty());
    EXPECT_LT(frame.size(), batch.size());
    EXPECT_EQ(*packed_size(frame), batch.size());
    EXPECT_EQ(*unpack(frame), batch);
  }
  EXPECT_EQ(*unpack(pack(Bytes(kMaxBatchBytes))), Bytes(kMaxBatchBytes));
  Bytes noise(500);
  for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(sample.below(256));
  EXPECT_TRUE(pack(noise).empty());
  EXPECT_TRUE(pack({}).empty());
}

// Given a frame cut at every byte, with every bit flipped, or with bytes after it, then unpacking
// gives an error or no more than it claims.
TEST(Pack, DamageIsContained) {
  Sample sample(2);
  for (int i = 0; i < 10; ++i) {
    const Bytes batch = compressible(sample, 300);
    Bytes frame = pack(batch);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      ASSERT_FALSE(unpack(ByteView(frame).first(size)).ok());
    }
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      frame[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const Result<Bytes> read = unpack(frame);
      if (read.ok()) {
        EXPECT_EQ(read->size(), *packed_size(frame));
      }
      frame[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
    Bytes twice = frame;
    twice.insert(twice.end(), frame.begin(), frame.end());
    EXPECT_FALSE(unpack(twice).ok());
    frame.push_back(0);
    EXPECT_FALSE(unpack(frame).ok());
  }
}

// Given a tiny frame that honestly holds the most that a batch may have, then it unpacks; one byte
// more, in claim or in truth, is refused before or at that size.
TEST(Pack, BombsAreBounded) {
  constexpr auto kMost = static_cast<std::uint32_t>(kMaxBatchBytes);
  constexpr unsigned kBlocks = kMost / (128U << 10U);
  const Bytes honest = bomb(kMost, kBlocks);
  EXPECT_LT(honest.size(), 150U);
  ASSERT_TRUE(unpack(honest).ok()) << unpack(honest).error().text();
  EXPECT_EQ(*unpack(honest), Bytes(kMost, 0x5a));

  for (const auto& [claimed, blocks] :
       {std::pair{kMost + 1, kBlocks + 1}, std::pair{~0U, 1U}, std::pair{~0U, 32768U}}) {
    const Result<Bytes> read = unpack(bomb(claimed, blocks));
    ASSERT_FALSE(read.ok());
    EXPECT_NE(read.error().text().find("claims " + std::to_string(claimed)), std::string::npos);
  }
  for (const auto& [claimed, blocks] : {std::pair{kMost, kBlocks + 1}, std::pair{kMost, 32768U},
                                        std::pair{1U, 32768U}, std::pair{kMost, kBlocks - 1}}) {
    EXPECT_FALSE(unpack(bomb(claimed, blocks)).ok());
  }
}

// Given frames that name no size, hold nothing, or are skippable or none, then they are refused.
TEST(Pack, OddFramesAreRefused) {
  const Bytes no_size{0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58, 0x09, 0x00, 0x00, 'a'};
  const Bytes nothing{0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00};
  const Bytes skippable{0x50, 0x2A, 0x4D, 0x18, 0x01, 0x00, 0x00, 0x00, 0x00};
  const Bytes dictionary{0x28, 0xB5, 0x2F, 0xFD, 0x21, 0x07, 0x01, 0x09, 0x00, 0x00, 'a'};
  for (const Bytes& frame : {no_size, nothing, skippable, dictionary, Bytes(100), Bytes{}}) {
    EXPECT_FALSE(unpack(frame).ok());
  }
  EXPECT_NE(unpack(no_size).error().text().find("does not name its size"), std::string::npos);
}

// Given messages of each kind, then a packed batch weighs what it claims, within what is allowed,
// and anything else its own bytes.
TEST(Pack, MessagesWeighWhatTheyStandFor) {
  const auto weight = [](const AgentMessage& message) { return message_weight(encode(message)); };
  EXPECT_EQ(weight(PackedBatch{1, pack(Bytes(70000))}), 70000U);
  const Bytes big = bomb(static_cast<std::uint32_t>(kMaxBatchBytes), 1);
  EXPECT_EQ(weight(PackedBatch{1, big}), kMaxBatchBytes);
  for (const AgentMessage& message :
       {AgentMessage(PackedBatch{1, bomb(~0U, 1)}), AgentMessage(PackedBatch{1, {1, 2}}),
        AgentMessage(BatchMessage{1, Bytes(70000)}), AgentMessage(Heartbeat{})}) {
    EXPECT_EQ(weight(message), encode(message).size());
  }
  EXPECT_EQ(message_weight({}), 0U);
  EXPECT_EQ(message_weight(Bytes{1, 6, 0}), 3U);
}

}  // namespace
}  // namespace tallyman::wire
