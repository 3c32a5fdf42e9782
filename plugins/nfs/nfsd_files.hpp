#pragma once
// What the kernel's NFS server tells in files, parsed, pure.
//
//   /proc/fs/nfsd/export_stats      per export and client: a line "PATH\tCLIENT\tSECONDS", which
//                                   are the monotonic clock's when its statistics began, and below
//                                   it, indented, "NAME: NUMBER": fh_stale, io_read, io_write, and
//                                   an empty line. Lines with a # are comments. Spaces and the like
//                                   are \ooo in octal
//   /proc/net/rpc/nfsd              of the whole server: a line "io READ WRITTEN"
//
// The kernel makes an entry of export_stats anew, at zero, when it looks an export up again (each
// quarter of an hour or so): the seconds tell. The old one is listed beside it, with its last
// figures, until the kernel cleans up some seconds later; after exportfs -f it is gone at once.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fault.hpp"

namespace nfs {

struct KernelExport {
  std::string path, client;
  std::uint64_t began = 0;  ///< monotonic clock, seconds
  std::uint64_t read_bytes = 0, written_bytes = 0;
  friend bool operator==(const KernelExport&, const KernelExport&) = default;
};

struct KernelServer {
  std::uint64_t read_bytes = 0, written_bytes = 0;
  friend bool operator==(const KernelServer&, const KernelServer&) = default;
};

/// A file cut short, or with a line that is none of these, is a fault: nothing of it counts.
[[nodiscard]] std::variant<std::vector<KernelExport>, Fault> parse_export_stats(
    std::string_view text);
[[nodiscard]] std::variant<KernelServer, Fault> parse_rpc_nfsd(std::string_view text);
/// Of entries that nothing tells apart the first.
[[nodiscard]] std::vector<KernelExport> each_once(std::vector<KernelExport> exports);

/// "\040" and its kind as what they stand for; nothing when it is no such text.
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);

}  // namespace nfs
