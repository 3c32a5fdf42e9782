// Given people's decisions, then they stand in a chain in which nothing can be changed, taken out
// or put in unseen; and without a reason, or apart from its effect, there is no decision.

#include "rater/decisions/audit_log.hpp"

#include <gtest/gtest.h>

#include <random>

#include "rater/decisions/retired_agents.hpp"
#include "rater/intake/intake.hpp"
#include "rater/intake/key_table.hpp"
#include "rater/ledger/ledger_verify.hpp"
#include "stream_maker.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using testing::kNoon;

class Audit : public ::testing::Test {
 protected:
  Audit() {
    ledger_ = *Ledger::open(path_, clock_);
    log_.emplace(*AuditLog::open(*ledger_));
  }
  Result<AuditMark> decide(const std::string& kind, const std::string& why) {
    Transaction transaction(ledger_->database());
    auto mark = log_->append(kind, R"({"a":1})", {"ann", why, 1000}, clock_.wall());
    if (mark) {
      EXPECT_TRUE(transaction.commit());
    }
    clock_.advance(kSecond);
    return mark;
  }
  void sql(const std::string& text) { ASSERT_TRUE(ledger_->database().run(text)) << text; }
  std::vector<std::int64_t> broken() {
    std::vector<std::int64_t> out;
    EXPECT_TRUE(verify_audit(ledger_->database(),
                             [&](std::int64_t n, const std::string&) { out.push_back(n); }));
    return out;
  }

  testing::TempFolder folder_;
  std::string path_ = folder_.file("ledger.db");
  FakeClock clock_{kNoon, kHour};
  std::unique_ptr<Ledger> ledger_;
  std::optional<AuditLog> log_;
};

/// Given decisions, then they come back in order, by kind, and after a number; and the head is
/// last.
TEST_F(Audit, KeepsTheOrder) {
  for (const char* kind : {"waive", "close", "waive"}) ASSERT_TRUE(decide(kind, "because"));
  const auto all = *log_->entries(0, 10);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].at, kNoon + 2 * kSecond);
  EXPECT_EQ(all[0].user, "ann");
  EXPECT_EQ(all[0].uid, 1000U);
  EXPECT_EQ(all[0].why, "because");
  EXPECT_EQ(log_->entries(1, 10)->size(), 2U);
  EXPECT_EQ(log_->entries(0, 10, "waive")->size(), 2U);
  EXPECT_EQ(log_->entries(0, 1)->size(), 1U);
  EXPECT_EQ(*log_->head(), all[2].mark);
  EXPECT_TRUE(broken().empty());
}

/// Given no reason, a blank one or an endless one, then there is no decision; nor without an
/// effect.
TEST_F(Audit, WantsAReasonAndATransaction) {
  for (const std::string& why : {std::string(), std::string(" \t\n"), std::string(1025, 'x')}) {
    EXPECT_FALSE(decide("waive", why));
  }
  EXPECT_FALSE(log_->append("waive", "{}", {"ann", "because"}, kNoon));
  EXPECT_EQ(log_->head()->n, 0);
}

/// Given any one field of any entry changed, an entry gone or one put in, then the chain tells
/// where.
TEST_F(Audit, TellsWhatWasTouched) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(decide("close", "because"));
  const auto expect = [&](const std::string& change, std::int64_t first) {
    sql("SAVEPOINT s; " + change);
    const auto found = broken();
    ASSERT_FALSE(found.empty()) << change;
    EXPECT_EQ(found.front(), first) << change;
    sql("ROLLBACK TO s; RELEASE s");
  };
  for (const char* change :
       {"at = at + 1", "uid = 0", "user = 'bob'", "kind = 'clos'", "what = '{\"a\":2}'",
        "why = 'because '", "kind = 'closeb', what = '{}'"}) {
    expect(std::string("UPDATE audit SET ") + change + " WHERE n = 3", 3);
  }
  expect("UPDATE audit SET hash = zeroblob(32) WHERE n = 6", 6);
  expect("DELETE FROM audit WHERE n = 4", 5);
  expect("UPDATE audit SET n = n + 1 WHERE n = 6", 7);
  expect("INSERT INTO audit SELECT 7, at, uid, user, kind, what, why, hash FROM audit WHERE n = 6",
         7);
  EXPECT_TRUE(broken().empty());
}

