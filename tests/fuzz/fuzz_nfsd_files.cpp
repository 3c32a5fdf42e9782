// sources: plugins/nfs/nfsd_files.cpp plugins/nfs/stored_report.cpp
// Whatever stands in the kernel's files, in a helper's report and among the mounts: values or a
// fault. What is read as exports is written again as a file that reads the same.

#include "nfs/nfsd_files.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "nfs/stored.hpp"

namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '\\';
    for (const unsigned shift : {6U, 3U, 0U}) out += static_cast<char>('0' + (byte >> shift & 7U));
  }
  return out;
}

std::string written(const std::vector<nfs::KernelExport>& exports) {
  std::string out = "# Version 1.1\n";
  for (const nfs::KernelExport& one : exports) {
    out += escaped(one.path) + "\t" + escaped(one.client) + "\t" + std::to_string(one.began) +
           "\n\tfh_stale: 0\n\tio_read: " + std::to_string(one.read_bytes) +
           "\n\tio_write: " + std::to_string(one.written_bytes) + "\n\n";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > (64U << 10U)) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)nfs::parse_rpc_nfsd(text);
  (void)nfs::from_report(text);
  (void)nfs::mount_of(text, 1);
  const auto parsed = nfs::parse_export_stats(text);
  const auto* exports = std::get_if<std::vector<nfs::KernelExport>>(&parsed);
  if (exports == nullptr) return 0;
  for (const nfs::KernelExport& one : *exports) {
    if (one.path.find('\0') != std::string::npos || one.client.find('\0') != std::string::npos) {
      return 0;
    }
  }
  const auto again = nfs::parse_export_stats(written(*exports));
  if (std::get<std::vector<nfs::KernelExport>>(again) != *exports) std::abort();
  return 0;
}
