// Asks for a file in a folder, which need not be there: sleeps in the kernel, deaf to SIGKILL
// (state D), while the file system does not answer.
#include <sys/stat.h>

#include "fault.hpp"

namespace tp = tallyman::plugin;

class Sleeper {
 public:
  static constexpr const char *name = "sleeper", *version = "1.0";
  static constexpr tm_metric metrics[] = {tp::gauge("sleeper_polls", "polls", "Good polls")};
  static constexpr tm_option options[] = {tp::option("path", "/", "the folder")};
  // The test's folder is its own user's alone.
  static constexpr tm_needs needs =
      tp::needing({.capabilities = tp::list<"CAP_DAC_READ_SEARCH">, .paths = tp::list<"@path">});
  explicit Sleeper(tp::Host host) : path_(host.option("path") + "/nothing") {}
  void poll(tp::Poll& poll) {
    struct stat status {};
    (void)!::stat(path_.c_str(), &status);
    poll.emit({.metric = 0, .value = good_++});
  }

 private:
  std::string path_;
  std::uint64_t good_ = 0;
};
TALLYMAN_PLUGIN(Sleeper);
