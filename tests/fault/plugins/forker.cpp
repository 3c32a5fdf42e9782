// Forks in poll, and each child once more, out of the session: they wait for ever.
#include <unistd.h>

#include "fault.hpp"

struct Forker {
  static constexpr const char* name = "forker";
  static void strike() {
    for (int i = 0; i < 30; i++) {
      if (fork() != 0) continue;
      if (fork() == 0) setsid();
      for (;;) pause();
    }
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Forker>);
