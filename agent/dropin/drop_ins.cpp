#include "agent/dropin/drop_ins.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "agent/instance/plugin_files.hpp"
#include "app/log.hpp"
#include "base/files.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

// Between two looks that nothing asked for.
constexpr Ns kSlowLook = 10 * kSecond;
// While something is written, or about to be gone.
constexpr Ns kBusyLook = 250 * kMillisecond;
// Several events of one writer cost one look.
constexpr Ns kSoon = 20 * kMillisecond;
// Children at a time: one that hangs must not make the others wait.
constexpr std::size_t kAtOnce = 4;
constexpr std::size_t kMostFiles = 256;
// What was there at first is awaited so long.
constexpr Ns kPatience = 2 * kExaminationDeadline;

Ns instant(const timespec& t) { return t.tv_sec * kSecond + t.tv_nsec; }

FileStamp stamp_of(const struct stat& look, const struct stat& folder) {
  FileStamp stamp;
  stamp.device = look.st_dev;
  stamp.inode = look.st_ino;
  stamp.size = static_cast<std::uint64_t>(look.st_size);
  stamp.mode = look.st_mode;
  stamp.owner = look.st_uid;
  stamp.folder_mode = folder.st_mode;
  stamp.folder_owner = folder.st_uid;
  stamp.modified = instant(look.st_mtim);
  stamp.changed = instant(look.st_ctim);
  return stamp;
}

}  // namespace

DropIns::DropIns(app::EventLoop& loop, PluginStore& store, const std::string& plugin_host,
                 std::vector<std::string> folders, Handlers handlers)
    : loop_(loop),
      store_(store),
      plugin_host_(plugin_host),
      folders_(std::move(folders)),
      handlers_(std::move(handlers)),
      began_(loop.clock().boot()) {
  watch_ = std::make_unique<FolderWatch>(loop_, folders_,
                                         FolderWatch::Handlers{[this] { look_soon(); },
                                                               [this](const std::string& path) {
                                                                 const std::string file =
                                                                     fs::path(path).filename();
                                                                 if (!plugin_of(file).empty())
                                                                   settling_.whole(path);
                                                               }});
  if (!watch_->trouble().empty()) log::warning("{}", watch_->trouble());
  const SettlingFiles::Seen seen = list();
  for (const auto& entry : seen) awaited_.insert(entry.first);
  settling_.look(seen, loop_.clock().boot());
  look_soon();
}

DropIns::~DropIns() { loop_.cancel(timer_); }

void DropIns::keep(const std::string& path, const PluginVersion& version) {
  struct stat look {};
  if (lstat(path.c_str(), &look) != 0) return;
  files_[path] = {plugin_of(fs::path(path).filename().string()), version, ""};
}

void DropIns::again() {
  settling_.again();
  look_soon();
}

void DropIns::look_soon() {
  const Ns due = loop_.clock().boot() + kSoon;
  if (timer_ != 0 && due_ <= due) return;
  loop_.cancel(timer_);
  due_ = due;
  timer_ = loop_.after(kSoon, [this] { look(); });
}

void DropIns::look() {
  loop_.cancel(std::exchange(timer_, 0));
  watch_->refresh();
  const Ns boot = loop_.clock().boot();
  settling_.look(list(), boot);
  if (boot - began_ > kPatience) awaited_.clear();
  for (const std::string& path : settling_.take(boot, writer_of)) waiting_.insert(path);
  for (const std::string& path : settling_.gone(boot)) {
    waiting_.erase(path);
    awaited_.erase(path);
    const auto found = files_.find(path);
    if (found == files_.end()) continue;
    const DropIn was = std::move(found->second);
    files_.erase(found);
    handlers_.gone(path, was);
  }
  next();
  const Ns wait = settling_.unsettled() ? kBusyLook : kSlowLook;
  if (timer_ != 0) return;
  due_ = boot + wait;
  timer_ = loop_.after(wait, [this] { look(); });
}

