#pragma once
// Files that a plugin's user must read or execute, whoever may reach them.

#include <sys/stat.h>

#include <map>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace tallyman::agent {

/// Hands out descriptors. A file whose modes keep everybody else out (built under umask 077, say)
/// is handed out as a sealed copy in memory, one for all until the file changes. Owned by
/// Isolation; main thread.
class ReadableFiles {
 public:
  /// Open for reading, close-on-exec. `rights`: S_IROTH, S_IXOTH, or both.
  [[nodiscard]] Result<Fd> open(const std::string& path, mode_t rights);

 private:
  struct Copy {
    struct stat of {};
    Fd fd;
  };
  std::map<std::string, Copy> copies_;
};

/// Whether a descriptor is of such a copy: no path leads to it.
[[nodiscard]] bool is_copy(int fd);

}  // namespace tallyman::agent
