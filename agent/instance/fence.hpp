#pragma once
// What must have ended before an instance may start another process: hosts that were killed and are
// still there, of this agent or of one before it.
//
// Which hosts run stands in the file `hosts` of the state directory, so that the next agent knows
// what the one before it may have left behind, however that ended. It is replaced as a whole at
// every start of a host, without a sync: no process outlives the kernel that has the bytes. Text:
//
//   boot BOOT_ID          32 hexadecimal digits; another one than now = all of it is over
//   agent PID START       who wrote it; while that process lives, the hosts are its own
//   host NAME PID START   START = field 22 of /proc/PID/stat
//
// A line that is not like this is passed over: the worst of a damaged file is a second copy.
//
// Rejected: a lock that hosts inherit, because whatever a plugin leaves behind would hold it, where
// there is no PID namespace to end it; pids in plugins.state, because that file is synced, and a
// host is started more often than a decision is made.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/loop.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"

namespace tallyman::agent {

/// Owned by the Agent; main thread.
class Fence {
 public:
  /// Something that was in an instance's way has ended: perhaps nothing is any more.
  using Ended = std::function<void(const std::string& instance)>;

  /// Reads `path`, kills what an agent that is gone left running, and holds it until it has ended.
  /// `files` and `loop` outlive this.
  Fence(app::EventLoop& loop, Files& files, std::string path, std::string boot, Ended ended);
  ~Fence();
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

  /// A host was started; it has ended and is reaped.
  void started(const std::string& instance, pid_t pid);
  void ended(pid_t pid) { forget(pid); }
  /// It was killed: until it has ended it is in its instance's way.
  void hold(const std::string& instance, pid_t pid);
  struct Entry {
    std::string instance;
    pid_t pid = 0;
  };
  /// All that are there, held or not.
  [[nodiscard]] std::vector<Entry> hosts() const;
  /// Who is in the instance's way; 0 = nobody.
  [[nodiscard]] pid_t in_the_way(const std::string& instance) const;

 private:
  struct Host {
    std::string instance;
    pid_t pid = 0;
    std::uint64_t started = 0;
    Fd notice{};             ///< a pidfd, while it is held
    app::WatchId watch = 0;  ///< likewise
  };

  void read();
  void write();
  void watch(Host& host);
  void forget(pid_t pid);

  app::EventLoop& loop_;
  Files& files_;
  std::string path_;
  std::string boot_;
  Ended ended_;
  std::vector<std::unique_ptr<Host>> hosts_;
  bool complained_ = false;
};

}  // namespace tallyman::agent
