// libraries: agent_core
// The scan of a spool segment: any bytes give places within them, each sequence number once.

#include <cstdlib>

#include "agent/spool/segment.hpp"

using namespace tallyman;
using namespace tallyman::agent;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(ByteView bytes, std::uint64_t last) {
  SegmentExpectation expect{"stor-01", {}, 1, last, {}};
  const SegmentScan scan = scan_segment(bytes, expect);
  require(scan.end <= bytes.size() && scan.preamble_end <= bytes.size());
  std::size_t batch = 0, damage = 0;
  std::uint64_t next = 1;
  while (batch < scan.batches.size() || damage < scan.damages.size()) {
    if (batch < scan.batches.size() && scan.batches[batch].first == next) {
      const BatchPlace& place = scan.batches[batch++];
      require(place.offset + place.size <= bytes.size());
      const Bytes own = batch_bytes(bytes.subspan(place.offset, place.size));
      require(wire::decode_batch(own).ok());
      next = place.last + 1;
    } else {
      require(damage < scan.damages.size() && scan.damages[damage].first == next);
      require(scan.damages[damage].offset + scan.damages[damage].size <= bytes.size());
      next = scan.damages[damage++].last + 1;
    }
  }
  if (scan.open) require(scan.open->head.sequence == next && scan.open->end <= bytes.size());
  if (last != 0) require(next == last + 1 && !scan.open);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size}, 0);
  check({data, size}, 9);
  return 0;
}
