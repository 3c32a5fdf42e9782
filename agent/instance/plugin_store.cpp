#include "agent/instance/plugin_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/config.hpp"
#include "app/log.hpp"
#include "base/files.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigits = 16;  ///< of the digest, in a copy's name
constexpr std::string_view kEnding = ".so";
constexpr std::size_t kKept = 2;  ///< copies of a name
constexpr Ns kSyncAfter = kSecond;
constexpr std::uint64_t kMostBytes = 256U << 20U;

/// A name that fits into a file name, whatever the plugin's file is called.
std::string name_of(const std::string& file) {
  const std::string name = plugin_name(file);
  return is_name(name) ? name : "plugin";
}

std::string copy_name(const std::string& name, const Hash& digest) {
  return name + "-" + to_hex(digest).substr(0, kDigits) + std::string(kEnding);
}

/// The name in a copy's file name; nothing for other files.
std::optional<std::string> name_in(const std::string& copy) {
  const std::size_t tail = 1 + kDigits + kEnding.size();
  if (copy.size() <= tail || copy.front() == '.' || !copy.ends_with(kEnding)) return std::nullopt;
  const std::size_t end = copy.size() - tail;
  if (copy[end] != '-') return std::nullopt;
  return copy.substr(0, end);
}

bool holds(const std::string& path, const Bytes& bytes) {
  const Result<Bytes> there = read_plugin(path, Trust::owner);
  return there && *there == bytes;
}

void set_time(const std::string& path, Ns wall) {
  const timespec at{static_cast<time_t>(wall / kSecond), static_cast<long>(wall % kSecond)};
  const std::array<timespec, 2> times{at, at};
  utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
}

Status write_all(const Fd& file, const Bytes& bytes, const std::string& path) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error("cannot write the copy", path, errno);
    done += static_cast<std::size_t>(n);
  }
  return {};
}

Status sync_copy(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid() && errno == ENOENT) return {};  // not needed any more
  if (!file.valid()) return errno_error("cannot open the copy", path, errno);
  if (fsync(file.get()) != 0) return errno_error("cannot make the copy durable", path, errno);
  return real_files().sync_directory(directory_of(path));
}

/// Whole under its name, or not there.
Status write_copy(const std::string& path, const Bytes& bytes, const std::string& writer) {
  const std::string temporary =
      directory_of(path) + "/." + fs::path(path).filename().string() + writer;
  const auto write = [&]() -> Status {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    const Fd file(open(temporary.c_str(), kFlags, 0600));
    if (!file.valid()) return errno_error("cannot make the copy", temporary, errno);
    if (Status done = write_all(file, bytes, temporary); !done.ok()) return done;
    if (fchmod(file.get(), 0444) != 0) {
      return errno_error("cannot let the copy be read", temporary, errno);
    }
    return real_files().rename(temporary, path);
  };
  Status done = write();
  if (!done.ok()) ::unlink(temporary.c_str());
  return done;
}

/// The version of what was read, and its copy. Any thread, with a writer's name of its own.
StoredPlugin copy_in(const std::string& directory, const std::string& trouble,
                     const std::string& file, const Bytes& bytes, Ns wall, const char* writer) {
  StoredPlugin stored{file, file, hash_of(bytes), trouble};
  if (!trouble.empty()) return stored;
  const std::string path = directory + "/" + copy_name(name_of(file), stored.digest);
  if (!holds(path, bytes)) {
    if (Status done = write_copy(path, bytes, writer); !done.ok()) {
      stored.note = "loaded from where it stands, without a copy: " + done.error().text();
      return stored;
    }
  }
  set_time(path, wall);
  stored.path = path;
  return stored;
}

struct Copy {
  std::string path, name;
  fs::file_time_type at;
  std::uint64_t bytes = 0;
};

/// Latest first.
std::vector<Copy> copies_in(const std::string& directory) {
  std::vector<Copy> found;
  std::error_code problem;
  for (fs::directory_iterator at(directory, problem), end; !problem && at != end;
       at.increment(problem)) {
    std::error_code gone;
    Copy copy{at->path(), name_in(at->path().filename().string()).value_or(""), {}, 0};
    if (copy.name.empty()) continue;
    copy.at = at->last_write_time(gone);
    if (!gone) copy.bytes = at->file_size(gone);
    if (!gone) found.push_back(std::move(copy));
  }
  std::sort(found.begin(), found.end(), [](const Copy& a, const Copy& b) {
    return a.at != b.at ? a.at > b.at : a.path < b.path;
  });
  return found;
}

std::string make_folder(const std::string& directory) {
  if (Status made = real_files().make_directories(directory); !made.ok()) {
    return made.error().text();
  }
  if (chmod(directory.c_str(), 0755) != 0) {
    return errno_error("cannot let plugins' copies be read", directory, errno).text();
  }
  struct statvfs mounted {};
  if (statvfs(directory.c_str(), &mounted) == 0 && (mounted.f_flag & ST_NOEXEC) != 0) {
    return directory + ": nothing can be run from this file system, which is mounted noexec";
  }
  return {};
}

}  // namespace

