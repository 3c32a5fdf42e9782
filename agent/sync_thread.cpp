#include "agent/sync_thread.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace tallyman::agent {

Result<std::unique_ptr<SyncThread>> SyncThread::start(app::EventLoop& loop, Done done) {
  Fd notice(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!notice.valid()) return errno_error("cannot make an eventfd", "sync thread", errno);
  return std::unique_ptr<SyncThread>(new SyncThread(loop, std::move(notice), std::move(done)));
}

SyncThread::SyncThread(app::EventLoop& loop, Fd notice, Done done)
    : loop_(loop), notice_(std::move(notice)), done_(std::move(done)) {
  watch_ = loop_.watch(notice_.get(), true, false, [this](app::Ready) { on_notice(); });
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SyncThread::~SyncThread() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
  loop_.unwatch(watch_);
}

void SyncThread::submit(SyncJob job) {
  busy_ = true;
  {
    std::lock_guard lock(mutex_);
    todo_ = std::move(job);
  }
  wake_.notify_one();
}

void SyncThread::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || todo_.has_value(); });
    if (!todo_) return;
    SyncJob job = std::move(*std::exchange(todo_, std::nullopt));
    lock.unlock();
    Status result = job.run();
    lock.lock();
    finished_ = std::move(job);
    result_ = std::move(result);
    std::uint64_t one = 1;
    (void)!write(notice_.get(), &one, sizeof one);
  }
}

void SyncThread::on_notice() {
  std::uint64_t count = 0;
  (void)!read(notice_.get(), &count, sizeof count);
  std::optional<SyncJob> job;
  Status result;
  {
    std::lock_guard lock(mutex_);
    job = std::exchange(finished_, std::nullopt);
    result = std::move(result_);
  }
  if (!job) return;
  busy_ = false;
  done_(*job, result);
}

}  // namespace tallyman::agent
