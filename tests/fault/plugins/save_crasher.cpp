// Polls well, and aborts when it is to save its state.
#include <cstdlib>

#include "fault.hpp"

namespace tp = tallyman::plugin;

struct SaveCrasher {
  static constexpr const char *name = "save_crasher", *version = "1.0";
  static constexpr tm_metric metrics[] = {tp::gauge("save_crasher_polls", "polls", "Good polls")};
  static constexpr std::uint32_t state_version = 1;
  explicit SaveCrasher(tp::Host) {}
  void poll(tp::Poll& poll) { poll.emit({.metric = 0, .value = 1}); }
  void save(tp::StateWriter&) const { std::abort(); }
  void restore(std::uint32_t, std::span<const std::byte>) {}
};
TALLYMAN_PLUGIN(SaveCrasher);
