// The usage store's tables, brought up from the version before.

#include <gtest/gtest.h>

#include <random>

#include "older_usage.hpp"
#include "rater/derive/usage_store.hpp"
#include "stream_maker.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;
using testing::kWordyAnomalies;
using testing::StreamMaker;

// Given anomalies whose causes are told by their words alone, then each has its cause, and its
// words as they were.
TEST(UsageStoreUpgrade, NamesTheCausesOfAnomalies) {
  FakeClock clock(kNoon + 40 * kDay, kHour);
  const auto ledger = *Ledger::open(":memory:", clock);
  const auto intake = *Intake::open(*ledger, clock);
  auto store = *UsageStore::open(*ledger, *intake, 5 * kMinute);
  StreamMaker maker;
  ASSERT_TRUE(intake->commit_batch("stor-01", maker.life(), maker.next(100).bytes).ok());
  ASSERT_FALSE(store->advance(100)->more);
  Database& db = ledger->database();
  ASSERT_TRUE(db.run(kWordyAnomalies).ok());
  ASSERT_TRUE(db.run("UPDATE part SET version = 5 WHERE name = 'usage'").ok());
  const std::vector<std::string> words{"more than the line can carry in this time",
                                       "more than there is room for",
                                       "lies in a time whose ended counters are forgotten",
                                       "two values of one counter at one instant"};
  auto insert = db.prepare(
      "INSERT INTO usage_anomaly(view, from_ns, to_ns, value, why) VALUES(1, ?, ?, ?, ?)");
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Ns from = kNoon + static_cast<Ns>(i) * kMinute;
    insert.bind(1, from).bind(2, from + kMinute).bind(3, u128{7}).bind(4, words[i]);
    ASSERT_TRUE(insert.done().ok());
  }
  store = *UsageStore::open(*ledger, *intake, 5 * kMinute);
  const auto kept = *store->anomalies(0, wire::kMaxTime);
  ASSERT_EQ(kept.size(), words.size());
  const std::vector causes{AnomalyCause::speed, AnomalyCause::room, AnomalyCause::forgotten,
                           AnomalyCause::disputed};
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(kept[i].why, words[i]);
    EXPECT_EQ(kept[i].cause, causes[i]);
  }
}

// Given an anomaly in words that are not known, when the ledger is upgraded, then it says so and
// keeps them.
TEST(UsageStoreUpgrade, LosesNoWordsThatAreNotKnown) {
  FakeClock clock(kNoon, kHour);
  const auto ledger = *Ledger::open(":memory:", clock);
  const auto intake = *Intake::open(*ledger, clock);
  ASSERT_TRUE(UsageStore::open(*ledger, *intake, 5 * kMinute).ok());
  Database& db = ledger->database();
  ASSERT_TRUE(db.run(kWordyAnomalies).ok());
  ASSERT_TRUE(db.run("INSERT INTO usage_view VALUES(1, x'00', 'stor-01', 'm', 1, 0, 0);"
                     "INSERT INTO usage_anomaly(view, from_ns, to_ns, value, why)"
                     " VALUES(1, 0, 9, zeroblob(16), 'a bad hair day');"
                     "UPDATE part SET version = 5 WHERE name = 'usage'")
                  .ok());
  const auto refused = UsageStore::open(*ledger, *intake, 5 * kMinute);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("a bad hair day"), std::string::npos);
  auto why = db.prepare("SELECT why FROM usage_anomaly");
  ASSERT_TRUE(*why.step());
  EXPECT_EQ(why.text(0), "a bad hair day");
}

// Given a ledger whose slots are rows, as the version before kept them, when it is opened, then its
// chunks hold the same slots, and derivation goes on where it was.
TEST(UsageStoreUpgrade, PacksTheRowsOfTheVersionBefore) {
  FakeClock clock(kNoon + 40 * kDay, kHour);
  const auto ledger = *Ledger::open(":memory:", clock);
  const auto intake = *Intake::open(*ledger, clock);
  auto store = *UsageStore::open(*ledger, *intake, 5 * kMinute);
  StreamMaker maker;
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(intake->commit_batch("stor-01", maker.life(), maker.next(i * 100).bytes).ok());
  }
  ASSERT_FALSE(store->advance(100)->more);
  Database& db = ledger->database();
  ASSERT_TRUE(db.run(kWordyAnomalies).ok());
  ASSERT_TRUE(db.run("DROP TABLE usage_recent; DROP TABLE usage_slots;"
                     "UPDATE part SET version = 2 WHERE name = 'usage';"
                     "CREATE TABLE usage_slot(view INTEGER NOT NULL, slot INTEGER NOT NULL,"
                     " amount BLOB NOT NULL, covered INTEGER NOT NULL, estimated INTEGER NOT NULL,"
                     " peak INTEGER NOT NULL, PRIMARY KEY(view, slot)) WITHOUT ROWID")
                  .ok());
  std::mt19937_64 random(3);
  std::vector<SlotUsage> rows;
  auto insert = db.prepare("INSERT INTO usage_slot VALUES(1, ?, ?, ?, ?, ?)");
  for (std::int64_t slot = kNoon / (5 * kMinute); rows.size() < 9000;
       slot += random() % 50 ? 1 : 9) {
    rows.push_back({slot, u128{random()} << random() % 60, static_cast<Ns>(random() % kMinute),
                    static_cast<Ns>(random() % kMinute), random()});
    const SlotUsage& row = rows.back();
    insert.bind(1, row.slot).bind(2, row.amount).bind(3, row.covered).bind(4, row.estimated);
    ASSERT_TRUE(insert.bind_u64(5, row.peak).done().ok());
  }
  store = *UsageStore::open(*ledger, *intake, 5 * kMinute);
  const auto usage =
      *store->slots(std::vector<std::string>{"netif_transmit_bytes_total"}, 0, wire::kMaxTime);
  ASSERT_EQ(usage.size(), 1U);
  ASSERT_EQ(usage[0].slots.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SlotUsage &a = usage[0].slots[i], &b = rows[i];
    EXPECT_TRUE(a.slot == b.slot && a.amount == b.amount && a.covered == b.covered &&
                a.estimated == b.estimated && a.peak == b.peak)
        << i;
  }
  EXPECT_FALSE(db.run("SELECT * FROM usage_slot").ok());
  EXPECT_EQ(store->marks()->at(0).sequence, 10U);
}

}  // namespace
}  // namespace tallyman::rater
