// Given any bytes as a chunk of slots, as they are and with their checksum mended, then decoding
// ends with an error or with slots that encode to a chunk of the same.
#include <cstdint>
#include <cstdlib>

#include "base/hash.hpp"
#include "rater/slots/slot_codec.hpp"

namespace {

using namespace tallyman;
using namespace tallyman::rater;

void require(bool condition) {
  if (!condition) std::abort();
}

void decode(ByteView bytes) {
  const Result<SlotArray> slots = decode_slots(bytes);
  if (!slots.ok()) return;
  require(slots->size() <= kMaxChunkSlots);
  const Bytes chunk = encode_slots(*slots);
  const Result<SlotArray> again = decode_slots(chunk);
  require(again.ok() && again->trimmed() == slots->trimmed());
  require(encode_slots(*again) == chunk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  decode({data, size});
  Bytes mended(data, data + size);
  const std::uint32_t crc = crc32c(mended);
  for (unsigned i = 0; i < 4; ++i) mended.push_back(static_cast<std::uint8_t>(crc >> (8 * i)));
  decode(mended);
  return 0;
}
