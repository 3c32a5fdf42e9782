#include "agent/journal.hpp"

#include <gtest/gtest.h>

#include "spool/spool_fixture.hpp"

namespace tallyman::agent {
namespace {

class JournalTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bench_.open()) << bench_.error;
    auto started = Journal::start(loop_, *bench_.spool, kSecond,
                                  {[this] { return unaccounted_; }, [] {}, [](const auto&) {}});
    ASSERT_TRUE(started.ok());
    journal_ = std::move(*started);
  }

  /// One poll at the present wall instant, sealed and durable.
  void write(std::uint64_t value) {
    RecordedPoll recorded;
    recorded.poll = bench_.poll(value);
    bool committed = false;
    journal_->poll(std::move(recorded), [&](bool good) { committed = good; });
    unaccounted_ = bench_.clock.wall();
    bool closed = false;
    journal_->close([&] {
      closed = true;
      loop_.stop();
    });
    if (!closed) loop_.run();
    EXPECT_TRUE(committed);
  }

  SpoolBench bench_;
  app::EventLoop loop_{bench_.clock};
  Ns unaccounted_ = 0;
  std::unique_ptr<Journal> journal_;
};

// Given a wall clock that stood an hour ahead when a batch was sealed and is set right, then the
// next seal's watermark is the truth again, not the false future.
TEST_F(JournalTest, the_watermark_follows_a_clock_set_right) {
  write(1);
  const Ns ahead = bench_.clock.wall();
  bench_.clock.step_wall(-kHour);
  bench_.clock.advance(10 * kSecond);
  write(2);
  const auto batches = drain(*bench_.spool, 0, kNoHash);
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(wire::decode_batch(batches[0].bytes)->seal.watermark, ahead);
  EXPECT_EQ(wire::decode_batch(batches[1].bytes)->seal.watermark, bench_.clock.wall());
}

// Given a gap at an instant that no page takes, then it is left out, and the polls after it are
// written.
TEST_F(JournalTest, a_gap_beyond_all_time_blocks_nothing) {
  const wire::DefNo instance = bench_.instance();
  journal_->gap({instance, 0, wire::kMaxTime, wire::kMaxTime, wire::Cause::error, "far"});
  write(1);
  EXPECT_EQ(drain(*bench_.spool, 0, kNoHash).size(), 1U);
}

// Given a write-out whose end nobody hears of, then after a while that is said in words, until the
// end is heard.
TEST_F(JournalTest, a_disk_that_does_not_answer_is_named) {
  RecordedPoll recorded;
  recorded.poll = bench_.poll(1);
  journal_->poll(std::move(recorded), [](bool) {});
  bool closed = false;
  journal_->close([&] {
    closed = true;
    loop_.stop();
  });
  ASSERT_FALSE(closed);  // the loop did not turn: the thread may be done, but nobody has heard
  bench_.clock.advance(kHungDisk - 1);
  EXPECT_EQ(journal_->hung(), "");
  bench_.clock.advance(kMinute + 1);
  EXPECT_NE(journal_->hung().find("1m20s"), std::string::npos) << journal_->hung();
  loop_.run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(journal_->hung(), "");
}

// Given polls that wait and definitions that no poll has used yet, when they are handed over, then
// whoever opens the spool next finds all of them, under the same numbers.
TEST_F(JournalTest, hands_over_what_waits_and_every_definition) {
  RecordedPoll recorded;
  recorded.poll = bench_.poll(1);
  bool committed = false;
  journal_->poll(std::move(recorded), [&](bool good) { committed = good; });
  const wire::DefNo unused = bench_.epoch(77);
  unaccounted_ = bench_.clock.wall();
  ASSERT_TRUE(journal_->hand_over(false).ok());
  EXPECT_TRUE(committed);
  const wire::DefNo later = bench_.epoch(78);
  ASSERT_TRUE(journal_->hand_over(true).ok());
  const wire::DefNo highest = bench_.spool->dictionary().highest();
  journal_.reset();
  ASSERT_TRUE(bench_.open()) << bench_.error;
  EXPECT_TRUE(bench_.spool->recovery().notes.empty());
  EXPECT_EQ(bench_.spool->dictionary().highest(), highest);
  EXPECT_EQ(bench_.epoch(77), unused);
  EXPECT_EQ(bench_.epoch(78), later);
  EXPECT_EQ(drain(*bench_.spool, 0, kNoHash).size(), 1U);
}

}  // namespace
}  // namespace tallyman::agent
