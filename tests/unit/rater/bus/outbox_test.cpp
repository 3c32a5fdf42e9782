// Given a released period, then its messages reach the bus once each, in order, wherever the rater
// dies.

#include "rater/bus/outbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "rater/bus/file_bus.hpp"
#include "rater/rating/period_store.hpp"
#include "temp_folder.hpp"

namespace tallyman::rater {
namespace {

using ::testing::ElementsAre;
using testing::TempFolder;

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string body_of(const std::string& id) { return R"({"specversion":"1.0","id":")" + id + "\"}"; }

BusMessage message(const std::string& id) { return {id, "v1.record.m.c", body_of(id)}; }

TEST(FileBus, CutsATornLineAndKnowsWhatStandsThere) {
  const TempFolder folder;
  const std::string path = folder.file("records.jsonl");
  std::ofstream(path) << body_of("a") << "\n"
                      << body_of("b") << "\n"
                      << R"({"specv)";
  auto bus = FileBus::open(path);
  ASSERT_TRUE(bus) << bus.error().text();
  const std::vector<std::string> asked{"b", "c", "spec"};
  const auto there = (*bus)->recover(asked);
  ASSERT_TRUE(there) << there.error().text();
  EXPECT_THAT(*there, ElementsAre("b"));
  ASSERT_TRUE((*bus)->submit(message("c")));
  EXPECT_THAT(*(*bus)->confirmed(), ElementsAre("c"));
  EXPECT_THAT(lines_of(path), ElementsAre(body_of("a"), body_of("b"), body_of("c")));
}

TEST(FileBus, IsReadableByItsGroupAndWrittenByOne) {
  const TempFolder folder;
  const std::string path = folder.file("records.jsonl");
  const auto bus = FileBus::open(path);
  ASSERT_TRUE(bus);
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137U, 0U);
  EXPECT_FALSE(FileBus::open(path));
  EXPECT_FALSE(FileBus::open(folder.file("no/such/folder/file")));
}

int failing_syncs = 0;

int sync_or_fail(int fd) {
  if (failing_syncs == 0) return ::fdatasync(fd);
  --failing_syncs;
  errno = EIO;
  return -1;
}

/// Given fdatasyncs that fail, then what they may have lost is cut off, comes again, and stands
/// once.
TEST(FileBus, WritesAgainWhatAFailedSyncMayHaveLost) {
  const TempFolder folder;
  const std::string path = folder.file("records.jsonl");
  std::ofstream(path) << body_of("a") << "\n" << body_of("b") << "\n";
  auto bus = FileBus::open(path, sync_or_fail);
  ASSERT_TRUE(bus) << bus.error().text();
  const std::vector<std::string> asked{"b", "c"};
  failing_syncs = 1;
  EXPECT_FALSE((*bus)->recover(asked));
  EXPECT_THAT(*(*bus)->recover(asked), ElementsAre()) << "b may have been lost";
  EXPECT_THAT(lines_of(path), ElementsAre(body_of("a")));
  ASSERT_TRUE((*bus)->submit(message("b")));
  EXPECT_THAT(*(*bus)->confirmed(), ElementsAre("b"));
  ASSERT_TRUE((*bus)->submit(message("c")));
  failing_syncs = 1;
  EXPECT_FALSE((*bus)->confirmed());
  EXPECT_THAT(*(*bus)->recover(std::vector<std::string>{"c"}), ElementsAre());
  EXPECT_THAT(lines_of(path), ElementsAre(body_of("a"), body_of("b")));
  ASSERT_TRUE((*bus)->submit(message("c")));
  EXPECT_THAT(*(*bus)->confirmed(), ElementsAre("c"));
  EXPECT_THAT(lines_of(path), ElementsAre(body_of("a"), body_of("b"), body_of("c")));
}

/// Writes through to a file, and stops for good at a chosen step, as a killed rater does.
class DyingBus final : public Bus {
 public:
  DyingBus(std::unique_ptr<FileBus> file, int steps) : file_(std::move(file)), steps_(steps) {}
  Status submit(const BusMessage& m) override {
    if (steps_-- <= 0) return Error{"dead", "", ""};
    return file_->submit(m);
  }
  Result<std::vector<std::string>> confirmed() override {
    if (steps_-- <= 0) return Error{"dead", "", ""};
    auto ids = file_->confirmed();
    if (steps_-- <= 0) return Error{"dead", "", ""};  // written, and nobody told
    return ids;
  }
  Result<std::vector<std::string>> recover(std::span<const std::string> ids) override {
    return file_->recover(ids);
  }
  std::string name() const override { return file_->name(); }

