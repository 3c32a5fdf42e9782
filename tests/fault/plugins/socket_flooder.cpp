// Fills the descriptor its host talks to the agent over with log lines as fast as it can be
// written, for ever: frames as they should be, only without end.
#include <unistd.h>

#include <string>

#include "fault.hpp"

struct SocketFlooder {
  static constexpr const char* name = "socket_flooder";
  static void strike() {
    // u32 length of what follows · u8 type 21 · u8 level 1 · varint length · text
    std::string frame{"\x0f\0\0\0\x15\x01\x0cwords, words", 19};
    std::string frames;
    while (frames.size() < std::size_t{64} << 10U) frames += frame;
    while (::write(3, frames.data(), frames.size()) > 0) {
    }
  }
};
TALLYMAN_PLUGIN(fault::Faulty<SocketFlooder>);
