// Given any bytes as a message of either side, then decoding ends with an error or a message that
// encodes to bytes that decode to the same.
#include <cstdint>
#include <cstdlib>

#include "wire/message.hpp"

namespace {

using namespace tallyman;
using namespace tallyman::wire;

template <typename Message>
void round_trip(const Result<Message>& message, Result<Message> (*decode)(ByteView)) {
  if (!message.ok()) return;
  const Result<Message> again = decode(encode(*message));
  if (!again.ok() || !(*again == *message)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  round_trip(decode_agent_message(bytes), decode_agent_message);
  round_trip(decode_rater_message(bytes), decode_rater_message);
  return 0;
}