 private:
  std::unique_ptr<FileBus> file_;
  int steps_;
};

TEST(Outbox, EveryMessageGoesOutOnceWhereverTheRaterDies) {
  const FakeClock clock(kSecond);
  for (int steps = 0; steps < 25; ++steps) {
    const TempFolder folder;
    const std::string path = folder.file("records.jsonl");
    std::vector<std::string> expected;
    {
      auto ledger = Ledger::open(folder.file("ledger"), clock);
      ASSERT_TRUE(ledger) << ledger.error().text();
      auto outbox = Outbox::open(**ledger, std::make_unique<DyingBus>(*FileBus::open(path), steps));
      ASSERT_TRUE(outbox) << outbox.error().text();
      for (int i = 0; i < 10; ++i) {
        const std::string id = "id" + std::to_string(i);
        ASSERT_TRUE((*outbox)->put("p", message(id)));
        expected.push_back(body_of(id));
      }
      while ((*outbox)->publish(3) && *(*outbox)->waiting() > 0) {
      }
    }
    if (steps % 3 == 0) std::ofstream(path, std::ios::app) << R"({"specversion":"1.0","id":"id)";
    auto ledger = Ledger::open(folder.file("ledger"), clock);
    ASSERT_TRUE(ledger) << ledger.error().text();
    auto outbox = Outbox::open(**ledger, *FileBus::open(path));
    ASSERT_TRUE(outbox);
    do ASSERT_TRUE((*outbox)->publish(4));
    while (*(*outbox)->waiting() > 0);
    EXPECT_EQ(lines_of(path), expected) << "after " << steps << " steps";
    EXPECT_EQ(*(*outbox)->confirmed(), 10U);
  }
}

/// Confirms nothing by itself, has little room, and notes what it is asked.
class SlowBus final : public Bus {
 public:
  Status submit(const BusMessage& m) override {
    here.push_back(m.id);
    submitted.push_back(m.id);
    EXPECT_EQ(m.body, body_of(m.id));
    std::erase(again, m.id);
    return {};
  }
  Result<std::vector<std::string>> confirmed() override { return std::exchange(safe, {}); }
  std::vector<std::string> wanted(std::size_t most) override {
    return {again.begin(), again.begin() + static_cast<long>(std::min(most, again.size()))};
  }
  Result<std::vector<std::string>> recover(std::span<const std::string>) override {
    here.clear();
    return std::vector<std::string>{};
  }
  std::string name() const override { return "slow"; }
  std::size_t room() const override { return here.size() < 3 ? 3 - here.size() : 0; }
  std::string state_of(const std::string& id) const override {
    return std::count(here.begin(), here.end(), id) > 0 ? "returned: 312" : "";
  }
  void forget(const std::string& id) override {
    std::erase(here, id);
    std::erase(again, id);
  }

  std::vector<std::string> here, safe, again, submitted;
};

class SlowOutbox : public ::testing::Test {
 protected:
  SlowOutbox() {
    auto ledger = Ledger::open(":memory:", clock_);
    EXPECT_TRUE(ledger);
    ledger_ = std::move(*ledger);
    auto bus = std::make_unique<SlowBus>();
    bus_ = bus.get();
    auto outbox = Outbox::open(*ledger_, std::move(bus));
    EXPECT_TRUE(outbox);
    outbox_ = std::move(*outbox);
    for (const char* id : {"a1", "a2", "b3", "b4", "b5"}) {
      EXPECT_TRUE(outbox_->put("p", message(id)));
    }
  }
  std::vector<std::string> states() {
    std::vector<std::string> out;
    for (const OutboxRow& row : *outbox_->list(10)) out.push_back(row.id + " " + row.state);
    return out;
  }

  const FakeClock clock_{kSecond};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Outbox> outbox_;
  SlowBus* bus_ = nullptr;
};

