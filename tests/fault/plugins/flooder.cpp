// Emits ten million readings in a poll; a thousand refusals make it give in.
#include <stdexcept>

#include "fault.hpp"

namespace tp = tallyman::plugin;

struct Flooder {
  static constexpr const char *name = "flooder", *version = "1.0";
  static constexpr tm_metric metrics[] = {tp::gauge("flooder_drops", "drops", "Far too many")};

  explicit Flooder(tp::Host) {}
  void poll(tp::Poll& poll) {
    std::uint64_t refused = 0;
    for (std::int64_t i = 0; i < 10'000'000 && refused < 1000; i++) {
      try {
        poll.emit({.metric = 0, .value = 1, .time = poll.scheduled() - i});
      } catch (const std::exception&) {
        ++refused;
      }
    }
  }
};
TALLYMAN_PLUGIN(Flooder);