/// Given random bytes in place of one of an entry's texts, then that entry is told.
TEST_F(Audit, RandomChanges) {
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(decide("waive", "reason " + std::to_string(i)));
  for (int i = 0; i < 200; ++i) {
    const auto n = static_cast<std::int64_t>(1 + random() % 20);
    sql("SAVEPOINT s; UPDATE audit SET why = why || char(" + std::to_string(1 + random() % 0xd000) +
        ") WHERE n = " + std::to_string(n));
    ASSERT_EQ(broken(), std::vector<std::int64_t>{n});
    sql("ROLLBACK TO s; RELEASE s");
  }
}

/// Given a ledger whose decisions on agents stand in a table of their own, then they are brought
/// into the chain, and a check of the ledger finds it whole.
TEST_F(Audit, TakesInOlderDecisions) {
  sql("CREATE TABLE agent_key(key TEXT PRIMARY KEY, agent TEXT NOT NULL, state TEXT NOT NULL,"
      " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, decided INTEGER NOT NULL,"
      " who TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE agent_move(agent TEXT PRIMARY KEY, decided INTEGER NOT NULL, who TEXT NOT NULL,"
      " why TEXT NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE agent_decision(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, verb TEXT NOT NULL,"
      " agent TEXT NOT NULL, key TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL);"
      "INSERT INTO agent_decision VALUES(1, 77, 'move', 'stor-01', '', 'bob', '');"
      "INSERT INTO agent_decision VALUES(2, 78, 'revoke', 'stor-02', 'k', 'bob', 'stolen');"
      "INSERT INTO part VALUES('keys', 1)");
  const auto intake = *Intake::open(*ledger_, clock_);
  ASSERT_TRUE(KeyTable::open(*ledger_, *intake, clock_));
  const auto all = *log_->entries(0, 10);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].kind, "agent move");
  EXPECT_EQ(all[1].what, R"({"agent":"stor-02","key":"k"})");
  EXPECT_EQ(all[1].at, 78);
  EXPECT_EQ(all[1].uid, kUnknownUid);
  EXPECT_FALSE(ledger_->database().run("SELECT 1 FROM agent_decision"));
  const auto report = verify_ledger(path_);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->damages, 0U);
  EXPECT_EQ(report->decisions, 2U);
  EXPECT_EQ(report->decision_hash, all[1].mark.hash);
  sql("UPDATE audit SET why = 'lost' WHERE n = 2");
  const auto touched = verify_ledger(path_);
  ASSERT_TRUE(touched);
  ASSERT_EQ(touched->findings.size(), 1U);
  EXPECT_EQ(touched->findings[0].table, "audit");
  EXPECT_EQ(touched->findings[0].first, 2U);
}

/// Given agents that are retired and taken back, then the log tells who is retired at each moment,
/// whenever it is asked; and what a rolled back transaction said is forgotten.
TEST_F(Audit, TellsWhoIsRetired) {
  std::mt19937 random(20261122);
  RetiredAgents often(*log_), seldom(*log_);
  std::set<std::string> model;
  for (int n = 0; n < 400; ++n) {
    const char* verbs[] = {"retire", "retire", "approve", "replace", "move", "revoke"};
    const std::string verb = verbs[random() % 6];
    const std::string agent = "stor-" + std::to_string(random() % 20);
    const bool kept = random() % 4 != 0;
    {
      Transaction transaction(ledger_->database());
      ASSERT_TRUE(log_->append("agent " + verb, R"({"agent":")" + agent + "\"}", {"ann", "gone", 0},
                               clock_.wall() + n));
      if (random() % 2 == 0) {
        ASSERT_TRUE(often.now());
      }
      if (kept) {
        ASSERT_TRUE(transaction.commit());
      }
    }
    if (kept && verb == "retire") model.insert(agent);
    if (kept && verb != "retire" && verb != "revoke") model.erase(agent);
    if (random() % 3 == 0) {
      EXPECT_EQ(**often.now(), model) << n;
    }
    if (n % 100 == 99) {
      EXPECT_EQ(**seldom.now(), model) << n;
    }
  }
}

}  // namespace
}  // namespace tallyman::rater
