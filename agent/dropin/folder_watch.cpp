#include "agent/dropin/folder_watch.hpp"

#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.hpp"
#include "base/result.hpp"

namespace tallyman::agent {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;
// The same for every folder: one may stand above another, and inotify keeps one mask for it.
constexpr unsigned kMask = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                           IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// A folder may appear while one above it is about to be watched.
constexpr int kTries = 8;

}  // namespace

FolderWatch::FolderWatch(app::EventLoop& loop, const std::vector<std::string>& folders,
                         Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {
  for (const std::string& folder : folders) folders_.push_back({folder, "", -1});
  if (folders_.empty()) return;
  inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_.valid()) {
    trouble_ =
        errno_error("folders are looked into from time to time only: no inotify", "", errno).text();
    return;
  }
  watch_ = loop_.watch(inotify_.get(), true, false, [this](app::Ready) { take(); });
  refresh();
}

FolderWatch::~FolderWatch() {
  if (watch_ != 0) loop_.unwatch(watch_);
}

void FolderWatch::refresh() {
  if (!inotify_.valid()) return;
  for (Watched& watched : folders_) arm(watched);
}

void FolderWatch::arm(Watched& watched) {
  int number = -1;
  for (int i = 0; i < kTries; i++) {
    std::string at = watched.folder, below;
    number = inotify_add_watch(inotify_.get(), at.c_str(), kMask);
    while (number < 0 && (errno == ENOENT || errno == ENOTDIR) && at.size() > 1) {
      below = fs::path(at).filename().string();
      at = directory_of(at);
      number = inotify_add_watch(inotify_.get(), at.c_str(), kMask);
    }
    watched.below = below;
    if (number < 0) {
      trouble_ =
          errno_error("cannot watch the folder; it is looked into from time to time", at, errno)
              .text();
      break;
    }
    trouble_.clear();
    std::error_code unseen;
    if (below.empty() || !fs::exists(fs::path(at) / below, unseen)) break;
  }
  const int before = std::exchange(watched.number, number);
  if (before != number && before >= 0) let_go(before);
}

void FolderWatch::let_go(int number) {
  const bool used = std::any_of(folders_.begin(), folders_.end(),
                                [&](const Watched& other) { return other.number == number; });
  if (!used) inotify_rm_watch(inotify_.get(), number);
}

void FolderWatch::take() {
  alignas(inotify_event) std::array<char, 16U << 10U> buffer;
  const ssize_t n = read(inotify_.get(), buffer.data(), buffer.size());
  for (ssize_t at = 0; at < n;) {
    inotify_event event;
    std::memcpy(&event, buffer.data() + at, sizeof event);
    const char* name = buffer.data() + at + sizeof event;
    on_event(event.wd, event.mask, event.len == 0 ? "" : std::string(name));
    at += static_cast<ssize_t>(sizeof event + event.len);
  }
}

void FolderWatch::on_event(int number, unsigned what, const std::string& name) {
  if ((what & IN_Q_OVERFLOW) != 0) return handlers_.changed();
  bool touched = false;
  for (Watched& watched : folders_) {
    if (watched.number != number) continue;
    if ((what & kGone) != 0) {
      // A folder that was moved away is another one's: its number goes with it.
      if ((what & IN_IGNORED) != 0) watched.number = -1;
      arm(watched);
    } else if (!watched.below.empty()) {
      if (name != watched.below) continue;
      arm(watched);
    } else if ((what & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) {
      handlers_.whole(watched.folder + "/" + name);
    }
    touched = true;
  }
  if (touched) handlers_.changed();
}

}  // namespace tallyman::agent
