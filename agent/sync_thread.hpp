#pragma once
// The one thread that waits for the disk.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/spool/spool.hpp"
#include "app/loop.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// Runs one SyncJob at a time and reports on the loop. Owned by the Journal; main thread.
/// Destroying it waits for the job that runs.
class SyncThread {
 public:
  using Done = std::function<void(const SyncJob&, const Status&)>;
  static Result<std::unique_ptr<SyncThread>> start(app::EventLoop& loop, Done done);
  ~SyncThread();
  SyncThread(const SyncThread&) = delete;
  SyncThread& operator=(const SyncThread&) = delete;

  [[nodiscard]] bool busy() const { return busy_; }
  /// Only while not busy.
  void submit(SyncJob job);

 private:
  SyncThread(app::EventLoop& loop, Fd notice, Done done);
  void work();
  void on_notice();

  app::EventLoop& loop_;
  Fd notice_;  ///< an eventfd: the thread writes, the loop reads
  Done done_;
  app::WatchId watch_ = 0;
  bool busy_ = false;  ///< main thread only

  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<SyncJob> todo_;      ///< guarded by mutex_
  std::optional<SyncJob> finished_;  ///< guarded by mutex_
  Status result_;                    ///< guarded by mutex_
  bool stop_ = false;                ///< guarded by mutex_
  std::thread thread_;
};

}  // namespace tallyman::agent
