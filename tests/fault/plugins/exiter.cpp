// Ends its process in poll, with status 0.
#include <cstdlib>

#include "fault.hpp"

struct Exiter {
  static constexpr const char* name = "exiter";
  static void strike() { std::exit(0); }
};
TALLYMAN_PLUGIN(fault::Faulty<Exiter>);
