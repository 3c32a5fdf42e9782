#pragma once
// What a poll learns of the kernel's NFS server, and how it is told. Files are read here, what
// stands in them is nfsd_files.hpp's.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "book.hpp"
#include "nfsd_files.hpp"
#include "outlet.hpp"

namespace nfs {

struct KernelPaths {
  std::string folder;  ///< the nfsd file system: /proc/fs/nfsd
  std::string server;  ///< /proc/net/rpc/nfsd
  std::string boot;    ///< /proc/sys/kernel/random/boot_id
};

struct KernelSnapshot {
  std::string boot;         ///< names this boot of the kernel
  std::int64_t booted = 0;  ///< when the monotonic clock was 0, nanoseconds since 1970
  std::vector<KernelExport> exports;
  std::optional<KernelServer> server;  ///< absent where the kernel does not tell
  std::optional<std::size_t> clients;  ///< NFSv4 clients
};

/// Whether this kernel tells of its exports at all.
[[nodiscard]] bool has_kernel_server(const KernelPaths& paths);
/// `booted` as of now; see KernelSnapshot.
[[nodiscard]] std::variant<KernelSnapshot, Fault> read_kernel(const KernelPaths& paths,
                                                              std::int64_t booted);

/// As the books want them, pure.
[[nodiscard]] std::vector<Sighting> export_sightings(const KernelSnapshot& snapshot);
[[nodiscard]] std::vector<Sighting> server_sightings(const KernelSnapshot& snapshot);

/// Emits what was seen, with the lives that the books gave them.
void tell_kernel(Outlet& out, const KernelSnapshot& snapshot, const std::vector<Life>& exports,
                 const std::vector<Life>& server, std::uint32_t source);

}  // namespace nfs
