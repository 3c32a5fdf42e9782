// sources: plugins/ceph/mgr_book.cpp plugins/ceph/mgr_state.cpp plugins/ceph/secret.cpp
// Whatever bytes a state or a file of keys has: a value or a fault; a state that is read is written
// as one that reads the same.

#include <cstdint>
#include <cstdlib>

#include "ceph/mgr_book.hpp"
#include "ceph/secret.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)ceph::parse_secret(bytes);
  (void)ceph::decode_state(1, bytes);
  if (size > ceph::kMaxStateBytes / 2) return 0;
  const auto state = ceph::decode_state(ceph::kStateVersion, bytes);
  const auto* read = std::get_if<ceph::SavedState>(&state);
  if (read == nullptr) return 0;
  const auto written = ceph::encode_state(*read);
  const auto* again = std::get_if<std::string>(&written);
  if (again == nullptr) std::abort();
  if (std::get<ceph::SavedState>(ceph::decode_state(ceph::kStateVersion, *again)) != *read) {
    std::abort();
  }
  return 0;
}
