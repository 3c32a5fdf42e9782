// Writes random bytes onto the descriptor its host talks to the agent over, and calls that a good
// poll.
#include <unistd.h>

#include <array>
#include <random>

#include "fault.hpp"

struct Garbler {
  static constexpr const char* name = "garbler";
  static void strike() {
    std::mt19937_64 random(3);
    std::array<std::uint64_t, 512> bytes;
    for (std::uint64_t& word : bytes) word = random();
    if (::write(3, bytes.data(), sizeof bytes) < 0) throw fault::tp::RetryLater("nothing on 3");
  }
};
TALLYMAN_PLUGIN(fault::Faulty<Garbler>);
