#pragma once
// Plugins as they are run: copies of their files, named by what is in them.
//
// A host loads the copy, never the file that was found. So the digest in a batch is that of the
// bytes that ran; a file that is overwritten in place changes nothing under the plugin that runs;
// and the version before is still there to go back to.
//
// The folder plugins/ in the state directory (mode 0755) holds NAME-DIGEST.so (mode 0444), DIGEST
// being the first 16 hex digits of the BLAKE2b-256 of its bytes, and its time of modification the
// instant at which it was last admitted. A copy is believed only after its bytes were compared, or
// hashed: after a power loss it may be empty, and is then written anew.
//
// Of each name the two copies admitted last stay, and whatever is in use; of all together 256 MiB,
// the longest unadmitted going first. What an admission makes one too many of its name goes at
// once; of the other names, what is let go of goes when the copies are synced: by then everybody
// holds what they run, who may not have at a start.
//
// Where there can be no copy (a full disk, a file system mounted noexec) the file itself is loaded,
// and the version says why: a plugin that might be overwritten under way meters better than none.
//
// Copies are synced once a second has passed without another. Rejected: waiting for that before the
// plugin is started, because a slow disk would then cost polls, and no copy is believed unchecked;
// hard links, because overwriting in place would change them too; memfds, because neither the
// version before nor the one in force would outlive the agent.

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/instance/plugin_files.hpp"
#include "agent/sync_thread.hpp"
#include "app/loop.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// One version of a plugin.
struct StoredPlugin {
  std::string file;  ///< where it was found
  std::string path;  ///< what a host is to load: the copy, or `file` when there could be none
  Hash digest{};     ///< BLAKE2b-256 of the bytes
  std::string note;  ///< why it is no copy; empty when it is one
};

/// Whoever holds it keeps the copy from being removed. Never null where it is a result.
using PluginVersion = std::shared_ptr<const StoredPlugin>;

/// Owned by the Agent; main thread.
class PluginStore {
 public:
  /// Makes the folder, if it is not there. `loop` outlives this.
  PluginStore(app::EventLoop& loop, std::string directory);
  ~PluginStore();
  PluginStore(const PluginStore&) = delete;
  PluginStore& operator=(const PluginStore&) = delete;

  /// Reads `file` (see read_plugin) and gives its version, at once; the copy becomes durable soon.
  /// An error when the file is not fit; what stands in the way of a copy is no error, but a note.
  [[nodiscard]] Result<PluginVersion> admit(const std::string& file, Trust trust);

  /// The same off the main thread, for what may wait: calls back in a later turn of the loop; not
  /// at all once this is destroyed.
  using Admitted = std::function<void(const Result<PluginVersion>&)>;
  void admit_later(const std::string& file, Trust trust, Admitted done);

  /// The copy of `file` with this digest, its bytes checked; null when there is none.
  [[nodiscard]] PluginVersion find(const std::string& file, const Hash& digest);

  /// A version that is known from elsewhere: what this agent ran before an exec of its program.
  [[nodiscard]] PluginVersion hold(StoredPlugin stored);
  /// Nothing is being copied.
  [[nodiscard]] bool idle() const { return tasks_.empty(); }

  /// Why there can be no copies at all; may be empty.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Task {
    std::function<Status()> run;  ///< on the thread
    std::function<void()> done;
  };
  [[nodiscard]] bool in_use(const std::string& path) const;
  [[nodiscard]] PluginVersion admitted(StoredPlugin stored);
  void tidy(const std::string& only);
  void sync_soon(const std::string& path);
  void submit(Task task);
  void next();
  [[nodiscard]] Status start_thread();
  void run_here(const Error& why);
  void finished(const Status& result);

  app::EventLoop& loop_;
  std::string directory_;
  std::string trouble_;
  std::vector<std::weak_ptr<const StoredPlugin>> out_;
  std::deque<Task> tasks_;              ///< the first of them runs
  std::unique_ptr<SyncThread> thread_;  ///< from the first version on
  app::TimerId here_ = 0;
  std::set<std::string> unsynced_;
  app::TimerId sync_timer_ = 0;
};

}  // namespace tallyman::agent
