#pragma once
// The way of polls and gaps into the spool: pages, seals, watermarks, and the write-out.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/instance/recorder.hpp"
#include "agent/pending.hpp"
#include "agent/spool/spool.hpp"
#include "agent/sync_thread.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

constexpr Ns kHungDisk = 20 * kSecond;

/// Owned by the Agent; main thread. What is added in one turn of the loop shares a page.
class Journal {
 public:
  struct Handlers {
    /// The earliest scheduled instant, over all instances, that was not handed to the journal yet;
    /// the wall clock when there is none.
    std::function<Ns()> unaccounted;
    std::function<void()> durable;  ///< something was written out: there may be a batch to send
    std::function<void(const std::string& what)> event;  ///< for status: trouble, and its end
  };

  /// `group_commit`: what is added is written out at most so much later. `durable`: the highest
  /// definition that is, of a spool that was resumed; what is dirty is then written out at once.
  static Result<std::unique_ptr<Journal>> start(app::EventLoop& loop, Spool& spool, Ns group_commit,
                                                Handlers handlers,
                                                std::optional<wire::DefNo> durable = std::nullopt);
  ~Journal();

  void poll(RecordedPoll poll, Pending::Outcome outcome);
  void gap(const wire::Gap& gap);

  /// Writes what waits, and every definition that is not in the spool yet; with `seal`, seals it.
  /// An error when the spool does not take it: then some of it still waits.
  [[nodiscard]] Status hand_over(bool seal);
  /// Begins to write out what is in the spool by now, unless a write-out is under way.
  void write_out();
  /// Runs what else has to wait for the disk, in order, and calls back with how it ended.
  void aside(SyncJob job, SyncThread::Done done);
  /// While held, nothing of this begins, so that an exec finds none under way: for a moment.
  void hold_write_outs(bool hold);
  [[nodiscard]] bool writes_out() const { return thread_->busy(); }

  /// Writes what waits, seals, and calls back once that is durable, or cannot be made so.
  void close(std::function<void()> done);

  /// The highest definition that survives a crash.
  [[nodiscard]] wire::DefNo durable_definitions() const { return durable_definitions_; }
  /// A new incarnation began: nothing of it is durable until the next write-out.
  void new_incarnation();
  [[nodiscard]] std::uint64_t lost_polls() const { return lost_polls_; }
  /// Words for a disk that has not answered a write-out for kHungDisk; empty = none. No reason to
  /// end the agent: it goes on polling, what it reads is in the kernel's hands and outlives it, and
  /// the next one would wait for the same disk.
  [[nodiscard]] std::string hung() const;

 private:
  Journal(app::EventLoop& loop, Spool& spool, Ns group_commit, Handlers handlers);
  void flush();
  Status seal(bool now);
  void tick();
  void synced(const SyncJob& job, const Status& result);
  void ended(const SyncJob& job, const Status& result);
  void next_aside();
  void note_trouble(const std::string& trouble);
  void note_shed();
  void note_hung();

  app::EventLoop& loop_;
  Spool& spool_;
  Ns group_commit_;
  Handlers handlers_;
  Pending pending_;
  std::unique_ptr<SyncThread> thread_;
  app::TimerId tick_ = 0;
  app::TimerId flush_ = 0;
  wire::DefNo durable_definitions_ = 0;
  wire::DefNo written_definitions_ = 0;  ///< in pages
  wire::DefNo syncing_definitions_ = 0;  ///< in the write-out under way
  std::uint64_t lost_polls_ = 0;
  std::string trouble_;
  Ns submitted_ = 0;  ///< boot instant of the write-out under way
  bool held_ = false;
  struct Aside {
    SyncJob job;
    SyncThread::Done done;
  };
  std::deque<Aside> asides_;
  bool aside_runs_ = false;  ///< the first of them
  bool told_hung_ = false;
  std::string shed_;  ///< what the spool has given up, as last told
  bool closing_ = false;
  std::function<void()> closed_;
};

}  // namespace tallyman::agent
