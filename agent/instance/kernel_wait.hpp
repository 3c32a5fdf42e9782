#pragma once
// A process that does not end although it is killed: which it is, and where in the kernel it waits.
// Only files of /proc are read that need no lock a process in that state may hold: stat, wchan,
// syscall, stack, and the links of its descriptors; not cmdline, maps or mem, which would wait for
// its memory, and so make its fate ours.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace tallyman::agent {

/// When a process was started, in the kernel's ticks since boot: with its pid and the boot id it
/// names a process for good. Nothing when there is none, or only a zombie.
[[nodiscard]] std::optional<std::uint64_t> start_time(pid_t pid);

struct KernelWait {
  pid_t pid = 0;
  char state = '?';   ///< as /proc says it: D = waits in the kernel, deaf to SIGKILL
  std::string words;  ///< "state D in request_wait_answer < …, system call statx"
};

/// Of `leader` and what descends from it the first that is in state D, any thread of it; else the
/// leader. Nothing when that is gone.
[[nodiscard]] std::optional<KernelWait> kernel_wait(pid_t leader);

/// "statx"; "system call 4711" where the number has no name here.
[[nodiscard]] std::string system_call_name(long number);

}  // namespace tallyman::agent
