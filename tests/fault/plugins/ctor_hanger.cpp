// Never comes back from being loaded.
#include <unistd.h>

#include "fault.hpp"

namespace {
struct AtLoad {
  AtLoad() {
    for (;;) pause();
  }
} at_load;
}  // namespace

struct CtorHanger {
  static constexpr const char* name = "ctor_hanger";
  static void strike() {}
};
TALLYMAN_PLUGIN(fault::Faulty<CtorHanger>);
