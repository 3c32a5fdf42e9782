#include "wire/pack.hpp"

#include <zstd.h>

#include <string>

#include "wire/model.hpp"

namespace tallyman::wire {
namespace {

constexpr int kLevel = 3;  // zstd's own default

Error no_batch(const std::string& why) { return {"a packed batch " + why, "", ""}; }

}  // namespace

Bytes pack(ByteView batch) {
  Bytes out(batch.size());
  // It fails where the frame does not fit, which is where it would not be smaller.
  const std::size_t size =
      ZSTD_compress(out.data(), out.size(), batch.data(), batch.size(), kLevel);
  out.resize(ZSTD_isError(size) == 0 && size < batch.size() ? size : 0);
  return out;
}

Result<std::size_t> packed_size(ByteView frame) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR) return no_batch("is no zstd frame");
  if (size == ZSTD_CONTENTSIZE_UNKNOWN) return no_batch("does not name its size");
  if (size == 0 || size > kMaxBatchBytes) {
    return no_batch("claims " + std::to_string(size) + " bytes; 1 to " +
                    std::to_string(kMaxBatchBytes) + " are allowed");
  }
  return static_cast<std::size_t>(size);
}

Result<Bytes> unpack(ByteView frame) {
  const Result<std::size_t> size = packed_size(frame);
  if (!size.ok()) return size.error();
  const std::size_t length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(length) != 0) return no_batch("is cut short or damaged");
  if (length != frame.size()) return no_batch("is followed by other bytes");
  Bytes out(*size);
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) != 0) {
    return no_batch(std::string("does not unpack: ") + ZSTD_getErrorName(got));
  }
  if (got != out.size()) return no_batch("holds less than it claims");
  return out;
}

}  // namespace tallyman::wire
