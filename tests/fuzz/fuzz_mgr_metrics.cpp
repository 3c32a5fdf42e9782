// sources: plugins/ceph/mgr_metrics.cpp plugins/ceph/mgr_book.cpp plugins/ceph/mgr_state.cpp
// Whatever a mgr answers: figures or a fault; told again, nothing of it counts anew.

#include "ceph/mgr_metrics.hpp"

#include <cstdint>
#include <cstdlib>

#include "ceph/mgr_book.hpp"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void require(bool condition) {
  if (!condition) std::abort();
}

void advance_twice(const ceph::MgrMetrics& metrics) {
  const auto first = ceph::advance({}, metrics, 1000 * kSecond, 15 * kSecond);
  for (const auto& image : first.images) require(image.life.start() == 0);
  for (const auto& pool : first.pools) require(pool.life.start() == 0);
  ceph::SavedState kept;
  kept.mgr = first.next;
  const auto bytes = std::get<std::string>(ceph::encode_state(kept));
  const auto state = std::get<ceph::SavedState>(ceph::decode_state(ceph::kStateVersion, bytes));
  const auto second = ceph::advance(state.mgr, metrics, 1060 * kSecond, 15 * kSecond);
  for (const auto& pool : second.pools) require(pool.life.start() == 0);
  if (!state.mgr.images_whole) return;
  for (const auto& image : second.images) require(image.life.start() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > (32U << 10U)) return 0;
  const auto parsed = ceph::parse_mgr_metrics({reinterpret_cast<const char*>(data), size});
  if (const auto* metrics = std::get_if<ceph::MgrMetrics>(&parsed)) advance_twice(*metrics);
  return 0;
}
