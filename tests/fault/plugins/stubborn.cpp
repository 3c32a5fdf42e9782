// Ignores every signal that can be ignored, and does not return when it is told to go.
#include <unistd.h>

#include <csignal>

#include "fault.hpp"

namespace tp = tallyman::plugin;

struct Stubborn {
  static constexpr const char *name = "stubborn", *version = "1.0";
  static constexpr tm_metric metrics[] = {tp::gauge("stubborn_polls", "polls", "Good polls")};
  explicit Stubborn(tp::Host) {
    for (int signal = 1; signal < NSIG; signal++) std::signal(signal, SIG_IGN);
  }
  ~Stubborn() {
    for (;;) pause();
  }
  void poll(tp::Poll& poll) { poll.emit({.metric = 0, .value = good_++}); }

 private:
  std::uint64_t good_ = 0;
};
TALLYMAN_PLUGIN(Stubborn);
