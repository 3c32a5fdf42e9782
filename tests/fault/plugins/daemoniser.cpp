// Leaves a daemon behind at every poll: its own session, no parent, no descriptor, deaf to SIGTERM
// and SIGHUP. Otherwise it behaves.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "fault.hpp"

struct Daemoniser {
  static constexpr const char* name = "daemoniser";
  static void strike() {
    const pid_t child = fork();
    if (child > 0) waitpid(child, nullptr, 0);
    if (child != 0) return;
    setsid();
    if (fork() != 0) _exit(0);
    for (int fd = 0; fd < 64; fd++) ::close(fd);
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    for (;;) pause();
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Daemoniser>);
