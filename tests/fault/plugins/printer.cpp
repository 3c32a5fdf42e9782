// Prints a gigabyte in a poll, to stdout and to stderr; otherwise it behaves.
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "fault.hpp"

struct Printer {
  static constexpr const char* name = "printer";
  static void strike() {
    std::string lines;
    while (lines.size() < std::size_t{64} << 10U) lines += "this is not worth keeping\n";
    for (std::size_t printed = 0; printed < std::size_t{1} << 30U; printed += lines.size()) {
      const int to = printed / lines.size() % 2 == 0 ? STDOUT_FILENO : STDERR_FILENO;
      if (::write(to, lines.data(), lines.size()) < 0) {
        throw std::system_error(errno, std::system_category(), "print");
      }
    }
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Printer>);
