// Aborts in poll, with a reading already emitted.
#include <cstdlib>

#include "fault.hpp"

struct Crasher {
  static constexpr const char* name = "crasher";
  static void strike() { std::abort(); }
};
TALLYMAN_PLUGIN(fault::Faulty<Crasher>);
