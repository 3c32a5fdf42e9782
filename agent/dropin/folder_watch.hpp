#pragma once
// Folders watched by inotify. They may not exist yet, vanish, and be made again.

#include <functional>
#include <string>
#include <vector>

#include "app/loop.hpp"
#include "base/fd.hpp"

namespace tallyman::agent {

/// A help, no guarantee: whoever uses it looks into the folders from time to time all the same.
/// Owned by DropIns; main thread.
class FolderWatch {
 public:
  struct Handlers {
    /// Something in or about the folders changed, or may have: look into them.
    std::function<void()> changed;
    /// A file that was written has been closed, or one was moved in whole.
    std::function<void(const std::string& path)> whole;
  };
  /// Absolute folders. Where one is not there, the nearest folder above it is watched.
  FolderWatch(app::EventLoop& loop, const std::vector<std::string>& folders, Handlers handlers);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// Watches anew whatever was put in a folder's place unseen; `changed` is not called.
  void refresh();
  /// Why nothing is watched; empty when it is.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Watched {
    std::string folder;
    std::string below;  ///< the name awaited in a folder above; empty when it is watched itself
    int number = -1;    ///< inotify's; several may share one
  };
  void arm(Watched& watched);
  void let_go(int number);
  void take();
  void on_event(int number, unsigned what, const std::string& name);

  app::EventLoop& loop_;
  Handlers handlers_;
  std::vector<Watched> folders_;
  std::string trouble_;
  Fd inotify_;
  app::WatchId watch_ = 0;
};

}  // namespace tallyman::agent
