// Batches that hold together as frames and lie inside: each lie is refused, without the memory it
// asks for.

#include <gtest/gtest.h>

#include "wire/batch.hpp"
#include "wire/batch_frames.hpp"
#include "wire/frame.hpp"

namespace tallyman::wire {
namespace {

BatchHead head_of(BatchKind kind = BatchKind::normal) {
  BatchHead head;
  head.kind = kind;
  head.agent = "a";
  head.sequence = head.last = 7;
  head.opened = kDay;
  return head;
}

/// A batch of one page with this payload behind its page number.
template <typename Fill>
Result<Batch> batch_with(Fill fill) {
  Bytes payload;
  ByteWriter out(payload);
  out.varint(0);
  fill(out);
  Bytes bytes = BatchWriter(head_of()).head();
  append_frame(bytes, FrameType::page, payload);
  const Bytes seal = encode_seal({.watermark = 0, .pages = 1});
  bytes.insert(bytes.end(), seal.begin(), seal.end());
  return decode_batch(bytes);
}

void begin_poll(ByteWriter& out, unsigned flags) {
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(EntryKind::poll) | flags));
  out.varint(1);
  for (int i = 0; i < 3; ++i) out.svarint(0);
}

std::string error_of(const Result<Batch>& batch) {
  return batch.ok() ? "no error" : batch.error().what;
}

// Given a list that names 2^60 epochs in a few bytes, then it is refused.
TEST(HostileBatch, ListsCannotNameMoreThanTheInputHolds) {
  for (const std::uint64_t more : {std::uint64_t{200}, std::uint64_t{kMaxPollValues},
                                   std::uint64_t{1} << 60U, ~std::uint64_t{0}}) {
    for (const std::uint64_t stride : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
      const auto batch = batch_with([&](ByteWriter& out) {
        begin_poll(out, 0);
        out.varint(1);
        out.varint(1);
        out.varint(more);
        out.varint(stride);
      });
      EXPECT_EQ(error_of(batch), "entry 0 of page 0: a malformed poll") << more << " " << stride;
    }
  }
}

// Given a poll that is like none before it, or an epoch number of zero, then it is refused.
TEST(HostileBatch, PollsReferToWhatIsThere) {
  EXPECT_NE(error_of(batch_with([](ByteWriter& out) {
              begin_poll(out, kSameEpochs);
            })).find("none is before it"),
            std::string::npos);
  const auto zero = batch_with([](ByteWriter& out) {
    begin_poll(out, 0);
    out.varint(1);
    out.varint(0);
    out.varint(0);
    out.u8(0);
  });
  EXPECT_NE(error_of(zero).find("do not ascend"), std::string::npos);
}