/// Given a bus that takes a few at a time, then the others wait in the ledger until it has room.
TEST_F(SlowOutbox, SubmitsWhatTheBusHasRoomFor) {
  EXPECT_EQ(*outbox_->publish(2), 0U);
  EXPECT_TRUE(outbox_->more());
  EXPECT_EQ(*outbox_->publish(2), 0U);
  EXPECT_FALSE(outbox_->more()) << "the bus tells when it has room";
  EXPECT_THAT(bus_->here, ElementsAre("a1", "a2", "b3"));
  EXPECT_THAT(states(), ElementsAre("a1 returned: 312", "a2 returned: 312", "b3 returned: 312",
                                    "b4 waiting", "b5 waiting"));
  bus_->here = {"a1"};
  bus_->safe = {"b3", "a2"};
  EXPECT_EQ(*outbox_->publish(2), 2U);
  EXPECT_THAT(bus_->here, ElementsAre("a1", "b4", "b5"));
  EXPECT_EQ(*outbox_->confirmed(), 2U);
}

/// Given a ledger that cannot be written for a while, then what the bus confirmed is marked once it
/// can be, and nothing goes out in between, however often it is tried.
TEST_F(SlowOutbox, ALedgerThatCannotBeWrittenSendsNothingAgain) {
  EXPECT_EQ(*outbox_->publish(10), 0U);
  bus_->safe = {"a2", "a1"};
  bus_->here.clear();
  ASSERT_TRUE(
      ledger_->database().run("CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN"
                              " SELECT RAISE(ABORT, 'disk full'); END"));
  // Rows that were submitted before the failure was seen may go; not one goes twice.
  for (int n = 0; n < 50; ++n) EXPECT_FALSE(outbox_->publish(10));
  EXPECT_THAT(bus_->submitted, ElementsAre("a1", "a2", "b3", "b4", "b5"));
  ASSERT_TRUE(ledger_->database().run("DROP TRIGGER full"));
  EXPECT_EQ(*outbox_->publish(10), 2U);
  EXPECT_EQ(*outbox_->confirmed(), 2U);
  bus_->safe = {"b3", "b4", "b5"};
  EXPECT_EQ(*outbox_->publish(10), 3U);
  EXPECT_THAT(bus_->submitted, ElementsAre("a1", "a2", "b3", "b4", "b5"));
  EXPECT_EQ(*outbox_->waiting(), 0U);
}

/// Given messages that the bus wants again, then they go with their texts, before the others; what
/// was left out meanwhile is forgotten.
TEST_F(SlowOutbox, WhatTheBusWantsAgainComesFirst) {
  EXPECT_EQ(*outbox_->publish(10), 0U);
  bus_->here.clear();
  bus_->again = {"a1", "b3"};
  const auto row = outbox_->find("b3");
  ASSERT_TRUE(row);
  ASSERT_TRUE(outbox_->skip(*row));
  bus_->submitted.clear();
  EXPECT_EQ(*outbox_->publish(10), 0U);
  EXPECT_THAT(bus_->submitted, ElementsAre("a1", "b4"));
  EXPECT_TRUE(bus_->again.empty());
}

/// Given messages that went out, then those that are put back go once more, and the others do not.
TEST_F(SlowOutbox, WhatIsPutBackGoesOutOnceMore) {
  EXPECT_EQ(*outbox_->publish(10), 0U);
  bus_->safe = {"a1", "a2", "b3"};
  bus_->here.clear();
  EXPECT_EQ(*outbox_->publish(10), 3U);
  EXPECT_FALSE(outbox_->find("a1"));
  EXPECT_TRUE(outbox_->find("a1", false));
  EXPECT_EQ(*outbox_->put_back("a1", body_of("a1")), 1U);
  EXPECT_EQ(*outbox_->put_back("b4", "another text"), 0U) << "it waits";
  outbox_->rewind();
  bus_->here.clear();
  bus_->submitted.clear();
  for (int n = 0; n < 5; ++n) EXPECT_TRUE(outbox_->publish(10));
  EXPECT_THAT(bus_->submitted, ElementsAre("a1"));
  EXPECT_EQ(*outbox_->waiting(), 3U);
}

