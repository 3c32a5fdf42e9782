// Given an import, then the audit log has it once, with the first of its blocks that the ledger
// keeps, however often the file is imported and wherever it was cut short.

#include "rater/decisions/import_entry.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/sha256.hpp"
#include "rater/import_blocks.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"
#include "wire/reading_json.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::TempFolder;

constexpr std::uint64_t kReadings = 3500;

class ImportEntryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = *Ledger::open(":memory:", clock_);
    intake_ = *Intake::open(*ledger_, clock_);
    log_.emplace(*AuditLog::open(*ledger_));
    write(1);
  }
  /// Readings of one agent, the last line without an end.
  void write(std::uint64_t step) {
    std::ofstream out(file_, std::ios::binary);
    for (std::uint64_t n = 0; n < kReadings; ++n) {
      wire::ReadingLine line;
      line.agent = "old-01";
      line.plugin = line.instance = "netif";
      line.source = "host:old-01";
      line.metric = "netif_transmit_bytes_total";
      line.unit = "bytes";
      line.labels = {{"ifindex", "3"}};
      line.epoch = 7;
      line.value = n * step;
      line.time = kNoon + static_cast<Ns>(n) * 10 * kSecond;
      out << to_json_line(line) << (n + 1 < kReadings ? "\n" : "");
    }
  }
  /// Its first blocks, at most so many, by one user; how many of them the ledger had.
  std::uint64_t import(const std::string& user, std::uint64_t blocks = 1000,
                       const std::string& agent = "") {
    auto looked = look_through(file_, agent, ImportKind::readings, clock_.wall(), {});
    EXPECT_TRUE(looked.ok() && looked->done.errors == 0);
    ImportContent content;
    content.file = file_;
    content.agent = agent;
    content.kind = "readings";
    ImportEntry entry(*log_, {user, "the old disk", 1000});
    ImportBlocks made(*intake_, std::move(*looked), content, [&](const ImportContent& what) {
      ++noted_;
      if (fail_) return Status(Error{"no room", "disk", ""});
      return entry.note(what, clock_.wall());
    });
    Result<bool> more = true;
    for (; more.ok() && *more && blocks > 0; --blocks) more = made.step();
    failed_ = !more.ok();
    clock_.advance(kMinute);
    return made.done().held;
  }
  std::vector<AuditEntry> entries() { return *log_->entries(0, 100, kImport); }
  std::uint64_t batches() {
    std::uint64_t sum = 0;
    for (const Stream& stream : *intake_->streams()) sum += stream.batches;
    return sum;
  }

  TempFolder folder_;
  const std::string file_ = folder_.file("readings.jsonl");
  FakeClock clock_{kNoon + 30 * kDay, kHour};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Intake> intake_;
  std::optional<AuditLog> log_;
  std::uint64_t noted_ = 0;
  bool fail_ = false, failed_ = false;
};

// Given a whole import, then its entry tells who, when, why, which file and what was in it, and
// the file imported again, by whomever, is no decision.
TEST_F(ImportEntryTest, TellsTheImportOnce) {
  EXPECT_EQ(import("ann"), 0U);
  EXPECT_EQ(noted_, 1U);
  EXPECT_EQ(import("bob"), batches());
  ASSERT_EQ(entries().size(), 1U);
  const AuditEntry entry = entries().front();
  EXPECT_EQ(entry.user, "ann");
  EXPECT_EQ(entry.why, "the old disk");
  EXPECT_EQ(entry.at, kNoon + 30 * kDay);
  const auto what = nlohmann::json::parse(entry.what);
  EXPECT_EQ(what["file"], file_);
  EXPECT_EQ(what["kind"], "readings");
  EXPECT_EQ(what["lines"], kReadings);
  EXPECT_EQ(what["readings"], kReadings);
  EXPECT_EQ(what["agents"], 1);
  EXPECT_EQ(what["stream"], to_hex(intake_->streams()->front().incarnation));
  std::ifstream in(file_, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  Sha256 sha256;
  sha256.add(bytes);
  EXPECT_EQ(what["sha256"], to_hex(sha256.finish()));
}

// Given an import that was cut short, when somebody goes on with it, then the first one's entry
// stands alone; and of one that was cut short before it had an entry, who goes on has it.
TEST_F(ImportEntryTest, GoesOnWithTheFirstOnesEntry) {
  import("ann", 2);
  EXPECT_EQ(entries().size(), 1U);
  EXPECT_EQ(import("bob"), 2U);
  ASSERT_EQ(entries().size(), 1U);
  EXPECT_EQ(entries().front().user, "ann");

  write(3);
  auto looked = look_through(file_, "", ImportKind::readings, clock_.wall(), {});
  ASSERT_TRUE(looked.ok());
  ImportBlocks unnoted(*intake_, std::move(*looked));  // as older raters did
  ASSERT_TRUE(*unnoted.step());
  EXPECT_EQ(import("cyd"), 1U);
  ASSERT_EQ(entries().size(), 2U);
  EXPECT_EQ(entries().back().user, "cyd");
}

// Given a file with other content, or for another agent, then it is another import.
TEST_F(ImportEntryTest, TellsImportsApart) {
  import("ann");
  write(2);
  import("ann");
  EXPECT_EQ(entries().size(), 2U);
  import("ann", 1000, "new-name");
  ASSERT_EQ(entries().size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(entries().back().what)["agent"], "new-name");
  EXPECT_EQ(nlohmann::json::parse(entries().front().what)["agent"], "");
}

// Given a log that cannot take the entry, then the block is not kept either; when it can again, the
// import comes in whole, with its entry.
TEST_F(ImportEntryTest, NoBlockWithoutItsEntry) {
  fail_ = true;
  import("ann");
  EXPECT_TRUE(failed_);
  EXPECT_EQ(batches(), 0U);
  EXPECT_TRUE(entries().empty());
  fail_ = false;
  EXPECT_EQ(import("ann"), 0U);
  EXPECT_EQ(entries().size(), 1U);
  EXPECT_EQ(batches(), 4U);
}

// Given the examples of the standard, then SHA-256 gives what it says, in one piece or in several.
TEST(Sha256, GivesWhatTheStandardSays) {
  Sha256 none, whole, parts;
  EXPECT_EQ(to_hex(none.finish()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  whole.add("abc");
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(to_hex(whole.finish()), abc);
  parts.add("a");
  parts.add("bc");
  EXPECT_EQ(to_hex(parts.finish()), abc);
}

}  // namespace
}  // namespace tallyman::rater
