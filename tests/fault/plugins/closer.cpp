// Closes every descriptor it has, the one its host talks to the agent over among them.
#include <unistd.h>

#include "fault.hpp"

struct Closer {
  static constexpr const char* name = "closer";
  static void strike() {
    for (int fd = 0; fd < 64; fd++) ::close(fd);
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Closer>);
