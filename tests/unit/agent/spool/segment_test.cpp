#include "agent/spool/segment.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "spool_fixture.hpp"

namespace tallyman::agent {
namespace {

std::string newest_segment(FakeFiles& files) {
  std::string found;
  for (const auto& path : files.paths()) {
    if (path.starts_with("/spool/segment-")) found = path;
  }
  return found;
}

/// A spool of two segments' worth of batches of two polls each.
void fill(SpoolBench& bench, std::uint64_t polls) {
  for (std::uint64_t i = 1; i <= polls; ++i) {
    ASSERT_TRUE(bench.append(i).ok());
    if (i % 2 == 0) {
      ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    }
    ASSERT_TRUE(bench.sync());
  }
}

/// Values of all batches; `gone`, when given, counts sequence numbers that stand in.
std::vector<std::uint64_t> values_in(Spool& spool, std::uint64_t* gone = nullptr) {
  std::vector<std::uint64_t> out;
  for (const auto& batch : drain(spool, 0, kNoHash)) {
    for (const auto v : values_of(batch.bytes)) out.push_back(v);
    if (gone != nullptr && wire::decode_batch_head(batch.bytes)->kind != wire::BatchKind::normal)
      *gone += batch.last - batch.sequence + 1;
  }
  return out;
}

// Given a header, then it is read back; a newer one is known as such, a damaged one as damaged.
TEST(Segment, Header) {
  SegmentHeader header;
  header.agent = "stor-01";
  header.incarnation = {1, 2, 3};
  header.first = 77;
  header.highest = 12;
  header.ledger = 5;
  header.token = 6;
  Bytes preamble;
  append_covered(preamble, "netif", 99);
  const Bytes bytes = encode_segment_start(header, preamble);
  const auto scan = scan_segment_header(bytes);
  ASSERT_EQ(scan.state, HeaderState::whole);
  EXPECT_EQ(scan.header.agent, "stor-01");
  EXPECT_EQ(scan.header.first, 77U);
  EXPECT_EQ(scan.header.token, 6U);
  EXPECT_EQ(scan.header.preamble_bytes, preamble.size());
  header.version = 2;
  EXPECT_EQ(scan_segment_header(encode_segment_start(header, preamble)).state, HeaderState::newer);
  for (std::size_t i = 0; i < scan.size; ++i) {
    Bytes bad = bytes;
    bad[i] ^= 1U;
    EXPECT_EQ(scan_segment_header(bad).state, HeaderState::damaged) << i;
    EXPECT_EQ(scan_segment_header(ByteView(bytes).first(i)).state, HeaderState::damaged) << i;
  }
}

// Given a spool written by a newer version, then it is refused and nothing of it changes.
TEST(Segment, NewerVersionIsRefused) {
  SpoolBench bench;
  ASSERT_TRUE(bench.open());
  bench.spool.reset();
  SegmentHeader header;
  header.version = 9;
  const std::string path = newest_segment(*bench.files);
  const Bytes newer = encode_segment_start(header, {});
  *bench.files->bytes_of(path) = newer;
  const auto calls = bench.files->calls();
  EXPECT_FALSE(bench.open());
  EXPECT_NE(bench.error.find("newer"), std::string::npos);
  EXPECT_EQ(bench.files->calls(), calls);
  EXPECT_EQ(*bench.files->bytes_of(path), newer);
}

// Given a flip of any one bit of a spool's segments, then opening and reading work, the chain
// holds, at most one batch is touched, and no number of a definition is given out twice.
TEST(Segment, EveryBitFlip) {
  SpoolBench whole;
  whole.options.segment_bytes = 1100;
  ASSERT_TRUE(whole.open());
  fill(whole, 14);
  const auto all = values_in(*whole.spool);
  ASSERT_EQ(all.size(), 14U);
  const auto definitions = whole.spool->dictionary().from(1);
  whole.spool.reset();
  std::size_t touched = 0;
  for (const auto& path : whole.files->paths()) {
    if (!path.starts_with("/spool/segment-")) continue;
    const std::size_t bits = whole.files->bytes_of(path)->size() * 8;
    for (std::size_t bit = 0; bit < bits; bit += 3) {
      SpoolBench bench;
      bench.options = whole.options;
      bench.clock = whole.clock;
      bench.files = whole.files->after(Crash::process);
      (*bench.files->bytes_of(path))[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      ASSERT_TRUE(bench.open()) << bench.error;
      std::uint64_t gone = 0;
      const auto found = values_in(*bench.spool, &gone);
      ASSERT_TRUE(std::includes(all.begin(), all.end(), found.begin(), found.end()));
      ASSERT_GE(found.size() + 2, all.size())
          << path << " bit " << bit << " " << testing::PrintToString(found)
          << testing::PrintToString(bench.spool->recovery().notes);
      ASSERT_LE(gone, 1U);
      if (found.size() < all.size()) {
        ++touched;
        ASSERT_FALSE(bench.spool->recovery().notes.empty());
      }
      for (const auto& definition : definitions) {
        const auto* body = bench.spool->dictionary().find(definition.number);
        ASSERT_TRUE(body == nullptr || *body == definition.body);
      }
      const auto fresh =
          bench.spool->dictionary().intern(wire::SourceDef{wire::Scope::host, "host:stor-01/new"});
      ASSERT_GT(fresh, definitions.back().number);
    }
  }
  EXPECT_GT(touched, 1000U);
}

// Given a batch that rots while the spool is in use, then it alone is replaced, its definitions and
// what was saved of it travel in its place, and the rest follows unchanged.
TEST(Segment, RotWhileInUse) {
  for (const std::uint64_t segment_bytes : {1100U, 1U << 20U}) {
    SpoolBench bench;
    bench.options.segment_bytes = segment_bytes;
    ASSERT_TRUE(bench.open());
    fill(bench, 14);
    const auto before = drain(*bench.spool, 0, kNoHash);
    ASSERT_EQ(before.size(), 7U);
    ASSERT_TRUE(bench.append(15).ok());
    for (const auto& path : bench.files->paths()) {
      Bytes& bytes = *bench.files->bytes_of(path);
      const auto at = std::search(bytes.begin(), bytes.end(), before[2].bytes.end() - 30,
                                  before[2].bytes.end());
      if (at != bytes.end()) *at ^= 0xffU;
    }
    const auto after = drain(*bench.spool, 0, kNoHash);
    ASSERT_EQ(after.size(), 7U);
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(after[i].bytes == before[i].bytes, i != 2);
      EXPECT_EQ(after[i].hash, before[i].hash);
    }
    EXPECT_NE(wire::decode_batch_head(after[2].bytes)->kind, wire::BatchKind::normal);
    EXPECT_FALSE(bench.spool->recovery().notes.empty());
    const auto hash = after[2].hash;
    ASSERT_TRUE(bench.open()) << bench.error;
    const auto again = drain(*bench.spool, 0, kNoHash);
    ASSERT_EQ(again.size(), 8U);
    EXPECT_EQ(again[2].bytes, after[2].bytes);
    EXPECT_EQ(again[2].hash, hash);
    EXPECT_EQ(values_of(again[7].bytes), std::vector<std::uint64_t>{15});
  }
}

// Given a segment file that is gone, then a stand-in names its range and the chain goes on.
TEST(Segment, MissingSegment) {
  for (const std::size_t which : {0U, 1U}) {
    SpoolBench bench;
    bench.options.segment_bytes = 1100;
    ASSERT_TRUE(bench.open());
    fill(bench, 30);
    ASSERT_TRUE(bench.spool->acknowledge(1).ok());
    bench.clock.advance(10 * kSecond);
    const auto hash = *bench.spool->hash_of_batch(1);
    bench.spool.reset();
    std::vector<std::string> segments;
    for (const auto& path : bench.files->paths()) {
      if (path.starts_with("/spool/segment-")) segments.push_back(path);
    }
    ASSERT_GT(segments.size(), 2U);
    ASSERT_TRUE(bench.files->remove(segments[which]).ok());
    ASSERT_TRUE(bench.open()) << bench.error;
    const auto left = drain(*bench.spool, 1, hash);
    ASSERT_FALSE(left.empty());
    EXPECT_EQ(left.back().last, 15U);
    const auto stand_ins = std::count_if(left.begin(), left.end(), [](const auto& batch) {
      return wire::decode_batch_head(batch.bytes)->kind == wire::BatchKind::stand_in;
    });
    EXPECT_EQ(stand_ins, 1);
  }
}

// Given random damage of every kind, then opening gives a working spool or an error, never a fault.
TEST(Segment, RandomDamage) {
  SpoolBench whole;
  whole.options.segment_bytes = 1100;
  ASSERT_TRUE(whole.open());
  fill(whole, 20);
  ASSERT_TRUE(whole.spool->acknowledge(3).ok());
  whole.spool.reset();
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    std::mt19937_64 random(seed);
    SpoolBench bench;
    bench.options = whole.options;
    bench.clock = whole.clock;
    bench.files = whole.files->after(Crash::process);
    const auto paths = bench.files->paths();
    for (std::uint64_t n = 1 + random() % 4; n > 0; --n) {
      Bytes& bytes = *bench.files->bytes_of(paths[random() % paths.size()]);
      const std::size_t from = bytes.empty() ? 0 : random() % bytes.size();
      const std::size_t size = std::min<std::size_t>(bytes.size() - from, random() % 200);
      const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(from);
      const auto end = at + static_cast<std::ptrdiff_t>(size);
      switch (random() % 4) {
        case 0:
          std::fill(at, end, std::uint8_t{0});
          break;
        case 1:
          bytes.erase(at, end);
          break;
        case 2:
          for (auto i = at; i != end; ++i) *i = static_cast<std::uint8_t>(random());
          break;
        default:
          bytes.resize(from);
          break;
      }
    }
    ASSERT_TRUE(bench.open()) << seed << ": " << bench.error;
    const std::uint64_t mark = bench.spool->stats().acknowledged;
    (void)drain(*bench.spool, mark, bench.spool->hash_of_batch(mark).value_or(kNoHash));
    ASSERT_TRUE(bench.append(999).ok());
    ASSERT_TRUE(bench.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(bench.sync());
    const auto last = bench.spool->next_after(bench.spool->stats().sealed - 1);
    ASSERT_TRUE(last.ok() && *last);
    ASSERT_EQ(values_of((*last)->bytes), std::vector<std::uint64_t>{999});
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tallyman::agent
