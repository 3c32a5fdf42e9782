// The batch codec: what goes in comes out, and what is no batch is refused.

#include "wire/batch.hpp"

#include <gtest/gtest.h>

#include "sample.hpp"
#include "wire/frame.hpp"

namespace tallyman::wire {
namespace {

using sample::Sample;

void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }

/// A random batch in several pages, and what it should decode to.
struct Written {
  Batch batch;
  Bytes bytes;
};

Written write_random(std::uint64_t seed) {
  Sample sample(seed);
  Written out;
  out.batch.head = sample.head();
  BatchWriter writer(out.batch.head);
  out.bytes = writer.head();
  const bool stand_in = out.batch.head.kind == BatchKind::stand_in;
  for (std::uint64_t page = stand_in ? 0 : sample.below(5); page > 0; --page) {
    const std::vector<Entry> entries = sample.entries(sample.below(8));
    out.batch.entries.insert(out.batch.entries.end(), entries.begin(), entries.end());
    append(out.bytes, writer.page(entries));
  }
  out.batch.seal = {.watermark = sample.time(), .pages = writer.pages()};
  append(out.bytes, writer.seal(out.batch.seal.watermark));
  EXPECT_EQ(writer.size(), out.bytes.size());
  return out;
}

void expect_equal(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.head, b.head);
  EXPECT_EQ(a.entries, b.entries);
  EXPECT_EQ(a.seal, b.seal);
}

// Given any batch an agent could write, then decoding gives it back, and its head alone as well.
TEST(Batch, RandomBatchesComeBack) {
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const Written written = write_random(seed);
    const Result<Batch> read = decode_batch(written.bytes);
    ASSERT_TRUE(read.ok()) << "seed " << seed << ": " << read.error().text();
    expect_equal(*read, written.batch);
    const Result<BatchHead> head = decode_batch_head(written.bytes);
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(*head, written.batch.head);
    for (const Entry& entry : written.batch.entries) EXPECT_TRUE(check_entry(entry).ok());
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// Given a batch that was decoded, then encoding it again gives an equal batch.
TEST(Batch, EncodingWhatWasDecodedGivesAnEqualBatch) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Batch batch = *decode_batch(write_random(seed).bytes);
    const Result<Batch> again = decode_batch(encode_batch(batch));
    ASSERT_TRUE(again.ok()) << "seed " << seed << ": " << again.error().text();
    batch.seal.pages = batch.entries.empty() ? 0 : 1;
    expect_equal(*again, batch);
  }
}

// Given the same batch written twice, then its bytes and so its hash are the same.
TEST(Batch, WritingIsDeterministic) {
  EXPECT_EQ(batch_hash(write_random(7).bytes), batch_hash(write_random(7).bytes));
  EXPECT_NE(batch_hash(write_random(7).bytes), batch_hash(write_random(8).bytes));
}

// Given a batch cut short anywhere, then it is an error.
TEST(Batch, EveryTruncationIsAnError) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Bytes bytes = write_random(seed).bytes;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(decode_batch(ByteView(bytes).first(size)).ok()) << seed << " cut at " << size;
    }
  }
}

// Given a batch with any one bit wrong, then it is an error that names an offset.
TEST(Batch, EveryFlippedBitIsAnError) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Bytes bytes = write_random(seed).bytes;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const Result<Batch> read = decode_batch(bytes);
      ASSERT_FALSE(read.ok()) << seed << " bit " << bit;
      ASSERT_EQ(read.error().where.substr(0, 7), "offset ");
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
  }
}

// Given a page whose checksum holds but whose payload is damaged anywhere, then decoding ends with
// a batch or an error, and what it gives is within the limits.
TEST(Batch, DamageBehindAGoodChecksumIsContained) {
  std::size_t accepted = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Sample sample(seed);
    BatchHead head = sample.head();
    head.kind = BatchKind::normal;
    head.last = head.sequence;
    BatchWriter writer(head);
    const Bytes page = writer.page(sample.entries(6));
    const Bytes seal = writer.seal(0);
    Bytes payload(page.begin() + kFrameOverhead, page.end());
    for (int round = 0; round < 300; ++round) {
      Bytes damaged = payload;
      for (std::uint64_t n = 1 + sample.below(3); n > 0; --n) {
        damaged[sample.below(damaged.size())] = static_cast<std::uint8_t>(sample.number());
      }
      Bytes bytes = writer.head();
      append_frame(bytes, FrameType::page, damaged);
      append(bytes, seal);
      const Result<Batch> read = decode_batch(bytes);
      if (!read.ok()) continue;
      ++accepted;
      for (const Entry& entry : read->entries) ASSERT_TRUE(check_entry(entry).ok());
    }
  }
  EXPECT_GT(accepted, 100U);
}

// Given definitions of all kinds, then each comes back alone as well, and no byte more or less
// does.
TEST(Batch, DefinitionsStandAlone) {
  Sample sample(3);
  for (int i = 0; i < 2000; ++i) {
    const Definition definition = sample.definition(1 + sample.below(1000));
    Bytes bytes = encode_definition(definition);
    const Result<Definition> read = decode_definition(bytes);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, definition);
    EXPECT_FALSE(decode_definition(ByteView(bytes).first(bytes.size() - 1)).ok());
    bytes.push_back(0);
    EXPECT_FALSE(decode_definition(bytes).ok());
  }
}

}  // namespace
}  // namespace tallyman::wire
