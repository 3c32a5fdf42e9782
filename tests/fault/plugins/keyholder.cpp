// Needs a capability, a path to read and one to write, and proves at every poll that it has them:
// it reads and writes in a folder that is closed to its user.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Keyholder {
 public:
  static constexpr const char *name = "keyholder", *version = "1.0";
  static constexpr tm_metric metrics[] = {
      tp::gauge("keyholder_bytes", "bytes", "Read of the file")};
  static constexpr tm_option options[] = {tp::required("in", "a file to read"),
                                          tp::required("out", "a file to write")};
  static constexpr tm_needs needs = tp::needing(
      {.capabilities = tp::list<"CAP_DAC_OVERRIDE">, .paths = tp::list<"@in", "+@out">});

  explicit Keyholder(tp::Host host) : in_(host.option("in")), out_(host.option("out")) {}
  void poll(tp::Poll& poll) {
    char buffer[256];
    const ssize_t n = with(in_, O_RDONLY, [&](int fd) { return read(fd, buffer, sizeof buffer); });
    with(out_, O_WRONLY | O_CREAT | O_APPEND, [](int fd) { return write(fd, "x\n", 2); });
    poll.emit({.metric = 0, .value = static_cast<std::uint64_t>(n)});
  }

 private:
  template <typename Function>
  static ssize_t with(const std::string& path, int flags, Function function) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
    const ssize_t n = fd < 0 ? -1 : function(fd);
    const int problem = errno;
    if (fd >= 0) close(fd);
    if (n < 0) throw std::system_error(problem, std::system_category(), path);
    return n;
  }

  std::string in_, out_;
};
TALLYMAN_PLUGIN(Keyholder);
