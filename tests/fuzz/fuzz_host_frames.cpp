// Given any bytes as the stream between agent and plugin host, then cutting and decoding end
// without a fault, and what decodes encodes to bytes that decode to the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "agent/host_protocol.hpp"

namespace {

using namespace tallyman;
using namespace tallyman::agent;

template <typename Frame>
void round_trip(const Frame& frame, Result<Frame> (*decode)(ByteView)) {
  const Bytes bytes = encode_frame(frame);
  const Result<Frame> again = decode(ByteView(bytes).subspan(4));
  if (!again || !(*again == frame)) std::abort();
}

void decode_both(ByteView body) {
  if (const auto frame = decode_to_host(body)) round_trip(*frame, decode_to_host);
  if (const auto frame = decode_from_host(body)) round_trip(*frame, decode_from_host);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  decode_both(input);
  FrameCutter cutter;
  for (std::size_t at = 0; at < size; at += 7) {
    cutter.feed(input.subspan(at, std::min<std::size_t>(7, size - at)));
    for (;;) {
      const auto body = cutter.next();
      if (!body) return 0;
      if (!*body) break;
      decode_both(**body);
    }
  }
  return 0;
}