PluginStore::PluginStore(app::EventLoop& loop, std::string directory)
    : loop_(loop), directory_(std::move(directory)) {
  const std::string problem = make_folder(directory_);
  if (!problem.empty()) {
    trouble_ = "plugins are loaded from where they stand, without a copy: " + problem;
    log::warning("{}", trouble_);
    return;
  }
  std::error_code ignored;
  for (fs::directory_iterator at(directory_, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    // What an agent that was killed left half written.
    const std::string name = at->path().filename();
    if (name.starts_with('.')) ::unlink(at->path().c_str());
  }
}

PluginStore::~PluginStore() {
  thread_.reset();
  loop_.cancel(here_);
  loop_.cancel(sync_timer_);
}

Result<PluginVersion> PluginStore::admit(const std::string& file, Trust trust) {
  const Result<Bytes> bytes = read_plugin(file, trust);
  if (!bytes) return bytes.error();
  StoredPlugin stored =
      copy_in(directory_, trouble_, file, *bytes, loop_.clock().wall(), ".now.tmp");
  return admitted(std::move(stored));
}

void PluginStore::admit_later(const std::string& file, Trust trust, Admitted done) {
  auto stored = std::make_shared<Result<StoredPlugin>>(Error{});
  const Ns wall = loop_.clock().wall();
  submit({[directory = directory_, trouble = trouble_, file, trust, wall, stored]() -> Status {
            const Result<Bytes> bytes = read_plugin(file, trust);
            if (!bytes) *stored = bytes.error();
            if (!bytes) return {};
            *stored = copy_in(directory, trouble, file, *bytes, wall, ".later.tmp");
            return {};
          },
          [this, stored, done = std::move(done)] {
            if (!*stored) return done(stored->error());
            done(admitted(std::move(**stored)));
          }});
}

PluginVersion PluginStore::find(const std::string& file, const Hash& digest) {
  const std::string path = directory_ + "/" + copy_name(name_of(file), digest);
  const Result<Bytes> bytes = read_plugin(path, Trust::owner);
  if (!bytes || hash_of(*bytes) != digest) return nullptr;
  return hold({file, path, digest, ""});
}

PluginVersion PluginStore::hold(StoredPlugin stored) {
  PluginVersion version = std::make_shared<const StoredPlugin>(std::move(stored));
  std::erase_if(out_, [](const auto& held) { return held.expired(); });
  out_.push_back(version);
  if (version->path != version->file) {
    sync_soon(version->path);
  } else if (trouble_.empty()) {
    log::warning("{}: {}", version->file, version->note);
  }
  return version;
}

PluginVersion PluginStore::admitted(StoredPlugin stored) {
  PluginVersion version = hold(std::move(stored));
  tidy(name_of(version->file));
  return version;
}

bool PluginStore::in_use(const std::string& path) const {
  return std::any_of(out_.begin(), out_.end(), [&](const auto& held) {
    const PluginVersion version = held.lock();
    return version && version->path == path;
  });
}

// Of this name only; empty: of all.
void PluginStore::tidy(const std::string& only) {
  std::map<std::string, std::size_t> kept;
  std::uint64_t bytes = 0;
  for (const Copy& copy : copies_in(directory_)) {
    bytes += copy.bytes;
    const bool meant = only.empty() || copy.name == only;
    const bool one_more = meant && ++kept[copy.name] > kKept;
    if ((one_more || bytes > kMostBytes) && !in_use(copy.path)) {
      if (::unlink(copy.path.c_str()) == 0) bytes -= copy.bytes;
    }
  }
}

void PluginStore::sync_soon(const std::string& path) {
  (void)start_thread();  // now: who counts descriptors is not to find another one later
  unsynced_.insert(path);
  loop_.cancel(sync_timer_);
  sync_timer_ = loop_.after(kSyncAfter, [this] {
    tidy("");
    for (const std::string& copy : std::exchange(unsynced_, {})) {
      submit({[copy] { return sync_copy(copy); }, nullptr});
    }
  });
}

void PluginStore::submit(Task task) {
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) next();
}

void PluginStore::next() {
  if (tasks_.empty()) return;
  if (Status started = start_thread(); !started.ok()) return run_here(started.error());
  SyncJob job;
  job.run = tasks_.front().run;
  thread_->submit(std::move(job));
}

Status PluginStore::start_thread() {
  if (thread_) return {};
  auto started =
      SyncThread::start(loop_, [this](const SyncJob&, const Status& result) { finished(result); });
  if (!started) return started.error();
  thread_ = std::move(*started);
  return {};
}

// Without a thread it takes its time, but it is done.
void PluginStore::run_here(const Error& why) {
  log::warning("{}", why.text());
  here_ = loop_.after(0, [this] { finished(tasks_.front().run()); });
}

void PluginStore::finished(const Status& result) {
  if (!result.ok()) log::warning("{}", result.error().text());
  const Task task = std::move(tasks_.front());
  tasks_.pop_front();
  next();  // first: what is submitted from within done() must not be begun twice
  if (task.done) task.done();
}

}  // namespace tallyman::agent
