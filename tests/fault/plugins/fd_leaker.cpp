// Leaves two descriptors open at every poll; otherwise it behaves.
#include <fcntl.h>

#include <cerrno>
#include <system_error>

#include "fault.hpp"

struct FdLeaker {
  static constexpr const char* name = "fd_leaker";
  static void strike() {
    for (int i = 0; i < 2; i++) {
      if (::open("/dev/null", O_RDONLY) < 0) {
        throw std::system_error(errno, std::system_category(), "/dev/null");
      }
    }
  }
};
TALLYMAN_PLUGIN(fault::Faulty<FdLeaker>);
