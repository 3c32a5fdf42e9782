// Given what was released of a period, confirmed by the bus and received, then every difference is
// named, and nothing else.

#include "rater/views/reconcile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>

#include "billing_fixture.hpp"

namespace tallyman::rater {
namespace {

using testing::BillingTest;
using ::testing::HasSubstr;
using testing::json;
using What = Unreconciled::What;

std::string id_of(unsigned n) {
  const std::string digits = std::to_string(n);
  return std::string(64 - digits.size(), '0') + digits;
}

MessageKey key_of(unsigned n) { return {"customer-" + std::to_string(n), "transfer", 1}; }

std::vector<std::pair<What, std::string>> findings_of(const Reconciliation& done) {
  std::vector<std::pair<What, std::string>> out;
  for (const Unreconciled& each : done.findings) out.emplace_back(each.what, each.id);
  return out;
}

/// Given a list in which each message has a fate of its own, drawn at random, then exactly the
/// fates that are a difference are told, each under its name.
TEST(Reconcile, TellsEveryFateAndNoOther) {
  std::mt19937 dice(20261123);
  for (int round = 0; round < 500; ++round) {
    PublishedPeriod period;
    std::vector<ReceivedId> received;
    std::vector<std::pair<What, std::string>> expected;
    std::uint64_t here = 0, elsewhere = 0, repeated = 0;
    for (unsigned n = 0; n < dice() % 40; ++n) {
      const std::string id = id_of(n);
      const auto take = [&] { received.push_back({id, std::nullopt, {}}); };
      const auto release = [&](std::optional<OutboxMark> mark) {
        period.released.push_back({id, key_of(n)});
        if (mark) period.queued[id] = *mark;
      };
      const bool taken = dice() % 2 == 0;
      switch (dice() % 8) {
        case 0:
          release(OutboxMark::waiting);
          expected.emplace_back(What::waiting, id);
          break;
        case 1:
          release(OutboxMark::skipped);
          expected.emplace_back(taken ? What::skipped_received : What::skipped, id);
          break;
        case 2:
          release(std::nullopt);
          expected.emplace_back(What::never_queued, id);
          break;
        case 3:
          period.drafted.push_back({id, key_of(n)});
          if (taken) take(), expected.emplace_back(What::only_drafted, id);
          continue;
        case 4:
          take(), expected.emplace_back(What::unknown, id);
          continue;
        case 5:
          period.elsewhere.insert(id);
          take(), ++elsewhere;
          continue;
        case 6:
          period.queued[id] = OutboxMark::confirmed;
          expected.emplace_back(What::not_released, id);
          continue;
        default:
          release(OutboxMark::confirmed);
          if (!taken) expected.emplace_back(What::not_received, id);
      }
      if (taken) take(), ++here;
      if (taken && dice() % 4 == 0) take(), ++repeated;
    }
    std::shuffle(received.begin(), received.end(), dice);
    const Reconciliation done = reconcile(period, &received);
    auto told = findings_of(done);
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end(),
                               [](const auto& a, const auto& b) { return a.first < b.first; }));
    std::sort(told.begin(), told.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(told, expected) << round;
    EXPECT_EQ(done.received, here);
    EXPECT_EQ(done.elsewhere, elsewhere);
    EXPECT_EQ(done.repeated, repeated);
    EXPECT_EQ(done.released, period.released.size());
  }
}

/// Given a second content for a key and revision, in the ledger or in the list, then both ids are
/// told; another revision is another key, and so is another period.
TEST(Reconcile, TellsTwoContentsForOneKey) {
  PublishedPeriod period;
  period.released = {{id_of(1), key_of(1)}, {id_of(2), {"customer-1", "transfer", 2}}};
  period.queued = {{id_of(1), OutboxMark::confirmed}, {id_of(2), OutboxMark::confirmed}};
  period.period = "2026-11";
  std::vector<ReceivedId> received{{id_of(1), key_of(1), "2026-11"},
                                   {id_of(2), MessageKey{"customer-1", "transfer", 2}, "2026-11"},
                                   {id_of(8), key_of(1), "2026-10"}};
  EXPECT_TRUE(reconcile(period, &received).findings.empty());
  received.push_back({id_of(9), key_of(1), "2026-11"});
  const Reconciliation done = reconcile(period, &received);
  const auto told = findings_of(done);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0], (std::pair{What::two_contents, id_of(1)}));
  EXPECT_EQ(done.findings[0].other, id_of(9));
  EXPECT_EQ(told[1], (std::pair{What::unknown, id_of(9)}));
  period.released.push_back({id_of(3), key_of(1)});
  period.queued[id_of(3)] = OutboxMark::confirmed;
  EXPECT_EQ(findings_of(reconcile(period, nullptr)).at(0).first, What::two_contents);
}

