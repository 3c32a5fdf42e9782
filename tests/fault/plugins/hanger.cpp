// Never returns from poll, and burns its core meanwhile.
#include "fault.hpp"

struct Hanger {
  static constexpr const char* name = "hanger";
  static void strike() {
    for (volatile std::uint64_t turns = 0;;) turns = turns + 1;
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Hanger>);