/// Given a message that somebody leaves out, then it waits no more, and a late confirm is no harm.
TEST_F(SlowOutbox, WhatIsSkippedNeverGoesOut) {
  ASSERT_TRUE(outbox_->publish(10));
  EXPECT_FALSE(outbox_->find("a")) << "two begin so";
  EXPECT_FALSE(outbox_->find("c"));
  EXPECT_FALSE(outbox_->find(""));
  for (const char* id : {"a2", "b5"}) {
    const auto row = outbox_->find(id);
    ASSERT_TRUE(row) << row.error().text();
    ASSERT_TRUE(outbox_->skip(*row));
    outbox_->forget(row->id);
    EXPECT_FALSE(outbox_->find(id)) << "it waits no more";
  }
  EXPECT_EQ(*outbox_->skipped(), 2U);
  EXPECT_EQ(*outbox_->waiting(), 3U);
  bus_->safe = {"a1", "a2", "b3"};
  EXPECT_EQ(*outbox_->publish(10), 3U);
  bus_->here.clear();
  ASSERT_TRUE(outbox_->publish(10));
  EXPECT_THAT(bus_->here, ElementsAre());
  EXPECT_EQ(*outbox_->confirmed(), 2U);
  EXPECT_EQ(*outbox_->skipped(), 2U);
}

TEST(PeriodStore, ADraftIsReplacedAndAReleasedPeriodStays) {
  const TempFolder folder;
  const FakeClock clock(kSecond);
  auto ledger = Ledger::open(":memory:", clock);
  ASSERT_TRUE(ledger);
  auto store = PeriodStore::open(**ledger);
  ASSERT_TRUE(store) << store.error().text();
  auto outbox = Outbox::open(**ledger, *FileBus::open(folder.file("r")));
  ASSERT_TRUE(outbox);
  Drafts drafts;
  drafts.period = {"2026-11", 10, 20};
  drafts.cut.marks = {{"a", {1}, ~0ULL, {7}, 5}};
  drafts.cut.closed_without = {"a"};
  drafts.unattributed = {{"tx", "bytes", ~u128{0}, 3}};
  drafts.problems = {"odd"};
  Message one;
  one.id = "1";
  one.body = body_of("1");
  drafts.messages = {one};
  ASSERT_TRUE(store->store(drafts));
  one.id = "2";
  one.body = body_of("2");
  drafts.messages = {one, one};
  drafts.messages[1].id = "3";
  ASSERT_TRUE(store->store(drafts));
  ASSERT_TRUE(*store->earliest_draft());
  EXPECT_FALSE(store->release("2026-12", **outbox));
  ASSERT_TRUE(store->release("2026-11", **outbox));
  ASSERT_TRUE(store->release("2026-11", **outbox)) << "once more is no harm";
  EXPECT_EQ(*(*outbox)->waiting(), 2U);
  EXPECT_FALSE(store->store(drafts));
  const auto period = store->period("2026-11");
  ASSERT_TRUE(period && *period);
  EXPECT_EQ((*period)->state, PeriodState::released);
  EXPECT_THAT((*period)->without, ElementsAre("a"));
  EXPECT_EQ((*period)->cut, drafts.cut.hash());
  EXPECT_EQ(to_decimal(store->unattributed("2026-11")->at(0).amount), to_decimal(~u128{0}));
  EXPECT_THAT(*store->problems("2026-11"), ElementsAre("odd"));
  EXPECT_EQ(store->messages("2026-11")->size(), 2U);
  EXPECT_FALSE(*store->earliest_draft());
}

TEST(PeriodStore, TheBeginningMovesOnlyWhileNothingIsClosed) {
  const FakeClock clock(kSecond);
  auto ledger = Ledger::open(":memory:", clock);
  ASSERT_TRUE(ledger);
  auto store = PeriodStore::open(**ledger);
  ASSERT_TRUE(store);
  EXPECT_EQ(*store->beginning(), std::nullopt);
  ASSERT_TRUE(store->set_beginning(50));
  ASSERT_TRUE(store->set_beginning(40));
  EXPECT_EQ(*store->beginning(), 40);
  Drafts drafts;
  drafts.period = {"p", 40, 50};
  ASSERT_TRUE(store->store(drafts));
  ASSERT_TRUE(store->set_beginning(30));
  EXPECT_EQ(*store->beginning(), 40);
}

}  // namespace
}  // namespace tallyman::rater
