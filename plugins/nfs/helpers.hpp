#pragma once
// Looks at folders in processes of their own, one a folder, so that one that hangs costs itself
// alone. A process that does not end when it is killed (it waits in the kernel) is remembered, and
// nobody else is sent to its folder before it has ended. Owned by the plugin; the host's thread,
// which must be the only one: processes are forked without exec.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "stored.hpp"

namespace nfs {

struct HelperLimits {
  std::size_t at_once = 4;
  std::size_t stuck = 8;  ///< so many that do not die, and nothing more is looked at
  std::chrono::milliseconds each{2000};
};

class Helpers {
 public:
  using Look = std::function<Measured(const std::string&)>;
  using Time = std::chrono::steady_clock::time_point;

  explicit Helpers(HelperLimits limits);
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  ~Helpers();

  /// One measure a path, in their order, by `until`. Looks first at those that answered the last
  /// time: others do not keep them from being looked at.
  [[nodiscard]] std::vector<Measured> run(const std::vector<std::string>& paths, const Look& look,
                                          Time until);

 private:
  struct Running;
  class Round;
  void reap();

  const HelperLimits limits_;
  std::set<std::string> silent_;  ///< those that did not answer the last time
  /// Not waited for yet: those that were killed with their path, those that have said all without.
  std::map<pid_t, std::string> leaving_;
};

}  // namespace nfs
