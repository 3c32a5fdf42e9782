// Given slots added to views in any order, then the ledger's chunks hold what a map of sums does,
// each slot in one place.

#include "rater/slots/slot_tables.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "rater/slots/slot_codec.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kLength = 5 * kMinute;

class SlotTablesTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Database> made() {
    auto db = *Database::open(":memory:");
    EXPECT_TRUE(db->run(kSlotTables).ok());
    EXPECT_TRUE(db->run("CREATE TABLE usage_slot_length(slot INTEGER NOT NULL)").ok());
    EXPECT_TRUE(
        db->run("INSERT INTO usage_slot_length VALUES(" + std::to_string(kLength) + ")").ok());
    return db;
  }
  std::vector<std::string> found() {
    std::vector<std::string> out;
    const Status done = verify_slots(*db_, [&](const char* table, const std::string& what) {
      out.push_back(std::string(table) + ": " + what);
    });
    EXPECT_TRUE(done.ok());
    return out;
  }
  std::int64_t count(const std::string& table) {
    auto query = db_->prepare("SELECT COUNT(*) FROM " + table);
    EXPECT_TRUE(query.step().ok());
    return query.integer(0);
  }

  std::unique_ptr<Database> db_ = made();
  SlotTables tables_{*db_, kLength};
};

TEST_F(SlotTablesTest, HoldSumsWhateverTheOrder) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    std::map<std::int64_t, SlotArray> expected;  // by view, over all
    std::int64_t now = 5'000'000 - (seed % 2 == 0 ? 0 : 5'010'000);
    for (int round = 0; round < 60; ++round) {
      const auto view = static_cast<std::int64_t>(seed * 10 + random() % 3);
      now += static_cast<std::int64_t>(random() % (random() % 10 == 0 ? 3000 : 30));
      std::vector<SlotUsage> usage;
      for (std::size_t n = random() % 20; n > 0; --n) {
        const auto back = static_cast<std::int64_t>(random() % (random() % 6 == 0 ? 12'000 : 100));
        usage.push_back({.slot = now - back, .amount = random() % 5000, .covered = 1});
        if (random() % 5 == 0) usage.back() = {.slot = now - back};
      }
      ASSERT_TRUE(tables_.add(view, usage).ok());
      for (const SlotUsage& each : usage) {
        expected.try_emplace(view, kLength).first->second.add(each);
      }
    }
    for (const auto& [view, slots] : expected) {
      const auto all = tables_.read(view, slots.first(), slots.end());
      ASSERT_TRUE(all.ok());
      EXPECT_TRUE(all->trimmed() == slots.trimmed());
      const auto from = slots.first() + static_cast<std::int64_t>(random() % slots.size());
      const auto to = from + static_cast<std::int64_t>(random() % 9000);
      EXPECT_TRUE(tables_.read(view, from, to)->trimmed() == slots.part(from, to));
    }
    EXPECT_TRUE(found().empty());
  }
}

// Given the same usage in one step or in many, then the tables hold the same bytes.
TEST_F(SlotTablesTest, AreTheSameHoweverManyStepsItTook) {
  const auto db = made();
  SlotTables at_once(*db, kLength);
  std::vector<SlotUsage> usage;
  std::vector<SlotUsage> step;
  for (std::int64_t slot = 5'000'000; slot < 5'012'345; ++slot) {
    step.push_back({.slot = slot, .amount = static_cast<u128>(slot % 77), .covered = kLength});
    usage.push_back(step.back());
    if (step.size() < 100 && slot != 5'012'344) continue;
    ASSERT_TRUE(tables_.add(7, step).ok());
    step.clear();
  }
  ASSERT_TRUE(at_once.add(7, usage).ok());
  const auto bytes = [](Database& from, const char* sql) {
    std::vector<Bytes> out;
    auto rows = from.prepare(sql);
    while (*rows.step()) out.push_back(rows.blob(0));
    return out;
  };
  for (const char* sql : {"SELECT slots FROM usage_recent", "SELECT slots FROM usage_slots"}) {
    EXPECT_EQ(bytes(*db_, sql), bytes(*db, sql));
  }
}

// Given usage slot by slot, then few slots are recent, a month takes a few rows, and views do not
// move theirs at the same slot.
TEST_F(SlotTablesTest, FewSlotsAreRecent) {
  std::map<std::int64_t, int> moved;
  for (std::int64_t view = 1; view <= 300; ++view) {
    for (std::int64_t slot = 5'000'000; slot < 5'000'600; ++slot) {
      const std::int64_t from = recent_from(view, slot);
      const std::int64_t held = slot + 1 - from;
      EXPECT_TRUE(held >= kRecentSlots && held < kRecentSlots + kRecentStep);
      if (from != recent_from(view, slot - 1)) ++moved[slot];
    }
  }
  for (const auto& [slot, views] : moved) EXPECT_LE(views, 2) << slot;
  for (std::int64_t slot = 5'000'000; slot < 5'008'928; slot += 12) {
    std::vector<SlotUsage> usage;
    for (std::int64_t i = 0; i < 12; ++i) usage.push_back({.slot = slot + i, .amount = 9});
    ASSERT_TRUE(tables_.add(1, usage).ok());
  }
  EXPECT_EQ(count("usage_recent"), 1);
  EXPECT_LE(count("usage_slots"), 3);
}

// Given chunks that are damaged, in the wrong place or gone, then the check names each.
TEST_F(SlotTablesTest, TheCheckNamesWhatIsDamaged) {
  std::vector<SlotUsage> usage;
  for (std::int64_t slot = 5'000'000; slot < 5'012'000; ++slot) {
    usage.push_back({.slot = slot, .amount = 3});
  }
  for (std::int64_t view = 1; view <= 4; ++view) ASSERT_TRUE(tables_.add(view, usage).ok());
  EXPECT_TRUE(found().empty());
  ASSERT_TRUE(db_->run("UPDATE usage_recent SET slots = x'00112233' WHERE view = 1").ok());
  ASSERT_TRUE(db_->run("UPDATE usage_slots SET chunk = chunk + 100 WHERE view = 2").ok());
  ASSERT_TRUE(db_->run("DELETE FROM usage_recent WHERE view = 3").ok());
  ASSERT_TRUE(db_->run("UPDATE usage_slots SET slots = (SELECT slots FROM usage_recent WHERE"
                       " view = 4) WHERE view = 4")
                  .ok());
  const auto told = found();
  const auto about = [&](const char* view) {
    return std::count_if(told.begin(), told.end(), [&](const std::string& text) {
      return text.find(view) != std::string::npos;
    });
  };
  EXPECT_EQ(about("view 1:"), 1);
  EXPECT_GE(about("view 2:"), 1);
  EXPECT_EQ(about("view 3:"), 1);
  EXPECT_GE(about("view 4:"), 1);
}

}  // namespace
}  // namespace tallyman::rater
