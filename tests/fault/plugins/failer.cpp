// Fails a poll for good.
#include "fault.hpp"

struct Failer {
  static constexpr const char* name = "failer";
  static void strike() { throw fault::tp::Broken("the meter is unplugged"); }
};
TALLYMAN_PLUGIN(fault::Faulty<Failer>);