/// Given lists as people write them, then ids and keys are read, and every wrong line is told by
/// its place.
TEST(Reconcile, ReadsTheList) {
  const auto read = [](const std::string& text) {
    std::istringstream in(text);
    return read_received(in);
  };
  const Received plain = read("id\r\n" + id_of(1) + "\r\n\r\n\"" + id_of(2) + "\"\n");
  ASSERT_TRUE(plain.errors.empty()) << plain.errors[0].text();
  ASSERT_EQ(plain.lines.size(), 2U);
  EXPECT_EQ(plain.lines[1].id, id_of(2));
  EXPECT_FALSE(plain.lines[1].key);
  const Received keyed =
      read("revision,id,meter,customer,period\n2," + id_of(1) + ",,\"a, b\",p\n");
  ASSERT_EQ(keyed.lines.size(), 1U);
  EXPECT_EQ(*keyed.lines[0].key, (MessageKey{"a, b", "", 2}));
  EXPECT_EQ(keyed.lines[0].period, "p");
  EXPECT_TRUE(read("id\n").errors.empty()) << "an empty list says that nothing has come";
  EXPECT_THAT(read("").errors.at(0).text(), HasSubstr("empty"));
  EXPECT_EQ(read(id_of(1) + "\n").errors.size(), 1U);
  EXPECT_EQ(read("id,customer\n").errors.size(), 1U);
  const Received wrong = read("id\nabc\n" + id_of(3) + "\n" + id_of(4) + ",x\n");
  ASSERT_EQ(wrong.errors.size(), 2U);
  EXPECT_EQ(wrong.errors[0].where, "2:1");
  EXPECT_EQ(wrong.errors[1].where, "4:1");
}

class ReconcileTest : public BillingTest {
 protected:
  static constexpr const char* kPeriod = "2026-11-22T12:00:00Z/1m";
  PublishedPeriod look(const std::vector<ReceivedId>& received = {}) {
    auto snapshot = Snapshot::open(folder_.file("ledger"), clock_);
    EXPECT_TRUE(snapshot) << snapshot.error().text();
    auto found = published_period(**snapshot, kPeriod, received);
    EXPECT_TRUE(found) << found.error().text();
    return *found;
  }
};

/// Given a released period, then what waits, what went out, and what belongs to another period are
/// told from the ledger's file, beside a rater that runs.
TEST_F(ReconcileTest, ReadsTheLedger) {
  minute(0);
  while (answer(billing_->outbox_json()).at("waiting") == 0) billing_->tick();
  const Reconciliation early = reconcile(look(), nullptr);
  EXPECT_EQ(early.released, 3U);
  EXPECT_GT(early.waiting, 0U);
  EXPECT_EQ(early.findings.size(), early.waiting);
  minute(1);
  settle();
  std::vector<ReceivedId> received;
  for (const json& event : published()) received.push_back({event.at("id"), std::nullopt, {}});
  ASSERT_EQ(received.size(), 6U);
  const Reconciliation done = reconcile(look(received), &received);
  EXPECT_TRUE(done.findings.empty());
  EXPECT_EQ(done.confirmed, 3U);
  EXPECT_EQ(done.received, 3U);
  EXPECT_EQ(done.elsewhere, 3U);
  const std::vector<ReceivedId> none;
  EXPECT_EQ(reconcile(look(none), &none).findings.size(), 3U);
}

}  // namespace
}  // namespace tallyman::rater
