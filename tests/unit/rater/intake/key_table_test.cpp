#include "rater/intake/key_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "app/key.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;

const Decision kBy{"alice", "asked its owner"};

class Keys : public ::testing::Test {
 protected:
  void open() {
    keys.reset();
    intake.reset();
    ledger.reset();
    ledger = *Ledger::open(folder.file("ledger.db"), clock);
    intake = *Intake::open(*ledger, clock);
    keys = *KeyTable::open(*ledger, *intake, clock);
  }
  void SetUp() override { open(); }
  static std::string fresh() { return app::new_key_pair().public_key; }
  std::int64_t rows(const std::string& table) {
    auto row = ledger->database().prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(row.step().ok());
    return row.integer(0);
  }
  std::int64_t changes() {
    auto row = ledger->database().prepare("SELECT total_changes()");
    EXPECT_TRUE(row.step().ok());
    return row.integer(0);
  }

  FakeClock clock{kNoon, kHour};
  testing::TempFolder folder;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<KeyTable> keys;
  const std::string mine = fresh(), yours = fresh();
};

// Given a key that nobody knows, then it waits; approved by its agent's id it may send as that
// agent and as no other; revoked it may not; and all of that outlives a restart, with who and why.
TEST_F(Keys, ALife) {
  EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::pending);
  EXPECT_FALSE(keys->allowed(mine, "stor-01"));
  ASSERT_EQ(keys->pending().size(), 1U);
  clock.advance(kMinute);
  const auto approved = keys->approve("stor-01", "", kBy);
  ASSERT_TRUE(approved.ok()) << approved.error().text();
  EXPECT_EQ(approved->key, mine);
  EXPECT_EQ(approved->first_seen, kNoon);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::approved);
    EXPECT_EQ(keys->hello(mine, "stor-02"), Standing::other_agent);
    EXPECT_TRUE(keys->allowed(mine, "stor-01"));
    EXPECT_FALSE(keys->allowed(mine, "stor-02"));
    EXPECT_TRUE(keys->pending().empty());
    EXPECT_EQ(keys->list().at(0).why, kBy.why);
    EXPECT_EQ(keys->list().at(0).decided, kNoon + kMinute);
    open();
  }
  ASSERT_TRUE(keys->revoke("stor-01", {"bob", "stolen"}).ok());
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::revoked);
    EXPECT_FALSE(keys->allowed(mine, "stor-01"));
    EXPECT_EQ(keys->list().at(0).who, "bob");
    open();
  }
  EXPECT_EQ(rows("audit"), 2);
  const auto by_id = keys->approve("stor-01", "", kBy);
  ASSERT_FALSE(by_id.ok());
  EXPECT_NE(by_id.error().text().find("one is revoked; name the key: '" + mine), std::string::npos);
  ASSERT_TRUE(keys->approve(mine, "", kBy).ok());
  EXPECT_TRUE(keys->allowed(mine, "stor-01"));
}

// Given a flood of keys, then a bounded number waits, the ledger is not written to, and a key that
// keeps saying hello is still there.
TEST_F(Keys, AFloodWritesNothing) {
  const std::int64_t before = changes();
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string key = "k" + std::to_string(random());
    key.resize(app::kKeyText, '0');
    clock.advance(kMillisecond);
    EXPECT_EQ(keys->hello(key, "stor-" + std::to_string(i)), Standing::pending);
    if (i % 50 == 0) {
      EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::pending);
    }
    EXPECT_LE(keys->list().size(), kMaxPending);
  }
  EXPECT_EQ(changes(), before);
  EXPECT_TRUE(keys->approve(mine, "", kBy).ok());
}

// Given two keys in one agent's name, then the id alone approves neither, a key approves itself,
// and the other one is told to replace it.
TEST_F(Keys, AnIdOfTwoKeysIsNobody) {
  keys->hello(mine, "stor-01");
  keys->hello(yours, "stor-01");
  const auto neither = keys->approve("stor-01", "", kBy);
  ASSERT_FALSE(neither.ok());
  EXPECT_NE(neither.error().text().find("name the key"), std::string::npos);
  ASSERT_TRUE(keys->approve(mine, "", kBy).ok());
  const auto second = keys->approve(yours, "", kBy);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().text().find("agent replace stor-01 '" + yours), std::string::npos);
  EXPECT_FALSE(keys->approve(mine, "", kBy).ok()) << "already";
  EXPECT_FALSE(keys->approve("stor-99", "", kBy).ok());
  EXPECT_FALSE(keys->approve("no id", "", kBy).ok());
  EXPECT_FALSE(keys->approve("stor-01", "stor-02", kBy).ok());
}

