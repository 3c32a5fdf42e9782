#pragma once
// How many bytes a folder holds, by what its file system counts exactly. Looking at it may hang for
// ever (a dead server behind it): helpers.hpp does it in a process of its own.
//
//   CephFS                      ceph.dir.rbytes of the folder, of a source that hosts share
//   btrfs, a subvolume          its qgroup's `referenced`, from sysfs: as of the last commit of the
//                               file system
//   ext4, XFS, project quota    the space of the project that the folder gives to what is in it
//   a local file system of its  what statvfs says is used, its own metadata with it
//   own
//
// Anything else is not known: walking a tree is no measurement, and what a mounted server says is
// used of it may be everybody's.

#include <sys/quota.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "fault.hpp"

namespace nfs {

struct Stored {
  std::uint64_t bytes = 0;
  std::string method;   ///< "statvfs", "btrfs qgroup", "project quota", "ceph.dir.rbytes"
  std::string cluster;  ///< of a CephFS: its cluster's fsid; else empty
  std::string folder;   ///< of a CephFS: "fs F inode N"
  std::string device;   ///< of a file system of its own: its number; else empty
  friend bool operator==(const Stored&, const Stored&) = default;
};
using Measured = std::variant<Stored, Fault>;

/// Where the facts about file systems are found, besides in the folder itself.
struct Surroundings {
  bool named = false;  ///< somebody who knows says that the folder's file system is its own
  std::string mounts;  ///< the text of /proc/self/mountinfo
  std::string btrfs;   ///< /sys/fs/btrfs
};

/// Looks. May hang, may take long.
[[nodiscard]] Measured measure(const std::string& path, const Surroundings& around);

// ---- Pure parts --------------------------------------------------------------------------------

/// What a mount shows: which part of its file system ("/" when it is all of it), and its type.
struct Mount {
  std::string part, type;
  friend bool operator==(const Mount&, const Mount&) = default;
};
/// Nothing when there is no mount of that number.
[[nodiscard]] std::optional<Mount> mount_of(std::string_view mountinfo, std::uint64_t mount);
/// Whether a file system of that type is one of this host alone, that counts its own blocks.
[[nodiscard]] bool is_local(std::string_view type);

/// A folder of CephFS by the second word of its file system's f_fsid: which file system of the
/// cluster, as inodes are numbered in each anew. Nothing when the kernel does not tell
/// (before 5.16, or mounted without the file system's name).
[[nodiscard]] std::optional<std::string> folder_of_cephfs(int file_system, std::uint64_t inode);

/// blocks in use, in bytes; a fault when the figures contradict each other.
[[nodiscard]] Measured used_of(std::uint64_t fragment, std::uint64_t blocks, std::uint64_t free);

/// What a kernel's quota says; a fault when it does not say the space.
[[nodiscard]] Measured used_of(const dqblk& quota);

/// A decimal number and at most a line's end.
[[nodiscard]] std::optional<std::uint64_t> number_in(std::string_view text);

/// What a helper writes: to_report() and back. Any bytes give a measure or a fault.
[[nodiscard]] std::string to_report(const Measured& measured);
[[nodiscard]] Measured from_report(std::string_view report);

}  // namespace nfs
