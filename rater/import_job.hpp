#pragma once
// An import beside everything else that the daemon does. The file is looked through on a thread of
// its own, which touches nothing but the file; what it comes to is committed on the loop's thread,
// block by block, between which agents are heard and commands answered. Rejected: looking through
// it on the loop too (what it holds has to be sorted as a whole).

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/loop.hpp"
#include "base/fd.hpp"
#include "rater/decisions/import_entry.hpp"
#include "rater/import_blocks.hpp"

namespace tallyman::rater {

constexpr std::size_t kMaxMistakes = 1000;  ///< told of one request; all are counted

struct ImportRequest {
  std::string file;   ///< absolute: a regular file of at most kLongestImport bytes
  std::string agent;  ///< as import_readings() has it
  ImportKind kind = ImportKind::readings;
  Decision decision{};  ///< with a reason
};

/// How far an import has come: first bytes looked at, then readings committed.
struct ImportAt {
  bool committing = false;
  std::uint64_t done = 0, total = 0;
};

/// What an import tells, on the loop's thread.
struct ImportListener {
  std::function<bool()> waits;  ///< false: nobody does any more, and it is given up
  std::function<void(const Error&)> mistake;
  std::function<void(const ImportAt&)> progress;        ///< a few times a second
  std::function<void(const Result<Imported>&)> answer;  ///< once, the last of all
};

/// Owned by Control, on the loop's thread; loop, ledger and intake outlive it. To end it is to give
/// it up: the same file imported again goes on where it stood, as after a kill.
class ImportJob {
 public:
  /// An error when the decision has no reason, or the file is not there or is none to import; then
  /// nothing else is told.
  static Result<std::unique_ptr<ImportJob>> start(app::EventLoop& loop, Ledger& ledger,
                                                  Intake& intake, const ImportRequest& request,
                                                  ImportListener listener);
  ~ImportJob();
  ImportJob(const ImportJob&) = delete;
  ImportJob& operator=(const ImportJob&) = delete;

  /// What was to be told is told.
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] const std::string& file() const { return request_.file; }
  /// While it commits: no reading of it is later than this.
  [[nodiscard]] std::optional<Ns> commits_to() const {
    return blocks_ ? std::optional(blocks_->last()) : std::nullopt;
  }

 private:
  ImportJob(app::EventLoop& loop, AuditLog audit, Intake& intake, ImportRequest request,
            ImportListener listener, Fd fd, std::uint64_t size);
  void look();  ///< the thread
  void step();
  [[nodiscard]] bool looked();  ///< false while the thread is at work
  void commit_some();
  void tell_mistakes();
  void tell_progress(const ImportAt& at);
  void end(const Result<Imported>& result);
  [[nodiscard]] Error named(Error error) const;

  app::EventLoop& loop_;
  Intake& intake_;
  const ImportRequest request_;
  ImportEntry entry_;
  ImportListener listener_;
  Fd fd_;  ///< the file that was looked at: its name may mean another one by now
  const std::string opened_;
  const std::uint64_t size_;
  const Ns now_;
  app::TimerId timer_ = 0;
  Ns tell_next_ = 0;  ///< boot clock
  std::unique_ptr<ImportBlocks> blocks_;
  bool over_ = false;

  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<bool> done_ = false;  ///< the thread sets it last
  std::mutex mutex_;
  std::vector<Error> mistakes_;                    ///< under the mutex
  std::optional<Result<LookedThrough>> result_{};  ///< the thread's until it is done
  std::thread thread_;
};

}  // namespace tallyman::rater