SettlingFiles::Seen DropIns::list() {
  SettlingFiles::Seen seen;
  std::string crowd;
  for (const std::string& folder : folders_) {
    struct stat around {};
    if (stat(folder.c_str(), &around) != 0) continue;
    std::error_code problem;
    for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
         at.increment(problem)) {
      if (plugin_of(at->path().filename().string()).empty()) continue;
      if (seen.size() >= kMostFiles) {
        crowd =
            "only " + std::to_string(kMostFiles) + " plugins are looked at, more are in " + folder;
        break;
      }
      const std::string path = folder + "/" + at->path().filename().string();
      struct stat look {};
      if (lstat(path.c_str(), &look) == 0) seen[path] = stamp_of(look, around);
    }
  }
  if (std::exchange(crowd_, crowd) != crowd && !crowd.empty()) handlers_.event("", crowd);
  return seen;
}

void DropIns::next() {
  while (!waiting_.empty() && under_way_.size() < kAtOnce) {
    const auto free = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const auto& path) { return !under_way_.contains(path); });
    if (free == waiting_.end()) return;
    const auto taken = waiting_.extract(free);
    begin(taken.value());
  }
}

void DropIns::begin(const std::string& path) {
  DropIn& file = files_[path];
  file.name = plugin_of(fs::path(path).filename().string());
  if (!handlers_.wanted(path)) {
    file.refused.clear();
    awaited_.erase(path);
    return;
  }
  under_way_[path] = nullptr;
  auto done = [this, path, alive = std::weak_ptr<bool>(alive_)](const auto& version) {
    if (!alive.expired()) stored(path, version);
  };
  store_.admit_later(path, Trust::owner, std::move(done));
}

void DropIns::stored(const std::string& path, const Result<PluginVersion>& version) {
  const auto file = files_.find(path);
  const auto wanted = handlers_.wanted(path);
  if (file == files_.end() || !wanted || !settling_.as_taken(path)) return over(path);
  if (!version) {
    refuse(path, version.error().text());
    return over(path);
  }
  const PluginVersion& now = file->second.version;
  if (now && now->digest == (*version)->digest) {
    file->second.refused.clear();
    return over(path);
  }
  const Limits limits = wanted->empty() ? Limits{} : wanted->front().limits;
  under_way_[path] = std::make_unique<Examination>(
      loop_, plugin_host_, (*version)->path, limits,
      handlers_.confined(file->second.name, (*version)->path),
      [this, path, version = *version](const Result<Described>& described) {
        examined(path, version, described);
        over(path);
      });
}

// A file that was replaced meanwhile is looked at once more: what it was does not matter.
void DropIns::examined(const std::string& path, const PluginVersion& version,
                       const Result<Described>& described) {
  const auto wanted = handlers_.wanted(path);
  if (!files_.contains(path) || !wanted || !settling_.as_taken(path)) return;
  if (!described) {
    std::string why = described.error().text();
    // It was loaded from the copy; people know the file.
    for (std::size_t at = 0; (at = why.find(version->path, at)) != std::string::npos;) {
      why.replace(at, version->path.size(), path);
      at += path.size();
    }
    return refuse(path, why);
  }
  for (const InstanceConfig& config : *wanted) {
    if (Status fit = check_admission(*described, config); !fit.ok()) {
      return refuse(path, fit.error().text());
    }
  }
  admit(path, version);
}

void DropIns::admit(const std::string& path, const PluginVersion& version) {
  DropIn& file = files_[path];
  file.refused.clear();
  file.version = version;
  handlers_.admitted(path);
}

void DropIns::refuse(const std::string& path, const std::string& why) {
  DropIn& file = files_[path];
  if (std::exchange(file.refused, why) == why) return;
  handlers_.event(file.name, "not admitted: " + (why.starts_with(path) ? why : path + ": " + why));
}

void DropIns::over(const std::string& path) {
  under_way_.erase(path);
  awaited_.erase(path);
  next();
}

Result<PluginVersion> DropIns::version_of(const std::string& path) {
  DropIn& file = files_[path];
  file.name = plugin_of(fs::path(path).filename().string());
  if (file.version) return file.version;
  if (writer_of(path) == Writer::some) {
    return Error{"is being written", path, "it is looked at again when it is whole"};
  }
  Result<PluginVersion> version = store_.admit(path, Trust::owner);
  if (version) file.version = *version;
  return version;
}

}  // namespace tallyman::agent
