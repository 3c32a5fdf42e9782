#include "agent/host/init.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "agent/host_protocol.hpp"
#include "base/footprint.hpp"

namespace tallyman::host {
namespace {

[[noreturn]] void reap_until(pid_t plugin) {
  // The agent learns from these that the plugin's process is gone: it must be the only one to hold
  // them.
  for (int fd :
       {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, kHostSocket, kHostPlugin, kHostRuleset}) {
    close(fd);
  }
  give_back_what_the_start_took();
  for (;;) {
    ExitReport report;
    rusage used{};
    const pid_t ended = wait4(-1, &report.status, 0, &used);
    if (ended < 0 && errno == EINTR) continue;
    if (ended >= 0 && ended != plugin) continue;
    report.peak_kibibyte = used.ru_maxrss;
    const bool told = ended == plugin && write(kHostReport, &report, sizeof report) > 0;
    std::_Exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
  }
}

}  // namespace

void leave_first_process() {
  if (getpid() == 1) {
    const pid_t plugin = fork();
    if (plugin < 0) std::_Exit(EXIT_FAILURE);
    if (plugin > 0) reap_until(plugin);
  }
  close(kHostReport);
}

}  // namespace tallyman::host
