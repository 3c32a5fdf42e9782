// Overwrites its stack, return addresses and all.
#include "fault.hpp"

struct Smasher {
  static constexpr const char* name = "smasher";
  // A sanitizer would only stop it earlier.
  [[gnu::noinline]] __attribute__((no_sanitize("address"))) static void strike() {
    volatile char here[16] = {};
    volatile char* at = here;
    for (int i = 0; i < 4096; i++) at[i] = static_cast<char>(i);
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Smasher>);
