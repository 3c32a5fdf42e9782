// Given any bytes as a message of either side, then decoding ends with an error or a message that
// encodes to bytes that decode to the same; and a packed batch unpacks to what packs again, or to
// an error.
#include <cstdint>
#include <cstdlib>

#include "wire/message.hpp"
#include "wire/pack.hpp"

namespace {

using namespace tallyman;
using namespace tallyman::wire;

template <typename Message>
void round_trip(const Result<Message>& message, Result<Message> (*decode)(ByteView)) {
  if (!message.ok()) return;
  const Result<Message> again = decode(encode(*message));
  if (!again.ok() || !(*again == *message)) std::abort();
}

void unpack_again(ByteView frame) {
  const Result<Bytes> batch = unpack(frame);
  if (!batch.ok()) return;
  if (batch->empty() || batch->size() > kMaxBatchBytes) std::abort();
  const Bytes packed = pack(*batch);
  if (!packed.empty() && !(*unpack(packed) == *batch)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const Result<AgentMessage> to_rater = decode_agent_message(bytes);
  round_trip(to_rater, decode_agent_message);
  if (to_rater.ok()) {
    if (const auto* packed = std::get_if<PackedBatch>(&*to_rater)) unpack_again(packed->frame);
  }
  (void)message_weight(bytes);
  round_trip(decode_rater_message(bytes), decode_rater_message);
  return 0;
}