// Given stray bits behind a bitmap's end, lengths of 0 or more than 8, then they are refused.
TEST(HostileBatch, ColumnsAreStrict) {
  const auto poll = [](std::vector<std::uint8_t> column) {
    return batch_with([&](ByteWriter& out) {
      begin_poll(out, 0);
      out.varint(1);
      out.varint(1);
      out.varint(0);
      out.raw(column);
    });
  };
  EXPECT_TRUE(poll({0x00}).ok());
  EXPECT_TRUE(poll({0x01, 0x01, 0x02}).ok());
  for (const std::vector<std::uint8_t>& bad :
       std::vector<std::vector<std::uint8_t>>{{},            // no bitmap
                                              {0x02},        // a bit behind the only value
                                              {0x01},        // no length
                                              {0x01, 0x00},  // length 0
                                              {0x01, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                              {0x01, 0x11, 1, 1},  // a length too many
                                              {0x01, 0x02, 1}}) {  // a byte too few
    EXPECT_FALSE(poll(bad).ok());
  }
}

// Given polls that repeat a wide list by a flag, then the batch ends at the limit of its readings.
TEST(HostileBatch, ReadingsOfABatchAreLimited) {
  BatchWriter writer(head_of());
  Bytes bytes = writer.head();
  Poll poll;
  poll.instance = 1;
  for (std::size_t i = 0; i < kMaxPollValues; ++i) poll.values.push_back({.epoch = i + 1});
  const std::vector<Entry> entry{poll};
  const std::size_t most = kMaxBatchValues / kMaxPollValues;
  for (std::size_t i = 0; i < most; ++i) {
    const Bytes page = writer.page(entry);
    bytes.insert(bytes.end(), page.begin(), page.end());
  }
  const auto sealed = [&] {
    Bytes out = bytes;
    const Bytes seal = encode_seal({.watermark = 0, .pages = writer.pages()});
    out.insert(out.end(), seal.begin(), seal.end());
    return decode_batch(out);
  };
  EXPECT_TRUE(sealed().ok());
  const Bytes page = writer.page(entry);
  bytes.insert(bytes.end(), page.begin(), page.end());
  EXPECT_EQ(error_of(sealed()), "entry 0 of page 10: a malformed poll");
}

// Given an unknown kind of entry, unknown flags, a definition that refers to itself or upwards, or
// a gap that runs backwards, then it is refused.
TEST(HostileBatch, EntriesAreWhatTheyMayBe) {
  for (const unsigned tag : {0U, 0x82U, 0x05U, 0x07U, 0xffU}) {
    const auto batch = batch_with([&](ByteWriter& out) { out.u8(static_cast<std::uint8_t>(tag)); });
    EXPECT_NE(error_of(batch).find("unknown"), std::string::npos) << tag;
  }
  EXPECT_FALSE(decode_definition(encode_definition({5, EpochDef{5, 1, 0}})).ok());
  EXPECT_FALSE(decode_definition(encode_definition({5, EpochDef{6, 1, 0}})).ok());
  EXPECT_FALSE(decode_definition(encode_definition({5, EpochDef{0, 1, 0}})).ok());
  EXPECT_TRUE(decode_definition(encode_definition({5, EpochDef{4, 1, 0}})).ok());
  EXPECT_FALSE(check_entry(Gap{1, 0, 20, 10, Cause::hang, ""}).ok());
  EXPECT_FALSE(check_entry(Gap{1, 0, 10, 20, static_cast<Cause>(14), ""}).ok());
}

// Given a missing page, one out of order or twice, then the seal or the page's number tells.
TEST(HostileBatch, PagesAreAllThereAndInOrder) {
  BatchWriter writer(head_of());
  const std::vector<Entry> entry{Gap{1, 0, 10, 20, Cause::hang, "why"}};
  const Bytes first = writer.page(entry);
  const Bytes second = writer.page(entry);
  const Bytes seal = writer.seal(0);
  const auto decode = [&](const std::vector<Bytes>& pages) {
    Bytes bytes = writer.head();
    for (const Bytes& page : pages) bytes.insert(bytes.end(), page.begin(), page.end());
    return decode_batch(bytes);
  };
  EXPECT_TRUE(decode({first, second, seal}).ok());
  for (const std::vector<Bytes>& wrong :
       std::vector<std::vector<Bytes>>{{first, seal},
                                       {second, seal},
                                       {second, first, seal},
                                       {first, first, seal},
                                       {first, second},
                                       {first, second, seal, seal},
                                       {first, second, seal, {0}}}) {
    EXPECT_FALSE(decode(wrong).ok());
  }
}

// Given heads that contradict themselves, then they are refused.
TEST(HostileBatch, HeadsAreConsistent) {
  const auto decoded = [](const BatchHead& head) {
    return decode_batch_head(BatchWriter(head).head()).ok();
  };
  EXPECT_TRUE(decoded(head_of()));
  EXPECT_TRUE(decoded(head_of(BatchKind::thinned)));
  BatchHead head = head_of(static_cast<BatchKind>(4));
  EXPECT_FALSE(decoded(head));
  head = head_of();
  head.sequence = 0;
  EXPECT_FALSE(decoded(head));
  head = head_of();
  head.opened = -1;
  EXPECT_FALSE(decoded(head));
  head = head_of();
  head.agent = std::string(kMaxNameBytes + 1, 'a');
  EXPECT_FALSE(decoded(head));
}

// Given a stand-in, then it covers its range and has no entries.
TEST(HostileBatch, StandInsHaveNoPages) {
  BatchHead head = head_of(BatchKind::stand_in);
  head.last = head.sequence + 41;
  head.why = "lost with a segment";
  Batch batch{.head = head, .entries = {}, .seal = {.watermark = kDay, .pages = 0}};
  const Result<Batch> read = decode_batch(encode_batch(batch));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->head, head);
  batch.entries = {Gap{1, 0, 10, 20, Cause::hang, ""}};
  EXPECT_EQ(error_of(decode_batch(encode_batch(batch))), "a stand-in with pages");
}

// Given entries whose free text is too long, then it is cut when written, and the batch decodes.
TEST(HostileBatch, LongWordsDoNotPoisonABatch) {
  const std::string words(3 * kMaxTextBytes, 'w');
  const Gap gap{1, 0, 10, 20, Cause::hang, words};
  const Definition metric{1, MetricDef{"m_total", "bytes", words, Kind::counter, 0, {}, {}}};
  ASSERT_TRUE(check_entry(gap).ok());
  ASSERT_TRUE(check_entry(metric).ok());
  const Result<Batch> read =
      decode_batch(encode_batch({.head = head_of(), .entries = {metric, gap}, .seal = {}}));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(std::get<Gap>(read->entries[1]).why, words.substr(0, kMaxTextBytes));
}

// Given values that jump anywhere in 64 bits, and epochs named twice in a poll, then all come back.
TEST(HostileBatch, WrapsAreDefined) {
  Poll a;
  a.instance = 3;
  a.values = {{5, ~std::uint64_t{0}, 7}, {5, 0, 0}, {6, 1, 0}, {~std::uint64_t{0}, 9, 0}};
  Poll b = a;
  b.values = {{5, 1, 0}, {6, std::uint64_t{1} << 63U, 0}, {6, 2, 0}, {7, 3, kMaxTime - 1}};
  b.scheduled = kMaxTime - 1;
  Poll c = b;
  c.scheduled = c.wall = c.boot = 0;
  for (Value& value : c.values) value.value = ~value.value;
  const std::vector<Entry> entries{a, b, c, a};
  const Result<Batch> read =
      decode_batch(encode_batch({.head = head_of(), .entries = entries, .seal = {}}));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->entries, entries);
}

}  // namespace
}  // namespace tallyman::wire
