#include "agent/isolation/bound.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tallyman::agent {

Capabilities agent_capabilities() {
  Capabilities out = 0;
  for (const char* name : {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
                           "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_SYS_ADMIN",
                           "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"}) {
    out |= capability(*capability_number(name));
  }
  return out;
}

void give_up_capabilities(Capabilities granted) {
  const Capabilities kept = agent_capabilities() | granted;
  // What cannot be dropped from the bound stays: an agent without CAP_SETPCAP has little anyway.
  for (unsigned i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
    if ((kept & capability(i)) == 0) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  if (syscall(SYS_capget, &header, sets) != 0) return;
  for (unsigned half = 0; half < 2; half++) {
    const auto bits = static_cast<std::uint32_t>(kept >> (32 * half));
    sets[half].effective &= bits;
    sets[half].permitted &= bits;
    sets[half].inheritable &= bits;
  }
  syscall(SYS_capset, &header, sets);
}

}  // namespace tallyman::agent
