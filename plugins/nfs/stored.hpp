#pragma once
// How many bytes a folder holds, by what its file system counts exactly. Looking at it may hang for
// ever (a dead server behind it): helpers.hpp does it in a process of its own.
//
//   CephFS              ceph.dir.rbytes of the folder, of a source that hosts share
//   btrfs, a subvolume  its qgroup's `referenced`, from sysfs: as of the last commit of the file
//   system project quota       ext4, XFS: the space of the project that the folder gives to what is
//   in it a file system of its own   what statvfs says is used, its own metadata with it
//
// Anything else is not known: walking a tree is no measurement.

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
  std::string cluster;  ///< of a CephFS: its fsid; else empty
  std::string inode;    ///< of a CephFS: the folder's
  friend bool operator==(const Stored&, const Stored&) = default;
};
using Measured = std::variant<Stored, Fault>;

/// Where the facts about file systems are found, besides in the folder itself.
struct Surroundings {
  std::string mounts;  ///< the text of /proc/self/mountinfo
  std::string btrfs;   ///< /sys/fs/btrfs
};

/// Looks. May hang, may take long.
[[nodiscard]] Measured measure(const std::string& path, const Surroundings& around);

// ---- Pure parts --------------------------------------------------------------------------------

/// The part of its file system that a mount shows: "/" when it is all of it. Nothing when there is
/// no mount of that number.
[[nodiscard]] std::optional<std::string> shown_by_mount(std::string_view mountinfo,
                                                        std::uint64_t mount);

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
