// Emits a metric that it does not declare.
#include "fault.hpp"

namespace tp = tallyman::plugin;

struct Undeclared {
  static constexpr const char *name = "undeclared", *version = "1.0";
  static constexpr tm_metric metrics[] = {tp::gauge("undeclared_drops", "drops", "The only one")};
  explicit Undeclared(tp::Host) {}
  void poll(tp::Poll& poll) { poll.emit({.metric = 7, .value = 1}); }
};
TALLYMAN_PLUGIN(Undeclared);
