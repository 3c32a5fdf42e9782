// Aborts while it is loaded, before anybody could ask what it is.
#include <cstdlib>

#include "fault.hpp"

namespace {
struct AtLoad {
  AtLoad() { std::abort(); }
} at_load;
}  // namespace

struct CtorCrasher {
  static constexpr const char* name = "ctor_crasher";
  static void strike() {}
};
TALLYMAN_PLUGIN(fault::Faulty<CtorCrasher>);
