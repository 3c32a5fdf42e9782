#pragma once
// The file of steering.hpp: read once, replaced as a whole off the main thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/instance/steering.hpp"
#include "agent/sync_thread.hpp"
#include "app/loop.hpp"
#include "base/files.hpp"

namespace tallyman::agent {

/// Owned by the Agent; main thread. Destroying it waits for a write that runs, and writes what
/// waits.
class SteeringFile {
 public:
  /// Reads `path`. A file that is not there, cannot be read or is damaged gives an empty table;
  /// `trouble` then says in one line what and where, but for one that is not there. `files` and
  /// `loop` outlive this.
  SteeringFile(app::EventLoop& loop, Files& files, std::string path);
  ~SteeringFile();

  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] const SteeringTable& table() const { return table_; }
  /// To change it; then save().
  [[nodiscard]] Steering& of(const std::string& instance) { return table_[instance]; }

  /// Makes the table as it is now durable, and then calls back, in a later turn of the loop; after
  /// an error the file holds what it held, or this. Saves that wait for the disk become one.
  using Done = std::function<void(const Status&)>;
  void save(Done done);
  /// Whether all that was to be saved has been called back.
  [[nodiscard]] bool idle() const { return waiting_.empty() && writing_.empty(); }

 private:
  void write();
  void written(const Status& result);

  app::EventLoop& loop_;
  Files& files_;
  std::string path_;
  std::string trouble_;
  SteeringTable table_;
  std::vector<Done> waiting_;           ///< for the next write
  std::vector<Done> writing_;           ///< for the one under way
  std::unique_ptr<SyncThread> thread_;  ///< from the first save on
};

}  // namespace tallyman::agent
