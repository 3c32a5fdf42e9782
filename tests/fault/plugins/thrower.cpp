// Throws what is no exception.
#include "fault.hpp"

struct Thrower {
  static constexpr const char* name = "thrower";
  static void strike() { throw 42; }
};
TALLYMAN_PLUGIN(fault::Faulty<Thrower>);
