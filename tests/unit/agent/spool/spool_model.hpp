#pragma once
// A spool under a driver that knows, independently, what must survive which crash.

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "agent/spool/spool_saved.hpp"
#include "spool_fixture.hpp"

namespace tallyman::agent {

struct SpoolModel {
  SpoolBench bench;
  std::vector<std::uint64_t> appended;           ///< values whose append() said OK, in order
  std::set<std::uint64_t> doubtful;              ///< values whose append() failed
  std::size_t durable = 0;                       ///< how many of `appended` a good sync covers
  std::map<std::uint64_t, Hash> given;           ///< batches that next_after() gave out
  std::map<std::uint64_t, std::size_t> content;  ///< how many polls stand up to this batch
  std::uint64_t acknowledged = 0;
  std::uint64_t value = 0;
  std::optional<wire::Incarnation> life;  ///< what `given` belongs to
  bool changing = false;                  ///< a new incarnation may, or may not, have begun

  SpoolModel() {
    bench.options.segment_bytes = 1200;
    bench.options.seal_bytes = 500;
  }

  void append() {
    ++value;
    if (bench.append(value).ok()) {
      appended.push_back(value);
    } else {
      doubtful.insert(value);
    }
  }
  void seal() { (void)bench.spool->seal_if_due(1, true); }
  void sync() {
    begin_sync();
    run_sync();
    end_sync();
  }
  /// A sync in three moments: whatever is appended between them is not covered.
  void begin_sync() {
    if (job_) return;
    job_ = bench.spool->sync_job();
    covered_ = appended.size();
    result_.reset();
  }
  void run_sync() {
    if (job_ && !result_) result_ = job_->run();
  }
  void end_sync() {
    if (!job_ || !result_) return;
    bench.spool->synced(*job_, *result_);
    if (result_->ok()) {
      durable = std::max(durable, covered_);
      give();
    }
    job_.reset();
  }
  void give() {
    if (changing) return;  // whichever life it is now in, these numbers are not its
    life = bench.spool->incarnation();
    std::uint64_t sequence = given.empty() ? acknowledged : given.rbegin()->first;
    for (;;) {
      const auto next = bench.spool->next_after(sequence);
      if (!next.ok() || !*next) return;
      sequence = (*next)->last;
      given[sequence] = (*next)->hash;
      const std::size_t before = content.empty() ? 0 : content.rbegin()->second;
      content[sequence] = before + values_of((*next)->bytes).size();
    }
  }
  void acknowledge(std::uint64_t random) {
    if (given.empty()) return;
    auto at = given.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random % given.size()));
    if (at->first <= acknowledged) return;
    if (bench.spool->acknowledge(at->first).ok()) acknowledged = at->first;
    acknowledged = std::max(acknowledged, bench.spool->stats().acknowledged);
  }
  /// All is sealed and durable, then acknowledged in the moment in which the next segment begins.
  void hand_over() {
    end_sync();
    seal();
    sync();
    append();
    if (!given.empty()) acknowledge(given.size() - 1);
  }
  /// What is not acknowledged goes on under new numbers.
  void begin_incarnation() {
    life = bench.spool->incarnation();
    changing = true;
    if (!bench.spool->begin_incarnation("test").ok()) return;
    changing = false;
    const std::size_t gone = acknowledged == 0 ? 0 : content.at(acknowledged);
    appended.erase(appended.begin(), appended.begin() + static_cast<std::ptrdiff_t>(gone));
    durable = appended.size();
    covered_ = 0;  // a sync that is under way says nothing about the new one
    given.clear();
    content.clear();
    acknowledged = 0;
    give();
  }

  /// The end of it all: from this changing call on nothing happens any more.
  void stop_at(std::uint64_t call) {
    end_ = call;
    bench.files->stop_at(call);
  }
  /// Killed and started again, the kernel living on: all that was written is there, is made durable
  /// by the recovery, and goes out. False when the end comes before, or meanwhile.
  bool restart() {
    if (bench.files->calls() >= end_) return false;
    bench.files->stop_at(bench.files->calls());
    bench.spool.reset();
    bench.files->stop_at(end_);
    job_.reset();
    if (!bench.open()) {
      EXPECT_GE(bench.files->calls(), end_) << bench.error;
      return false;
    }
    durable = appended.size();
    give();
    return true;
  }

  /// Executed anew: another program goes on with what this one knew. False as with restart().
  bool resume() {
    end_sync();
    if (job_) return true;  // under way: it would be waited for
    seal();
    auto saved = bench.spool->save();
    if (!saved) return true;  // not well: it goes on as it is
    if (bench.files->calls() >= end_) return false;
    bench.files->stop_at(bench.files->calls());
    bench.spool.reset();
    bench.files->stop_at(end_);
    auto lock = bench.files->lock(bench.options.directory + "/lock");
    EXPECT_TRUE(lock.ok());
    auto resumed = Spool::resume(*bench.files, bench.options, "stor-01", test_boot(), bench.clock,
                                 std::move(*saved), std::move(*lock));
    EXPECT_TRUE(resumed.ok()) << resumed.error().text();
    if (resumed) bench.spool = std::move(*resumed);
    return resumed.ok();
  }

  /// Opens what the crash left; everything promised must be there.
  void crash(Crash kind, std::uint64_t seed) const {
    check(bench.files->after(kind, seed), kind == Crash::process);
  }
  /// `all`: nothing written was lost; else all that was durable must be there, and perhaps more.
  void check(std::unique_ptr<FakeFiles> left, bool all) const {
    SpoolBench next;
    next.clock = bench.clock;
    next.options = bench.options;
    next.files = std::move(left);
    ASSERT_TRUE(next.open()) << next.error;
    const bool fresh = next.spool->recovery().new_incarnation;  // for want of any segment
    if (changing && !fresh && next.spool->incarnation() != *life) {
      check_new_life(next);
    } else {
      check_same_life(next, all);
    }
    if (!testing::Test::HasFatalFailure()) goes_on(next);
  }

 private:
  [[nodiscard]] std::size_t polls_up_to(std::uint64_t mark) const {
    return mark == 0 ? 0 : content.at(mark);
  }
  [[nodiscard]] std::vector<std::uint64_t> without_doubtful(
      const std::vector<std::uint64_t>& found) const {
    std::vector<std::uint64_t> sure;
    for (const auto v : found) {
      if (!doubtful.contains(v)) sure.push_back(v);
    }
    return sure;
  }
  void check_same_life(SpoolBench& next, bool all) const {
    if (life && !given.empty()) {
      ASSERT_EQ(next.spool->incarnation(), *life);
    }
    const std::uint64_t mark = next.spool->stats().acknowledged;
    ASSERT_LE(mark, acknowledged);
    const auto hash = mark == 0 ? kNoHash : *next.spool->hash_of_batch(mark);
    if (mark != 0) {
      ASSERT_EQ(hash, given.at(mark));
    }
    std::map<std::uint64_t, Hash> held;
    std::vector<std::uint64_t> found;
    bool newest_lost = false;  ///< polls after the last one found: their states may be there
    for (const auto& batch : drain(*next.spool, mark, hash)) {
      held[batch.last] = batch.hash;
      const bool normal = wire::decode_batch_head(batch.bytes)->kind == wire::BatchKind::normal;
      newest_lost = !normal || (newest_lost && values_of(batch.bytes).empty());
      for (const auto v : values_of(batch.bytes)) found.push_back(v);
    }
    for (const auto& [sequence, batch_hash] : given) {
      if (sequence > mark) {
        ASSERT_EQ(held[sequence], batch_hash) << "batch " << sequence;
      }
    }
    const std::size_t skip = polls_up_to(mark);
    const std::size_t needed = all ? appended.size() : durable;
    const std::vector<std::uint64_t> sure = without_doubtful(found);
    ASSERT_GE(sure.size() + skip, needed);
    ASSERT_LE(sure.size() + skip, appended.size());
    const std::vector<std::uint64_t> rest(appended.begin() + static_cast<std::ptrdiff_t>(skip),
                                          appended.end());
    const std::size_t whole = std::max(needed, skip) - skip;
    ASSERT_TRUE(
        std::equal(sure.begin(), sure.begin() + static_cast<std::ptrdiff_t>(whole), rest.begin()));
    // A power loss may have kept later pages and lost earlier ones.
    ASSERT_TRUE(std::includes(rest.begin(), rest.end(), sure.begin(), sure.end()));
    if (!found.empty() && !newest_lost) check_state(next, found.back(), all);
  }
  /// The last page's, or none when the power loss tore the two apart; never an older one.
  void check_state(SpoolBench& next, std::uint64_t newest, bool all) const {
    if (!all && next.spool->states().empty()) return;
    const std::string last = std::to_string(newest);
    ASSERT_EQ(next.spool->states().size(), 1U);
    ASSERT_EQ(next.spool->states()[0].bytes, Bytes(last.begin(), last.end()));
    ASSERT_EQ(next.spool->covered_until().size(), 1U);
    ASSERT_EQ(next.spool->states()[0].scheduled, next.spool->covered_until()[0].second);
  }
  void check_new_life(SpoolBench& next) const {
    ASSERT_EQ(next.spool->stats().acknowledged, 0U);
    std::vector<std::uint64_t> found;
    for (const auto& batch : drain(*next.spool, 0, kNoHash)) {
      for (const auto v : values_of(batch.bytes)) found.push_back(v);
    }
    // Nothing was promised yet: a recovery that was interrupted may have begun a life of its own.
    if (found.empty() && given.empty() && durable == 0) return;
    const std::vector<std::uint64_t> rest(
        appended.begin() + static_cast<std::ptrdiff_t>(polls_up_to(acknowledged)), appended.end());
    ASSERT_EQ(without_doubtful(found), rest);
  }
  void goes_on(SpoolBench& next) const {
    ASSERT_TRUE(next.append(999'999).ok());
    ASSERT_TRUE(next.spool->seal_if_due(1, true).ok());
    ASSERT_TRUE(next.sync());
    const std::uint64_t sealed = next.spool->stats().sealed;
    const auto final = next.spool->next_after(sealed - 1);
    ASSERT_TRUE(final.ok() && *final);
    ASSERT_EQ(values_of((*final)->bytes), std::vector<std::uint64_t>{999'999});
    // A number that was given out is never given to anything else.
    if (life && next.spool->incarnation() == *life && !given.empty()) {
      ASSERT_GT(sealed, given.rbegin()->first);
    }
  }

  std::uint64_t end_ = ~0ULL;
  std::optional<SyncJob> job_;
  std::optional<Status> result_;
  std::size_t covered_ = 0;
};

}  // namespace tallyman::agent
