#include "agent/host/confine.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "agent/host_protocol.hpp"

namespace tallyman::host {

Status enter_ruleset() {
  // Kept open: the ruleset knows the entry as long as the kernel remembers it.
  const int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (self >= 0) {
    const landlock_path_beneath_attr rule{
        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, self};
    if (syscall(SYS_landlock_add_rule, kHostRuleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) != 0) {
      return errno_error("cannot keep its own /proc entry", "Landlock", errno);
    }
  }
  if (syscall(SYS_landlock_restrict_self, kHostRuleset, 0U) != 0) {
    return errno_error("cannot be confined", "Landlock", errno);
  }
  close(kHostRuleset);
  return {};
}

}  // namespace tallyman::host
