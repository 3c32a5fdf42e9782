// sources: plugins/netif/link_dump.cpp plugins/netif/tracker.cpp plugins/netif/tracker_state.cpp
// Whatever bytes a state holds: a state or a fault; a state read can be written, and read again it
// is the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "netif/tracker.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto decoded = netif::decode_state(netif::kStateVersion, {data, size});
  const auto* state = std::get_if<netif::State>(&decoded);
  if (state == nullptr) return 0;
  const auto encoded = netif::encode_state(*state);
  const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&encoded);
  if (bytes == nullptr) return 0;
  const auto again = netif::decode_state(netif::kStateVersion, *bytes);
  if (!std::holds_alternative<netif::State>(again)) std::abort();
  const auto& back = std::get<netif::State>(again);
  if (back.coarse == state->coarse && !(back == *state)) std::abort();
  return 0;
}
