// An import cut short anywhere, then done again, leaves the same ledger as one that was not.

#include "rater/import_blocks.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "stream_maker.hpp"
#include "temp_folder.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::TempFolder;

/// Everything that an import put into a ledger.
struct Held {
  std::vector<std::string> streams;
  std::vector<Bytes> batches;
  friend bool operator==(const Held&, const Held&) = default;
};

class ImportBlocksTest : public ::testing::Test {
 protected:
  void open(const std::string& ledger) {
    intake_.reset();
    ledger_.reset();
    ledger_ = *Ledger::open(folder_.file(ledger), clock_);
    intake_ = *Intake::open(*ledger_, clock_);
  }
  /// Readings and gaps of several agents, in no order.
  std::string random_file() {
    std::vector<std::string> lines;
    for (int n = 0; n < 5200; ++n) {
      const std::string agent = "old-" + std::to_string(random_() % 3);
      const Ns time = kNoon + static_cast<Ns>(random_() % 100'000) * kSecond;
      if (random_() % 20 == 0) {
        wire::GapLine gap;
        gap.agent = agent;
        gap.plugin = gap.instance = "netif";
        gap.from = time;
        gap.to = time + kMinute;
        gap.gap = "hang: " + std::to_string(n);
        lines.push_back(to_json_line(gap));
        continue;
      }
      wire::ReadingLine line;
      line.agent = agent;
      line.plugin = line.instance = "netif";
      line.source = "host:" + agent;
      line.metric = "netif_transmit_bytes_total";
      line.unit = "bytes";
      line.labels = {{"ifindex", std::to_string(random_() % 7)}};
      line.epoch = 1 + random_() % 3;
      line.value = static_cast<std::uint64_t>(time / kSecond);
      line.time = time;
      lines.push_back(to_json_line(line));
    }
    const std::string file = folder_.file("readings.jsonl");
    std::ofstream out(file, std::ios::binary);
    for (const std::string& line : lines) out << line << "\n";
    return file;
  }
  LookedThrough look(const std::string& file) {
    auto looked = look_through(file, "", ImportKind::readings, clock_.wall(), {});
    EXPECT_TRUE(looked.ok()) << looked.error().text();
    EXPECT_EQ(looked->done.errors, 0U);
    return std::move(*looked);
  }
  Held held() {
    Held out;
    for (const Stream& stream : *intake_->streams()) {
      out.streams.push_back(stream.agent + to_hex(stream.incarnation));
      for (const StoredBatch& batch : *intake_->batches_after(stream.id, 0, 1000)) {
        out.batches.push_back(batch.bytes);
      }
    }
    return out;
  }

  TempFolder folder_;
  FakeClock clock_{kNoon + 30 * kDay, kHour};
  std::mt19937 random_{20261123};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
};

// Given an import that is cut off after each of its blocks in turn, when the same file is imported
// again, then what was held is found, and the ledger is that of one import in one go.
TEST_F(ImportBlocksTest, GoesOnWhereItWasCutOff) {
  const std::string file = random_file();
  open("whole");
  const auto whole = import_readings(*intake_, file, "", {});
  ASSERT_TRUE(whole.ok()) << whole.error().text();
  ASSERT_GE(whole->batches, 6U);
  EXPECT_EQ(whole->agents, 3U);
  const Held expected = held();
  for (std::uint64_t cut = 0; cut < whole->batches; ++cut) {
    open("cut-" + std::to_string(cut));
    {
      ImportBlocks blocks(*intake_, look(file));
      for (std::uint64_t n = 0; n < cut; ++n) ASSERT_TRUE(*blocks.step());
      EXPECT_EQ(blocks.done().batches, cut);
      EXPECT_LT(blocks.committed(), whole->readings);
    }
    open("cut-" + std::to_string(cut));
    ImportBlocks blocks(*intake_, look(file));
    Result<bool> more = true;
    while (*more) {
      more = blocks.step();
      ASSERT_TRUE(more.ok()) << more.error().text();
    }
    EXPECT_EQ(blocks.done().held, cut);
    EXPECT_EQ(blocks.done().batches, whole->batches);
    EXPECT_EQ(blocks.done().readings, whole->readings);
    EXPECT_EQ(blocks.committed(), whole->readings);
    EXPECT_TRUE(held() == expected) << cut;
  }
}

// Given somebody who wants a file looked through no more, then that ends with an error.
TEST_F(ImportBlocksTest, LookingCanBeGivenUp) {
  const std::string file = random_file();
  std::vector<std::uint64_t> told;
  const auto progress = [&](std::uint64_t bytes) {
    told.push_back(bytes);
    return told.size() < 3;
  };
  const auto looked = look_through(file, "", ImportKind::readings, clock_.wall(), {}, progress);
  EXPECT_FALSE(looked.ok());
  ASSERT_EQ(told.size(), 3U);
  EXPECT_LT(told[0], told[1]);
  EXPECT_LT(told[1], told[2]);
}

// Given a file whose last line has no end, then its bytes are counted to the last one.
TEST_F(ImportBlocksTest, CountsBytes) {
  const std::string file = folder_.file("blank.jsonl");
  std::ofstream(file, std::ios::binary) << std::string(1000, '\n') << "   ";
  std::uint64_t last = 0;
  const auto looked =
      look_through(file, "", ImportKind::readings, clock_.wall(), {}, [&](std::uint64_t bytes) {
        last = bytes;
        return true;
      });
  ASSERT_TRUE(looked.ok());
  EXPECT_EQ(looked->done.lines, 1001U);
  EXPECT_EQ(last, 1003U);
}

}  // namespace
}  // namespace tallyman::rater
