// sources: plugins/nfs/book.cpp plugins/nfs/book_state.cpp
// Whatever bytes a state has: a state or a fault; what is read is written as one that reads the
// same.

#include <cstdint>
#include <cstdlib>

#include "nfs/book.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto state =
      nfs::decode_state(nfs::kStateVersion, {reinterpret_cast<const char*>(data), size});
  const auto* read = std::get_if<nfs::State>(&state);
  // More of it could have to be written coarsely.
  if (read == nullptr || size > nfs::kMaxStateBytes / 16) return 0;
  const auto written = nfs::encode_state(*read);
  const auto* bytes = std::get_if<std::string>(&written);
  if (bytes == nullptr) std::abort();
  if (std::get<nfs::State>(nfs::decode_state(nfs::kStateVersion, *bytes)) != *read) std::abort();
  return 0;
}
