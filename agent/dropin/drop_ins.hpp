#pragma once
// Plugins that people place into a folder while the agent runs: noticed, left alone until they are
// whole, copied into the store, examined in a child, and then admitted or refused.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/dropin/examination.hpp"
#include "agent/dropin/folder_watch.hpp"
#include "agent/dropin/settling.hpp"
#include "agent/instance/plugin_store.hpp"
#include "app/loop.hpp"

namespace tallyman::agent {

/// What is known of one file.
struct DropIn {
  std::string name;       ///< of the plugin: the file's, without .so
  PluginVersion version;  ///< admitted last; null = none yet
  std::string refused;    ///< why what is there now is not admitted; empty = it is, or is looked at
};

/// Owned by the Agent; main thread.
class DropIns {
 public:
  struct Handlers {
    /// The configurations that a plugin of this file must fit; nothing when it is not to be run,
    /// and so not to be loaded.
    std::function<std::optional<std::vector<InstanceConfig>>(const std::string& path)> wanted;
    /// Another version than before may run.
    std::function<void(const std::string& path)> admitted;
    std::function<void(const std::string& path, const DropIn& was)> gone;
    std::function<void(const std::string& name, const std::string& what)> event;
    /// What the plugin `name` is confined to while its file is looked at: it is granted nothing.
    std::function<Result<Confinement>(const std::string& name, const std::string& path)> confined;
  };
  /// Begins to look at what is there. `loop`, `store` and `plugin_host` outlive this.
  DropIns(app::EventLoop& loop, PluginStore& store, const std::string& plugin_host,
          std::vector<std::string> folders, Handlers handlers);
  ~DropIns();
  DropIns(const DropIns&) = delete;
  DropIns& operator=(const DropIns&) = delete;

  /// Takes as admitted what was before an exec of the agent's program, if it is still there.
  void keep(const std::string& path, const PluginVersion& version);
  /// Nothing is being examined.
  [[nodiscard]] bool idle() const { return under_way_.empty(); }
  /// Looks at everything again: what is wanted may have changed. What is admitted stays so.
  void again();

  /// By path.
  [[nodiscard]] const std::map<std::string, DropIn>& files() const { return files_; }
  /// What of a file in these folders is to be run now. One that was not looked at yet is, but for
  /// what it declares, which its instance asks. An error says why there is none.
  [[nodiscard]] Result<PluginVersion> version_of(const std::string& path);
  /// The files that were there at first and are neither admitted nor refused yet; none after a
  /// while, since a file may be written for ever.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  [[nodiscard]] const std::string& trouble() const { return watch_->trouble(); }

 private:
  void look_soon();
  void look();
  [[nodiscard]] SettlingFiles::Seen list();
  void next();
  void begin(const std::string& path);
  void stored(const std::string& path, const Result<PluginVersion>& version);
  void examined(const std::string& path, const PluginVersion& version,
                const Result<Described>& described);
  void admit(const std::string& path, const PluginVersion& version);
  void refuse(const std::string& path, const std::string& why);
  void over(const std::string& path);

  app::EventLoop& loop_;
  PluginStore& store_;
  const std::string& plugin_host_;
  std::vector<std::string> folders_;
  Handlers handlers_;
  std::unique_ptr<FolderWatch> watch_;
  SettlingFiles settling_;
  std::map<std::string, DropIn> files_;
  std::set<std::string> awaited_;
  std::set<std::string> waiting_;  ///< for their turn to be examined
  std::map<std::string, std::unique_ptr<Examination>> under_way_;  ///< null while it is copied
  std::string crowd_;                                              ///< too many files: told once
  Ns began_;                                                       ///< boot instant
  Ns due_ = 0;                                                     ///< of the timer
  app::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for what the store calls back
};

}  // namespace tallyman::agent
