#pragma once
// What a poll learns of the kernel's NFS server, and how it is told. Files are read here, what
// stands in them is nfsd_files.hpp's.
//
// An entry names the life of its counters: boot, path, client and the second in which it began.
// Each is an epoch of its own, several of one export at a time while an old entry is on its way
// out. One that began since polls have looked for an nfsd counts from zero, from when it began;
// another is a baseline. So an entry that a poll lacked goes on, and none counts twice.

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
  std::optional<KernelServer> server;
  std::string no_server;               ///< why there is none, where there should be
  std::optional<std::size_t> clients;  ///< NFSv4 clients
  std::string no_clients;
};

/// Whether this kernel tells of its exports at all.
[[nodiscard]] bool has_kernel_server(const KernelPaths& paths);
/// `booted` as of now; see KernelSnapshot.
[[nodiscard]] std::variant<KernelSnapshot, Fault> read_kernel(const KernelPaths& paths,
                                                              std::int64_t booted);

/// Notes this boot, when there was a snapshot of it.
void note_boot(KernelWatch& watch, const KernelSnapshot& snapshot);

/// Emits what was seen, after note_boot().
void tell_kernel(Outlet& out, const KernelSnapshot& snapshot, const KernelWatch& watch,
                 std::uint32_t source);

}  // namespace nfs
