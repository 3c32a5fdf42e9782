// Given any bytes as a batch, as they are and with their checksums mended, then decoding ends with
// an error or a batch within its limits that encodes to an equal one.
#include <cstdint>
#include <cstdlib>

#include "base/hash.hpp"
#include "wire/batch.hpp"
#include "wire/frame.hpp"

namespace {

using namespace tallyman;
using namespace tallyman::wire;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Gives every frame, as far as the lengths lead, the checksum it should have.
Bytes with_good_checksums(ByteView bytes) {
  Bytes out(bytes.begin(), bytes.end());
  std::size_t at = 0;
  while (out.size() - at >= kFrameOverhead) {
    const std::size_t length = ByteReader(ByteView(out).subspan(at + 4)).u32();
    if (length > out.size() - at - kFrameOverhead) break;
    const std::uint32_t crc = crc32c(ByteView(out).subspan(at + 4, length + 5));
    for (unsigned i = 0; i < 4; ++i) out[at + i] = static_cast<std::uint8_t>(crc >> (8 * i));
    at += kFrameOverhead + length;
  }
  return out;
}

void decode(ByteView bytes) {
  const Result<BatchHead> head = decode_batch_head(bytes);
  const Result<Batch> batch = decode_batch(bytes);
  if (!batch.ok()) return;
  require(head.ok() && *head == batch->head);
  for (const Entry& entry : batch->entries) require(check_entry(entry).ok());
  const Result<Batch> again = decode_batch(encode_batch(*batch));
  require(again.ok() && again->head == batch->head && again->entries == batch->entries &&
          again->seal.watermark == batch->seal.watermark);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  decode(bytes);
  decode(with_good_checksums(bytes));
  if (const auto at = find_marker(bytes)) require(*at + kFrameOverhead + kMarker.size() <= size);
  const Result<Definition> definition = decode_definition(bytes);
  if (definition.ok()) {
    const Result<Definition> again = decode_definition(encode_definition(*definition));
    require(again.ok() && *again == *definition);
  }
  return 0;
}
