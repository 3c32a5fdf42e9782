#include "rater/import_job.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "app/log.hpp"

namespace tallyman::rater {
namespace {

constexpr Ns kLookAgain = 10 * kMillisecond;  ///< whether the thread is done
constexpr Ns kStep = 50 * kMillisecond;       ///< so long committing keeps the loop busy at a time
constexpr Ns kTellEvery = 200 * kMillisecond;

/// Opens what is to be imported without ever waiting for it: a FIFO, a device or a directory, and
/// what a link leads to, is not a file of readings.
Result<Fd> open_import(const std::string& file, std::uint64_t& size) {
  if (file.empty() || file.front() != '/') {
    return Error{"import wants the absolute path of a file", file.substr(0, 256), ""};
  }
  Fd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) {
    return errno_error("cannot open the file of readings", file, errno,
                       errno == ELOOP ? "name the file itself, not a link to it"
                                      : "name a file that the rater may read");
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("cannot look at the file", file, errno);
  if (!S_ISREG(info.st_mode)) {
    return Error{"import reads regular files only", file, "write the readings to a file first"};
  }
  size = static_cast<std::uint64_t>(info.st_size);
  if (size > kLongestImport) {
    return Error{"the file is larger than 1 GiB", file, "split it, and import one after another"};
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<ImportJob>> ImportJob::start(app::EventLoop& loop, Ledger& ledger,
                                                    Intake& intake, const ImportRequest& request,
                                                    ImportListener listener) {
  if (const Status reason = check_why(request.decision); !reason.ok()) return reason.error();
  const Result<AuditLog> audit = AuditLog::open(ledger);
  if (!audit.ok()) return audit.error();
  std::uint64_t size = 0;
  Result<Fd> fd = open_import(request.file, size);
  if (!fd.ok()) return fd.error();
  return std::unique_ptr<ImportJob>(
      new ImportJob(loop, *audit, intake, request, std::move(listener), std::move(*fd), size));
}

ImportJob::ImportJob(app::EventLoop& loop, AuditLog audit, Intake& intake, ImportRequest request,
                     ImportListener listener, Fd fd, std::uint64_t size)
    : loop_(loop),
      intake_(intake),
      request_(std::move(request)),
      entry_(audit, request_.decision),
      listener_(std::move(listener)),
      fd_(std::move(fd)),
      opened_("/proc/self/fd/" + std::to_string(fd_.get())),
      size_(size),
      now_(intake.now()),
      tell_next_(loop.clock().boot() + kTellEvery) {
  // Signals are the main thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { look(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  timer_ = loop_.after(0, [this] { step(); });
}

ImportJob::~ImportJob() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  loop_.cancel(timer_);
}

void ImportJob::look() {
  std::size_t told = 0;
  const auto mistake = [&](const Error& error) {
    if (++told > kMaxMistakes) return;
    const std::lock_guard lock(mutex_);
    mistakes_.push_back(error);
  };
  const auto progress = [this](std::uint64_t bytes) {
    bytes_ = bytes;
    return !stop_;
  };
  result_ = look_through(opened_, request_.agent, request_.kind, now_, mistake, progress);
  done_ = true;
}

void ImportJob::step() {
  timer_ = 0;
  if (!stop_ && !listener_.waits()) {
    stop_ = true;
    log::info("import of {} given up: nobody waits for it any more", request_.file);
  }
  if (thread_.joinable() && !looked()) return;
  if (stop_)
    return end(Error{"the import was given up", request_.file,
                     "import it again: what was taken of it counts, and may be billed"});
  commit_some();
}

bool ImportJob::looked() {
  tell_mistakes();
  if (!done_) {
    tell_progress({false, bytes_, size_});
    timer_ = loop_.after(kLookAgain, [this] { step(); });
    return false;
  }
  thread_.join();
  tell_mistakes();
  Result<LookedThrough> result = std::move(*std::exchange(result_, std::nullopt));
  if (!result.ok()) {
    end(result.error());
    return false;
  }
  if (result->done.errors != 0) {
    end(result->done);
    return false;
  }
  ImportContent content;
  content.file = request_.file;
  content.agent = request_.agent;
  content.kind = request_.kind == ImportKind::slots ? "slots" : "readings";
  blocks_ = std::make_unique<ImportBlocks>(
      intake_, std::move(*result), std::move(content),
      [this](const ImportContent& what) { return entry_.note(what, loop_.clock().wall()); });
  return true;
}

void ImportJob::commit_some() {
  const Ns until = loop_.clock().boot() + kStep;
  do {
    const Result<bool> more = blocks_->step();
    if (!more.ok()) return end(more.error());
    if (!*more) return end(blocks_->done());
  } while (loop_.clock().boot() < until);
  tell_progress({true, blocks_->committed(), blocks_->done().readings});
  timer_ = loop_.after(0, [this] { step(); });
}

void ImportJob::tell_mistakes() {
  std::vector<Error> mistakes;
  {
    const std::lock_guard lock(mutex_);
    mistakes.swap(mistakes_);
  }
  for (Error& error : mistakes) listener_.mistake(named(std::move(error)));
}

void ImportJob::tell_progress(const ImportAt& at) {
  const Ns now = loop_.clock().boot();
  if (now < tell_next_) return;
  tell_next_ = now + kTellEvery;
  listener_.progress(at);
}

void ImportJob::end(const Result<Imported>& result) {
  over_ = true;
  const Result<Imported> told = result.ok() ? result : named(result.error());
  blocks_.reset();
  // Whoever owns this keeps it until the next import: what it holds of others ends here.
  fd_.reset();
  const ImportListener listener = std::exchange(listener_, {});
  listener.answer(told);
}

Error ImportJob::named(Error error) const {
  if (error.where.rfind(opened_, 0) == 0) error.where.replace(0, opened_.size(), request_.file);
  return error;
}

}  // namespace tallyman::rater