// Given a key that has not come yet, then it can be approved for an id before it does, and for no
// id it cannot.
TEST_F(Keys, ApprovedBeforeItComes) {
  EXPECT_FALSE(keys->approve(mine, "", kBy).ok());
  EXPECT_FALSE(keys->approve(mine, "no id", kBy).ok());
  ASSERT_TRUE(keys->approve(mine, "stor-01", kBy).ok());
  EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::approved);
  EXPECT_EQ(keys->list().at(0).first_seen, kNoon);
}

// Given a rebuilt host, then its new key takes the old one's place, and its next hello is taken
// however old its token is; a key of another agent is not given away, and an unknown agent is none.
TEST_F(Keys, Replace) {
  keys->hello(mine, "stor-01");
  ASSERT_TRUE(keys->approve(mine, "", kBy).ok());
  {
    Transaction transaction(ledger->database());
    ASSERT_TRUE(intake->put_fence("stor-01", {9, 8}).ok());
    ASSERT_TRUE(transaction.commit().ok());
  }
  const auto replaced = keys->replace("stor-01", yours, kBy);
  ASSERT_TRUE(replaced.ok()) << replaced.error().text();
  EXPECT_EQ((*replaced)->key, yours);
  EXPECT_EQ(keys->hello(mine, "stor-01"), Standing::revoked);
  EXPECT_EQ(keys->hello(yours, "stor-01"), Standing::approved);
  EXPECT_EQ((*intake->fence("stor-01"))->issued, 9U);
  EXPECT_EQ((*intake->fence("stor-01"))->used, 0U);
  EXPECT_FALSE(keys->replace("stor-02", "", kBy).ok());
  EXPECT_FALSE(keys->replace("stor-02", yours, kBy).ok());
  EXPECT_FALSE(keys->replace("stor-01", "short", kBy).ok());
  // The same key again, for a host whose state was restored.
  ASSERT_TRUE(keys->replace("stor-01", yours, kBy).ok());
  ASSERT_TRUE(keys->replace("stor-01", "", kBy).ok());
  EXPECT_TRUE(keys->allowed(yours, "stor-01"));
}

// Given an agent that may move here, then that stands until its data came, over a restart.
TEST_F(Keys, Move) {
  EXPECT_FALSE(*keys->moving("stor-01"));
  ASSERT_TRUE(keys->move("stor-01", kBy).ok());
  open();
  EXPECT_TRUE(*keys->moving("stor-01"));
  EXPECT_EQ(keys->moves()->at(0).who, kBy.who);
  ASSERT_TRUE(keys->moved("stor-01").ok());
  EXPECT_FALSE(*keys->moving("stor-01"));
  EXPECT_TRUE(keys->moves()->empty());
  EXPECT_FALSE(keys->move("no id", kBy).ok());
}

// Given a ledger that cannot take a decision, then it is an error, and what was in force stays.
TEST_F(Keys, ADecisionThatIsNotStoredIsNone) {
  keys->hello(mine, "stor-01");
  ASSERT_TRUE(ledger->database().run("DROP TABLE audit").ok());
  EXPECT_FALSE(keys->approve(mine, "", kBy).ok());
  EXPECT_FALSE(keys->allowed(mine, "stor-01"));
  EXPECT_EQ(keys->pending().size(), 1U);
  EXPECT_FALSE(ledger->database().in_transaction());
  EXPECT_EQ(rows("agent_key"), 0);
}

// Given random decisions on a few keys and agents, then at every moment an agent has at most one
// approved key, a key at most one agent, and a restart changes nothing.
TEST_F(Keys, NoTwoKeysEverHoldOneId) {
  std::mt19937 random(7);
  std::vector<std::string> some;
  for (int i = 0; i < 5; ++i) some.push_back(fresh());
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string& key = some[random() % some.size()];
    const std::string agent = "stor-0" + std::to_string(random() % 3);
    switch (random() % 6) {
      case 0:
        keys->hello(key, agent);
        break;
      case 1:
        done += keys->approve(random() % 2 == 0 ? key : agent, "", kBy).ok();
        break;
      case 2:
        done += keys->approve(key, agent, kBy).ok();
        break;
      case 3:
        done += keys->revoke(random() % 2 == 0 ? key : agent, kBy).ok();
        break;
      case 4:
        done += keys->replace(agent, key, kBy).ok();
        break;
      default:
        if (random() % 10 == 0) open();
    }
    std::set<std::string> agents;
    for (const AgentKey& row : keys->list()) {
      if (row.state != KeyState::approved) continue;
      EXPECT_TRUE(agents.insert(row.agent).second) << "two keys for " << row.agent;
      EXPECT_TRUE(keys->allowed(row.key, row.agent));
    }
  }
  EXPECT_GT(done, 100);
}

}  // namespace
}  // namespace tallyman::rater
